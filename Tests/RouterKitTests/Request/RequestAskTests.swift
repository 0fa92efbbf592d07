import RouterKit
import Testing
import Wire

@Suite("The human's last ask")
struct RequestAskTests {
    @Test func joinsTextPartsAndDecodesEscapes() throws {
        let request = try view(
            #"""
            {"model":"m","messages":[{"content":[{"type":"text","text":"Why is \"x\" blue?"},
             {"text":"caf\u00e9 \ud83d\ude00","type":"text"}],"role":"user"}]}
            """#)
        #expect(request.ask.text == "Why is \"x\" blue?\ncafé 😀")
    }

    @Test(
        arguments: [
            (
                Dialect.chatCompletions,
                #"""
                {"model":"m","messages":[{"role":"user","content":"Find the bug in main.c, please"},
                 {"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},
                 {"role":"tool","tool_call_id":"1","content":"int main(){}"}]}
                """#
            ),
            (
                .messages,
                #"""
                {"model":"m","messages":[{"role":"user","content":"Find the bug in main.c, please"},
                 {"role":"assistant","content":[{"type":"tool_use","id":"1","name":"cat","input":{}}]},
                 {"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"int main(){}"}]}]}
                """#
            ),
            (
                .responses,
                #"""
                {"model":"m","input":[{"role":"user","content":"Find the bug in main.c, please"},
                 {"type":"function_call","call_id":"1","name":"cat","arguments":"{}"},
                 {"type":"function_call_output","call_id":"1","output":"int main(){}"}]}
                """#
            ),
        ])
    func skipsToolResults(_ dialect: Dialect, _ body: String) throws {
        let request = try view(body, dialect)
        #expect(request.ask.text == "Find the bug in main.c, please")
        #expect(request.endsWithToolResult)
        #expect(request.turns == 1)
        #expect(request.messageCount == 3)
        #expect(request.textBytes >= 30 + 12)
    }

    @Test func stripsReminders() throws {
        let request = try view(
            #"""
            {"model":"m","messages":[{"role":"user","content":"Rename foo to bar everywhere"},
             {"role":"assistant","content":"Done."},
             {"role":"user","content":"<system-reminder>tasks\nare</system-reminder>\n"}]}
            """#)
        #expect(request.ask.text == "Rename foo to bar everywhere")
        let escaped = try view(
            #"""
            {"model":"m","messages":[{"role":"user","content":
             "\u003csystem-reminder\u003ea\u003c/system-reminder\u003eWhat is a monad, in one line?<system-reminder>b"}]}
            """#)
        #expect(escaped.ask.text == "What is a monad, in one line?")
    }

    @Test func bareAskInheritsWhatItContinues() throws {
        let request = try view(
            #"""
            {"model":"m","messages":[
             {"role":"user","content":"Prove that there are infinitely many primes."},
             {"role":"assistant","content":"Shall I use Euclid's argument?"},
             {"role":"user","content":"yes"},{"role":"assistant","content":"In full?"},
             {"role":"user","content":"go on"}]}
            """#)
        #expect(request.ask.isBare)
        #expect(request.ask.text == "go on")
        #expect(String(decoding: request.ask.inherited, as: UTF8.self).hasPrefix("Prove that"))
        #expect(String(decoding: request.ask.lastAnswer, as: UTF8.self) == "In full?")
        #expect(request.ask.decisiveBytes == request.ask.inherited)
        #expect(request.turns == 3)
    }

    @Test func wholeQuestionsStandAlone() throws {
        let request = try view(
            #"""
            {"model":"m","messages":[{"role":"user","content":"Prove that there are infinitely many primes."},
             {"role":"assistant","content":"ok"},{"role":"user","content":"What is the capital of France?"}]}
            """#)
        #expect(!request.ask.isBare)
        #expect(request.ask.inherited.isEmpty)
        #expect(request.ask.decisiveBytes == request.ask.bytes)
    }

    @Test func keepsHeadAndTailOfALongAsk() throws {
        var limits = Limits.standard
        limits.classifiedTextBytes = 64
        let text = "First the question? " + String(repeating: "ß", count: 500) + " and last the task."
        let request = try view(
            #"{"model":"m","messages":[{"role":"user","content":"\#(text)"}]}"#, limits: limits)
        #expect(request.ask.isCut)
        #expect(request.ask.bytes.count <= 64)
        #expect(request.ask.text.hasPrefix("First the question? ß"))
        #expect(request.ask.text.hasSuffix("ß and last the task."))
        #expect(!request.ask.text.contains("\u{FFFD}"))
    }

    @Test(arguments: [#"é"#, #"\u00e9"#, #"\ud83d\ude00 "#, #"\\"#, #"\n\n\n\n\n\n\n "#])
    func looksOnlyAtTheEndsOfAHugeMessage(_ filler: String) throws {
        var limits = Limits.standard
        limits.askScanBytes = 4096
        let text = "Summarize this: " + String(repeating: filler, count: 5000) + " thank you very much"
        let request = try view(
            #"{"model":"m","messages":[{"role":"user","content":"\#(text)"}]}"#, limits: limits)
        #expect(request.ask.text.hasPrefix("Summarize this:"))
        #expect(request.ask.text.hasSuffix("thank you very much") || filler == #"\\"#)
        #expect(request.ask.bytes.count <= limits.classifiedTextBytes)
        #expect(!request.ask.text.contains("\u{FFFD}"))
    }

    @Test func buildsARequestFromAPrompt() throws {
        let request = try RequestView(asking: "Say \"hi\"\nto \u{1F600}, would you?")
        #expect(request.ask.text == "Say \"hi\"\nto \u{1F600}, would you?")
        #expect(request.model == "auto")
    }

    @Test func saysNothingWhereNobodyAsked() throws {
        #expect(try view(#"{"model":"m","messages":[{"role":"system","content":"Be kind."}]}"#).ask == HumanAsk())
    }
}
