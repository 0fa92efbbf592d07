import RouterKit
import Testing
import Wire

/// A view of `json`, which must be a routable body.
func view(_ json: String, _ dialect: Dialect = .chatCompletions, limits: Limits = .standard) throws -> RequestView {
    try RequestView(Array(json.utf8), dialect: dialect, limits: limits)
}

@Suite("Facts of a request")
struct RequestViewTests {
    @Test func readsTheModelAndWhereItIs() throws {
        let request = try view(#"{ "model" : "gpt-\u0034o", "messages":[]}"#)
        #expect(request.model == "gpt-4o")
        #expect(String(decoding: request.body[request.modelRange], as: UTF8.self) == #""gpt-\u0034o""#)
    }

    @Test func findsAModelWhoseKeyIsEscaped() throws {
        #expect(try view(#"{"mod\u0065l":"auto"}"#).model == "auto")
    }

    @Test func readsChatParameters() throws {
        let request = try view(
            #"""
            {"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":5,
             "max_completion_tokens":900,"reasoning_effort":"low","tool_choice":"required",
             "tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],
             "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"json_object"}}}}
            """#)
        #expect(request.stream)
        #expect(request.includesUsage)
        #expect(request.maxOutputTokens == 900)
        #expect(request.setsReasoning)
        #expect(request.toolChoice == .required)
        #expect(request.toolCount == 2)
        #expect(request.toolBytes > 80)
        #expect(request.needsJSONSchema)
        #expect(!request.needsJSONMode)
    }

    @Test func readsResponsesParameters() throws {
        let request = try view(
            #"""
            {"model":"m","input":"What is 2+2?","instructions":"Be short.","max_output_tokens":7,
             "text":{"verbosity":"low","format":{"type":"json_object"}},"reasoning":{"effort":"low"},
             "previous_response_id":"resp_1","tool_choice":{"type":"function","name":"f"}}
            """#, .responses)
        #expect(request.ask.text == "What is 2+2?")
        #expect(request.systemBytes == 9)
        #expect(request.maxOutputTokens == 7)
        #expect(request.needsJSONMode)
        #expect(request.setsReasoning)
        #expect(request.previousResponseID == "resp_1")
        #expect(request.toolChoice == .required)
        #expect(request.turns == 1)
    }

    @Test func readsMessagesParameters() throws {
        let request = try view(
            #"""
            {"model":"m","max_tokens":1024,"system":[{"type":"text","text":"You are terse."}],
             "thinking":{"type":"enabled","budget_tokens":1000},"tool_choice":{"type":"auto"},
             "messages":[{"role":"user","content":"Hello there, old friend"}]}
            """#, .messages)
        #expect(request.systemBytes == 14)
        #expect(request.maxOutputTokens == 1024)
        #expect(request.setsReasoning)
        #expect(request.toolChoice == .auto)
        #expect(request.ask.text == "Hello there, old friend")
    }

    @Test func readsCompletionsAndEmbeddings() throws {
        let completion = try view(#"{"model":"m","prompt":["one","Once upon a time"]}"#, .completions)
        #expect(completion.textBytes == 19)
        #expect(completion.ask.text == "one\nOnce upon a time")
        #expect(try view(#"{"model":"m","input":[1,2,300]}"#, .embeddings).estimatedInputTokens == 3)
        #expect(try view(#"{"model":"m","input":"abcdefgh"}"#, .embeddings).estimatedInputTokens == 2)
    }

    @Test(
        arguments: [
            (Dialect.chatCompletions, #"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}"#),
            (.responses, #"{"type":"input_image","image_url":"https://example.invalid/a.png"}"#),
            (.messages, #"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}"#),
        ])
    func countsImages(_ dialect: Dialect, _ part: String) throws {
        let member = dialect == .responses ? "input" : "messages"
        let request = try view(
            #"{"model":"m","\#(member)":[{"role":"user","content":[{"type":"text","text":"See?"},\#(part)]}]}"#,
            dialect)
        #expect(request.imageCount == 1)
        #expect(request.estimatedInputTokens == 1 + RequestView.tokensPerImage)
    }

    @Test func countsAudioAndFiles() throws {
        let request = try view(
            #"""
            {"model":"m","messages":[{"role":"user","content":[
             {"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},
             {"type":"file","file":{"file_id":"f"}},{"type":"text","text":"Sum both up, please."}]}]}
            """#)
        #expect(request.audioCount == 1)
        #expect(request.fileCount == 1)
        #expect(request.ask.text == "Sum both up, please.")
    }

    @Test func noticesStateThatOnlyOneProviderUnderstands() throws {
        let thinking = try view(
            #"""
            {"model":"m","messages":[{"role":"assistant","content":[
             {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"a"}]}]}
            """#, .messages)
        #expect(thinking.hasProviderBoundState)
        let reasoning = try view(
            #"{"model":"m","input":[{"type":"reasoning","summary":[],"encrypted_content":"x"}]}"#, .responses)
        #expect(reasoning.hasProviderBoundState)
        let stored = try view(#"{"model":"m","input":"go on","conversation":{"id":"conv_1"}}"#, .responses)
        #expect(stored.hasProviderBoundState)
        let plain = try view(#"{"model":"m","messages":[{"role":"assistant","content":"a"}]}"#, .messages)
        #expect(!plain.hasProviderBoundState)
    }

    @Test func leavesOddConversationsToTheUpstream() throws {
        for body in [
            #"{"model":"m"}"#, #"{"model":"m","messages":null}"#, #"{"model":"m","messages":[1,"x",[],{}]}"#,
            #"{"model":"m","messages":[{"role":7,"content":{"a":1}},{"content":"x"}]}"#,
            #"{"model":"m","messages":[{"role":"user","content":[null,{"type":"text"},{"type":5,"text":5}]}]}"#,
            #"{"model":"m","tools":{},"tool_choice":3,"response_format":"json","stream_options":[],"text":1}"#,
        ] {
            #expect(try view(body).ask.bytes.isEmpty, "\(body)")
        }
    }

    @Test func estimatesAQuarterOfAllText() throws {
        let request = try view(
            #"""
            {"model":"m","messages":[{"role":"system","content":"12345678"},{"role":"user","content":"1234567"},
             {"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"123456"}]}
            """#)
        #expect(request.systemBytes == 8)
        #expect(request.textBytes == 15)
        #expect(request.estimatedInputTokens == 6)
    }
}

@Suite("Bodies that cannot be routed")
struct RequestErrorTests {
    private func error(_ json: String, _ dialect: Dialect = .chatCompletions) -> RequestError? {
        do throws(RequestError) {
            _ = try RequestView(Array(json.utf8), dialect: dialect)
            return nil
        } catch {
            return error
        }
    }

    @Test func namesTheByteOfInvalidJSON() {
        #expect(error("").map(\.code) == .invalidJSON)
        let broken = error(#"{"model":"m",}"#)
        #expect(broken?.code == .invalidJSON)
        #expect(broken?.offset == 13)
        #expect(error("{\"model\":\"\u{1}\"}")?.offset == 10)
    }

    @Test func refusesWhatIsNotAnObject() {
        #expect(error("[]")?.code == .notAnObject)
        #expect(error("\"model\"")?.code == .notAnObject)
    }

    @Test func wantsAModelThatIsAString() {
        #expect(error("{}")?.code == .missingModel)
        #expect(error(#"{"messages":[{"model":"inner"}]}"#)?.param == "model")
        let wrong = error(#"{"model": 4}"#)
        #expect(wrong?.code == .wrongType)
        #expect(wrong?.offset == 10)
    }

    @Test func wantsATruthValueForStream() {
        #expect(error(#"{"model":"m","stream":"true"}"#)?.param == "stream")
        #expect(error(#"{"model":"m","stream":null}"#) == nil)
    }

    @Test(
        arguments: [
            ("model", #"{"model":"a","mod\u0065l":"b"}"#), ("stream", #"{"model":"a","stream":true,"stream":false}"#),
            ("stream_options", #"{"model":"a","stream_options":{},"stream_options":null}"#),
            ("messages", #"{"messages":[],"model":"a","messages":[]}"#),
            ("stream_options.include_usage", #"{"model":"a","stream_options":{"include_usage":1,"include_usage":2}}"#),
        ])
    func refusesTwoOfWhatDecidesTheRoute(_ name: String, _ body: String) {
        let found = error(body)
        #expect(found?.code == .duplicateKey)
        #expect(found?.param == name)
        #expect(found?.message.contains(name) == true)
    }

    @Test func allowsTwoOfAnythingElse() {
        #expect(error(#"{"model":"a","x":1,"x":2,"metadata":{"model":"b","model":"c"}}"#) == nil)
    }

    @Test func refusesBytesThatAreNotUTF8() {
        #expect(throws: RequestError.self) {
            try RequestView(Array(#"{"model":"a","x":""#.utf8) + [0xFF, 0x22, 0x7D], dialect: .chatCompletions)
        }
    }
}
