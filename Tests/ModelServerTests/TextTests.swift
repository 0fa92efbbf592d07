import Testing
import Tokens
import Wire

@testable import custom_model_server

struct TextTests {
    @Test func halfACharacterAndAPossibleStopAreHeldBack() {
        var text = TextAssembler(stops: ["END"])
        #expect(text.append([0xE2, 0x82]) == "")
        #expect(text.append([0xAC, 0x21]) == "€!")
        #expect(text.append(Array("aE".utf8)) == "a")
        #expect(text.append(Array("N".utf8)) == "")
        #expect(text.append(Array("x".utf8)) == "ENx")
        #expect(text.append(Array("yENDz".utf8)) == "y")
        #expect(text.isStopped)
        #expect(text.append(Array("more".utf8)) == "")
    }

    @Test func whatIsHeldComesAtTheEnd() {
        var text = TextAssembler(stops: ["stop"])
        #expect(text.append(Array("sto".utf8)) == "")
        #expect(text.finish() == "sto")
        var broken = TextAssembler(stops: [])
        #expect(broken.append([0xF0, 0x9F]) == "")
        #expect(broken.finish() == "\u{FFFD}")
    }

    @Test func piecesAreThoseOfGPT2() {
        func pieces(_ text: String, digitsApart: Bool = true) -> [String] {
            var found: [String] = []
            PreTokenizer(text, digitsApart: digitsApart).forEach { found.append(String(decoding: $0, as: UTF8.self)) }
            return found
        }
        #expect(pieces("I'll go, 12 times") == ["I", "'ll", " go", ",", " ", "1", "2", " times"])
        #expect(pieces("12 times", digitsApart: false) == ["12", " times"])
        #expect(pieces("a  b") == ["a", " ", " b"])
        #expect(pieces("a\n\n b ") == ["a", "\n\n", " b", " "])
        #expect(pieces("größe ½x") == ["größe", " ", "½", "x"])
        #expect(pieces("") == [])
    }
}

struct SamplerTests {
    @Test func greedyTakesTheFirstOfTheLikeliest() {
        var sampler = Sampler(temperature: 0, topP: 1, seed: 1)
        #expect(sampler.choose([0, 3, 3, 1]) == 1)
    }

    @Test func aSeedChoosesTheSameAndTopPKeepsToTheLikely() {
        let logits: [Float] = (0..<50).map { $0 == 7 ? 5 : $0 == 9 ? 4.5 : 0 }
        var first = Sampler(temperature: 1, topP: 0.7, seed: 42)
        var second = Sampler(temperature: 1, topP: 0.7, seed: 42)
        let chosen = (0..<200).map { _ in first.choose(logits) }
        #expect(chosen == (0..<200).map { _ in second.choose(logits) })
        #expect(Set(chosen) == [7, 9])
        var narrow = Sampler(temperature: 1, topP: 0.01, seed: 3)
        #expect(Set((0..<50).map { _ in narrow.choose(logits) }) == [7])
    }
}

struct CallTests {
    @Test(arguments: [
        (#"{"messages":[]}"#, "messages must be"), (#"{"messages":[{"role":"x","content":"a"}]}"#, "messages[0].role"),
        (#"{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#, "no text"),
        (#"{"messages":[{"role":"user","content":"a"}],"temperature":3}"#, "temperature must be a number from 0 to 2"),
        (#"{"messages":[{"role":"user","content":"a"}],"n":2}"#, "one choice"),
        (#"{"messages":[{"role":"user","content":"a"}],"stop":[1]}"#, "stop must be"), ("[]", "not an object"),
        ("{", "not JSON"),
    ])
    func mistakesAreNamed(_ body: String, _ words: String) {
        let error = #expect(throws: CompletionCall.Refusal.self) {
            try CompletionCall(Array(body.utf8), isChat: true, limits: .standard)
        }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func aCallIsRead() throws {
        let body =
            #"{"model":"m:v","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],"#
            + #""max_tokens":5,"temperature":0,"seed":-1,"stop":"x","stream":true,"stream_options":{"include_usage":true}}"#
        let call = try CompletionCall(Array(body.utf8), isChat: true, limits: .standard)
        #expect(call.tokenLimit == 5 && call.temperature == 0 && call.seed == .max && call.stops == ["x"])
        #expect(call.isStream && call.wantsUsage && call.model == "m:v")
        guard case .messages(let messages) = call.input else { return #expect(Bool(false), "not a chat") }
        #expect(messages == [.init(role: "user", content: "a\nb")])
    }
}
