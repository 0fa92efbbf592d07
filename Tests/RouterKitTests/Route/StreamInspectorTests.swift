import Testing
import Wire

@testable import RouterKit

@Suite struct StreamInspectorTests {
    /// Feeds `text` cut into pieces of `size` bytes.
    private func relay(_ text: String, _ dialect: Dialect, strips: Bool, size: Int) throws -> (String, StreamInspector)
    {
        var inspector = StreamInspector(dialect: dialect, stripsUsage: strips, limits: .standard)
        var out: [UInt8] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            try inspector.consume(Array(bytes[start..<min(start + size, bytes.count)]), into: &out)
        }
        inspector.finish(into: &out)
        return (String(decoding: out, as: UTF8.self), inspector)
    }

    static let chat = """
        : ping

        data: {"id":"c1","choices":[{"delta":{"content":"Grüße \\"usage\\""}}],"usage":null}

        data: {"id":"c1","choices":[{"delta":{}}],"usage":null}

        data: {"id":"c1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2}}}

        data: [DONE]


        """

    @Test(arguments: [1, 2, 3, 7, 64, 10_000])
    func everyByteOfAStreamPassesWhenTheClientAskedForUsage(size: Int) throws {
        let (out, inspector) = try relay(Self.chat, .chatCompletions, strips: false, size: size)
        #expect(out == Self.chat)
        #expect(inspector.usage == TokenUsage(promptTokens: 7, completionTokens: 3, cachedTokens: 2))
        #expect(inspector.isComplete && !inspector.hasError)
    }

    @Test(arguments: [1, 5, 10_000])
    func theUsageTheRouterAskedForIsTakenOutAgain(size: Int) throws {
        let (out, inspector) = try relay(Self.chat, .chatCompletions, strips: true, size: size)
        let wanted = """
            : ping

            data: {"id":"c1","choices":[{"delta":{"content":"Grüße \\"usage\\""}}]}

            data: {"id":"c1","choices":[{"delta":{}}]}

            data: [DONE]


            """
        #expect(out == wanted)
        #expect(inspector.usage?.promptTokens == 7)
    }

    @Test func usageAsTheFirstOrOnlyMemberLeavesValidJSON() throws {
        let first = "data: {\"usage\": null, \"choices\":[1]}\n\n"
        #expect(try relay(first, .chatCompletions, strips: true, size: 99).0 == "data: {\"choices\":[1]}\n\n")
        let only = "data: {\"usage\":null}\n\n"
        #expect(try relay(only, .chatCompletions, strips: true, size: 99).0 == "data: {}\n\n")
    }

    @Test func anthropicUsageIsMergedOverTheStream() throws {
        let stream = """
            event: message_start
            data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}

            event: message_delta
            data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":42}}

            event: message_stop
            data: {"type":"message_stop"}


            """
        let (out, inspector) = try relay(stream, .messages, strips: false, size: 11)
        #expect(out == stream)
        #expect(inspector.usage == TokenUsage(promptTokens: 15, completionTokens: 42, cachedTokens: 5))
        #expect(inspector.isComplete)
    }

    @Test func aResponsesStreamGivesItsIDAndUsage() throws {
        let stream = """
            event: response.created
            data: {"type":"response.created","response":{"id":"resp_1","usage":null}}

            event: response.completed
            data: {"type":"response.completed","response":{"id":"resp_1","usage":{"input_tokens":4,"output_tokens":6,"output_tokens_details":{"reasoning_tokens":5}}}}


            """
        let (out, inspector) = try relay(stream, .responses, strips: false, size: 13)
        #expect(out == stream)
        #expect(inspector.responseID == "resp_1")
        #expect(inspector.usage == TokenUsage(promptTokens: 4, completionTokens: 6, reasoningTokens: 5))
        #expect(inspector.isComplete)
    }

    @Test func anErrorEventIsSeenAndRelayed() throws {
        let stream = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"
        let (out, inspector) = try relay(stream, .chatCompletions, strips: true, size: 4)
        #expect(out == stream)
        #expect(inspector.hasError && inspector.eventCount == 1)
    }

    @Test func theRestOfABrokenEventIsNotLost() throws {
        let stream = "data: {\"a\":1}\n\ndata: {\"b\""
        #expect(try relay(stream, .chatCompletions, strips: true, size: 3).0 == stream)
    }

    @Test func anEventOverTheLimitIsRefused() {
        var limits = Limits()
        limits.sseEventBytes = 100
        var inspector = StreamInspector(dialect: .chatCompletions, stripsUsage: false, limits: limits)
        var out: [UInt8] = []
        #expect(throws: WireError.self) {
            try inspector.consume(Array(repeating: UInt8(ascii: "x"), count: 101), into: &out)
        }
    }
}

