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
