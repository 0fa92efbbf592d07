import Wire

/// Reads token counts out of answers, whatever the dialect calls them.
enum UsageReader {
    /// The counts in a `usage` object.
    ///
    /// OpenAI counts cached tokens inside `prompt_tokens` (or `input_tokens`); Anthropic counts them beside
    /// `input_tokens`. The result always counts them inside, so that one price formula serves.
    static func read(usage part: Range<Int>, of bytes: [UInt8]) -> TokenUsage? {
        guard let document = try? JSONDocument(validating: bytes, in: part), document.kind == .object else {
            return nil
        }
        var usage = TokenUsage(promptTokens: 0, completionTokens: 0)
        var found = false
        var besideInput = 0
        for member in document.members() {
            switch member.key {
            case "prompt_tokens", "input_tokens":
                usage.promptTokens = count(bytes, member)
                found = true
            case "completion_tokens", "output_tokens":
                usage.completionTokens = count(bytes, member)
                found = true
            case "total_tokens": found = true
            case "cache_read_input_tokens":
                usage.cachedTokens = count(bytes, member)
                besideInput += usage.cachedTokens
            case "cache_creation_input_tokens": besideInput += count(bytes, member)
            case "prompt_tokens_details", "input_tokens_details":
                usage.cachedTokens = detail("cached_tokens", bytes, member)
            case "completion_tokens_details", "output_tokens_details":
                usage.reasoningTokens = detail("reasoning_tokens", bytes, member)
            default: break
            }
        }
        usage.promptTokens += besideInput
        return found ? usage : nil
    }

    /// What a whole JSON answer says: its usage, its id, and whether it is an error wrapped in a good status.
    static func summary(ofAnswer bytes: [UInt8], in part: Range<Int>? = nil) -> AnswerSummary {
        var summary = AnswerSummary()
        guard let document = try? JSONDocument(validating: bytes, in: part), document.kind == .object else {
            return summary
        }
        summary.isJSONObject = true
        for member in document.members() {
            switch member.key {
            case "usage" where member.kind == .object: summary.usage = read(usage: member.valueRange, of: bytes)
            case "id" where member.kind == .string: summary.id = string(bytes, member)
            case "error" where member.kind != .null && member.kind != .false: summary.hasError = true
            case "type" where member.kind == .string:
                summary.hasError = summary.hasError || string(bytes, member) == "error"
            case "choices", "output", "content", "data": summary.hasAnswer = true
            default: break
            }
        }
        return summary
    }

    static func string(_ bytes: [UInt8], _ member: JSONMember) -> String {
        JSONText.decodeString(bytes.span.extracting(member.valueRange))
    }

    private static func count(_ bytes: [UInt8], _ member: JSONMember) -> Int {
        guard let value = JSONText.double(bytes.span.extracting(member.valueRange)), value >= 0, value < 1e12 else {
            return 0
        }
        return Int(value)
    }

    private static func detail(_ key: String, _ bytes: [UInt8], _ member: JSONMember) -> Int {
        guard let document = try? JSONDocument(validating: bytes, in: member.valueRange),
            let found = document.firstMember(key)
        else { return 0 }
        return count(bytes, found)
    }
}

/// What the router needs to know of an answer that it relays unread otherwise.
struct AnswerSummary: Equatable {
    var isJSONObject = false
    var usage: TokenUsage?
    var id: String?
    var hasError = false
    var hasAnswer = false

    /// An error body behind a status of 200: some upstreams and proxies do that.
    var isErrorInDisguise: Bool { hasError && !hasAnswer }
}