/// Events after the like of which some were read in full already are recognized by their shape: what comes of them must
/// be what comes of reading each in full.
@Suite struct RepeatedEventTests {
    /// What one inspector makes of all events, in pieces of `size`; and what inspectors make that see one event each.
    private func relay(_ events: [String], size: Int) throws -> (together: String, apart: String, count: Int) {
        var inspector = StreamInspector(dialect: .chatCompletions, stripsUsage: true, limits: .standard)
        var together: [UInt8] = []
        let bytes = Array(events.joined().utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            var out: [UInt8] = []
            try inspector.consume(Array(bytes[start..<min(start + size, bytes.count)]), into: &out)
            together += out
        }
        var apart: [UInt8] = []
        for event in events {
            var fresh = StreamInspector(dialect: .chatCompletions, stripsUsage: true, limits: .standard)
            try fresh.consume(Array(event.utf8), into: &apart)
        }
        return (String(decoding: together, as: UTF8.self), String(decoding: apart, as: UTF8.self), inspector.eventCount)
    }

    private static func token(_ content: String, more: String = "", id: String = "c1") -> String {
        #"data: {"id":"\#(id)","choices":[{"delta":{"content":"\#(content)"}}]\#(more),"usage":null}"# + "\n\n"
    }

    @Test(arguments: [1, 7, 100, 1000, 100_000])
    func whatOneEventTaughtChangesNothingOfTheNext(size: Int) throws {
        let events = [
            Self.token("a"), Self.token("b"), Self.token(""), Self.token(#"say \"usage\":null"#), Self.token("[DONE]"),
            Self.token("漢字", id: "other"), Self.token("x", more: #","obfuscation":"q7""#),
            Self.token("y", more: #","obfuscation":"longer""#), Self.token("z", more: #","service_tier":"default""#),
            ": ping\n\n", Self.token("b"), #"data: {"choices":[],"usage":null}"# + "\n\n",
            #"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"# + "\n\n", Self.token("c"),
            #"data: {"usage":null,"choices":[{"text":"first"}]}"# + "\n\n",
            #"data: {"usage":null,"choices":[{"text":"of two"}]}"# + "\n\n", Self.token("broken\u{1}"), Self.token("d"),
            Self.token("e").replacing("\n\n", with: "\r\n\r\n"), Self.token(#"odd \q escape"#), "data: [DONE]\n\n",
        ]
        let relayed = try relay(events, size: size)
        #expect(relayed.together == relayed.apart)
        #expect(relayed.count == events.count - 1)
        #expect(relayed.together.contains(#"say \"usage\":null"#))
        #expect(relayed.together.contains("broken\u{1}\"}}],\"usage\":null}"))
    }

    @Test func anErrorInTheFormOfATokenIsSeen() throws {
        var inspector = StreamInspector(dialect: .chatCompletions, stripsUsage: true, limits: .standard)
        var out: [UInt8] = []
        try inspector.consume(Array(Self.token("a").utf8), into: &out)
        #expect(!inspector.hasError)
        try inspector.consume(Array(Self.token("b", more: #","error":"e""#).utf8), into: &out)
        #expect(inspector.hasError)
    }

    /// The upstream's array is handed on where nothing is cut, and nothing is kept of it.
    @Test func eventsInOnePieceStayInOnePiece() throws {
        var inspector = StreamInspector(dialect: .chatCompletions, stripsUsage: false, limits: .standard)
        let piece = Array((Self.token("a") + Self.token("b")).utf8)
        var out: [UInt8] = []
        try inspector.consume(piece, into: &out)
        let isSame = out.withUnsafeBytes { out in piece.withUnsafeBytes { $0.baseAddress == out.baseAddress } }
        #expect(out == piece && isSame)
    }
}
