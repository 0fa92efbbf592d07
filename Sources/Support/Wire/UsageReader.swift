/// Reads token counts out of answers, whatever the dialect calls them.
package enum UsageReader {
    /// The counts in a `usage` object.
    ///
    /// OpenAI counts cached tokens inside `prompt_tokens` (or `input_tokens`); Anthropic counts them beside
    /// `input_tokens`. The result always counts them inside, so that one price formula serves.
    package static func read(usage part: Range<Int>, of bytes: [UInt8]) -> TokenUsage? {
        guard let document = try? JSONDocument(validating: bytes, in: part) else { return nil }
        var cursor = JSONCursor(document)
        return read(&cursor)
    }

    /// What a whole JSON answer says: its usage, its id, and whether it is an error wrapped in a good status.
    package static func summary(ofAnswer bytes: [UInt8], in part: Range<Int>? = nil) -> AnswerSummary {
        var summary = AnswerSummary()
        guard let document = try? JSONDocument(validating: bytes, in: part), document.kind == .object else {
            return summary
        }
        for member in document.memberRanges {
            let kind = document.kind(of: member)
            if document.key(of: member, equals: "usage") {
                guard kind == .object else { continue }
                var cursor = JSONCursor(document, at: member.value.lowerBound)
                summary.usage = read(&cursor)
            } else if document.key(of: member, equals: "id") {
                if kind == .string { summary.id = text(of: member, in: document) }
            } else if document.key(of: member, equals: "error") {
                if kind != .null, kind != .false { summary.hasError = true }
            } else if document.key(of: member, equals: "type") {
                if kind == .string, text(of: member, in: document) == "error" { summary.hasError = true }
            } else if isAnswer(member, of: document) {
                summary.hasAnswer = true
            }
        }
        return summary
    }

    /// A member's string, escapes resolved.
    package static func text(of member: JSONMemberRanges, in document: JSONDocument) -> String {
        JSONText.decodeString(document.bytes.span.extracting(member.value))
    }

    /// Whether this is a member that only a real answer has, over all dialects.
    private static func isAnswer(_ member: JSONMemberRanges, of document: JSONDocument) -> Bool {
        document.key(of: member, equals: "choices") || document.key(of: member, equals: "output")
            || document.key(of: member, equals: "content") || document.key(of: member, equals: "data")
    }

    private static func read(_ cursor: inout JSONCursor) -> TokenUsage? {
        var usage = TokenUsage(promptTokens: 0, completionTokens: 0)
        var found = false
        var besideInput = 0
        guard cursor.enterObject() else { return nil }
        while cursor.nextKey() {
            if cursor.keyEquals("prompt_tokens") || cursor.keyEquals("input_tokens") {
                usage.promptTokens = count(&cursor)
                found = true
            } else if cursor.keyEquals("completion_tokens") || cursor.keyEquals("output_tokens") {
                usage.completionTokens = count(&cursor)
                found = true
            } else if cursor.keyEquals("total_tokens") {
                found = true
            } else if cursor.keyEquals("cache_read_input_tokens") {
                usage.cachedTokens = count(&cursor)
                besideInput += usage.cachedTokens
            } else if cursor.keyEquals("cache_creation_input_tokens") {
                besideInput += count(&cursor)
            } else if cursor.keyEquals("prompt_tokens_details") || cursor.keyEquals("input_tokens_details") {
                usage.cachedTokens = detail("cached_tokens", &cursor)
            } else if cursor.keyEquals("completion_tokens_details") || cursor.keyEquals("output_tokens_details") {
                usage.reasoningTokens = detail("reasoning_tokens", &cursor)
            }
        }
        usage.promptTokens += besideInput
        return found ? usage : nil
    }

    /// A count of tokens; 0 for anything that cannot be one.
    private static func count(_ cursor: inout JSONCursor) -> Int {
        guard cursor.kind == .number else { return 0 }
        guard let value = cursor.int(), value >= 0, value < 1_000_000_000_000 else { return 0 }
        return value
    }

    private static func detail(_ key: StaticString, _ cursor: inout JSONCursor) -> Int {
        var value = 0
        guard cursor.enterObject() else { return 0 }
        while cursor.nextKey() {
            if cursor.keyEquals(key) { value = count(&cursor) }
        }
        return value
    }
}

/// What a relay needs to know of an answer that it relays unread otherwise.
package struct AnswerSummary: Equatable, Sendable {
    package var usage: TokenUsage?
    package var id: String?
    package var hasError = false
    package var hasAnswer = false

    /// An error body behind a status of 200: some upstreams and proxies do that.
    package var isErrorInDisguise: Bool { hasError && !hasAnswer }
}
