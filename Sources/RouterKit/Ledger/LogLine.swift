import Wire

/// One line of the decision log, as far as a report needs it.
struct LogLine: Sendable, Hashable {
    var model: String?
    var outcome = ""
    var latency_ms = 0.0
    var firstByte_ms: Double?
    var usage: TokenUsage?
    var cost_usd: Double?
    var baseline_usd: Double?
    var attemptsCount = 0

    /// Reads the line in `range`; `nil` when it is not a line of this log's making.
    init?(_ bytes: [UInt8], in range: Range<Int>, limits: Limits) {
        guard let document = try? JSONDocument(validating: bytes, in: range, limits: limits) else { return nil }
        var cursor = JSONCursor(document)
        guard cursor.enterObject() else { return nil }
        var version: Int?
        var hasOutcome = false
        var hasLatency = false
        while cursor.nextKey() {
            if cursor.keyEquals("v") {
                version = cursor.int()
            } else if cursor.keyEquals("model") {
                model = cursor.string()
            } else if cursor.keyEquals("outcome") {
                if let text = cursor.string() { (outcome, hasOutcome) = (text, true) }
            } else if cursor.keyEquals("latency_ms") {
                if let value = cursor.double(), value >= 0 { (latency_ms, hasLatency) = (value, true) }
            } else if cursor.keyEquals("first_byte_ms") {
                firstByte_ms = cursor.double().flatMap { $0 >= 0 ? $0 : nil }
            } else if cursor.keyEquals("usage") {
                usage = Self.usage(&cursor)
            } else if cursor.keyEquals("cost_usd") {
                cost_usd = Self.money_usd(&cursor)
            } else if cursor.keyEquals("baseline_usd") {
                baseline_usd = Self.money_usd(&cursor)
            } else if cursor.keyEquals("route") {
                attemptsCount = Self.attemptsCount(&cursor)
            }
        }
        guard version == 1, hasOutcome, hasLatency else { return nil }
    }

    /// A billion dollars for one request is no cost, and sums of such figures would leave the finite numbers.
    static func money_usd(_ cursor: inout JSONCursor) -> Double? {
        cursor.double().flatMap { (0...1e9).contains($0) ? $0 : nil }
    }

    private static func usage(_ cursor: inout JSONCursor) -> TokenUsage? {
        guard cursor.enterObject() else { return nil }
        var usage = TokenUsage(promptTokens: 0, completionTokens: 0)
        while cursor.nextKey() {
            if cursor.keyEquals("prompt") {
                usage.promptTokens = tokens(&cursor)
            } else if cursor.keyEquals("completion") {
                usage.completionTokens = tokens(&cursor)
            } else if cursor.keyEquals("cached") {
                usage.cachedTokens = tokens(&cursor)
            } else if cursor.keyEquals("reasoning") {
                usage.reasoningTokens = tokens(&cursor)
            }
        }
        return usage
    }

    /// Counts beyond 10^12 are not tokens of one request, and would in time overflow the sums.
    private static func tokens(_ cursor: inout JSONCursor) -> Int {
        cursor.int().map { min(max(0, $0), 1_000_000_000_000) } ?? 0
    }

    private static func attemptsCount(_ cursor: inout JSONCursor) -> Int {
        guard cursor.enterObject() else { return 0 }
        var count = 0
        while cursor.nextKey() {
            guard cursor.keyEquals("attempts"), cursor.enterArray() else { continue }
            while cursor.nextElement() { count += 1 }
        }
        return count
    }
}

/// A line of the decision log that tells of a shadow comparison, as far as a report needs it.
struct ShadowLine: Sendable, Hashable {
    var cost_usd: Double?

    /// Reads the line in `range`; `nil` when it tells of anything else.
    init?(_ bytes: [UInt8], in range: Range<Int>, limits: Limits) {
        guard let document = try? JSONDocument(validating: bytes, in: range, limits: limits) else { return nil }
        var cursor = JSONCursor(document)
        guard cursor.enterObject() else { return nil }
        var isShadow = false
        while cursor.nextKey() {
            if cursor.keyEquals("kind") {
                isShadow = cursor.string() == "shadow"
            } else if cursor.keyEquals("cost_usd") {
                cost_usd = LogLine.money_usd(&cursor)
            }
        }
        guard isShadow else { return nil }
    }
}
