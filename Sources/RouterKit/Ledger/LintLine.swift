import Wire

/// What the policy's lint reads of one line of the decision log: the decision, not its outcome.
struct LintLine: Sendable, Hashable {
    /// One model's place in the plan.
    struct Candidate: Sendable, Hashable {
        var model = ""
        var quality: Double?
        var cost_usd: Double?
        var isAccepted = false
        /// ``Reason/label``.
        var why = ""
    }

    var difficulty: Double?
    var policyHash = ""
    /// The choice first.
    var candidates: [Candidate] = []

    /// Reads the line in `range`; `nil` when it is not a line of this log's making, or has no model chosen.
    init?(_ bytes: [UInt8], in range: Range<Int>, limits: Limits) {
        guard let document = try? JSONDocument(validating: bytes, in: range, limits: limits) else { return nil }
        var cursor = JSONCursor(document)
        guard cursor.enterObject() else { return nil }
        var version: Int?
        while cursor.nextKey() {
            if cursor.keyEquals("v") {
                version = cursor.int()
            } else if cursor.keyEquals("route"), cursor.enterObject() {
                readRoute(&cursor, limits)
            }
        }
        guard version == 1, candidates.first?.isAccepted == true else { return nil }
    }

    private mutating func readRoute(_ cursor: inout JSONCursor, _ limits: Limits) {
        while cursor.nextKey() {
            if cursor.keyEquals("difficulty") {
                difficulty = Self.share(&cursor)
            } else if cursor.keyEquals("policy_hash") {
                policyHash = cursor.string() ?? ""
            } else if cursor.keyEquals("candidates"), cursor.enterArray() {
                while cursor.nextElement() {
                    guard candidates.count < limits.poolModelsCount, cursor.enterObject() else { continue }
                    candidates.append(Self.candidate(&cursor))
                }
            }
        }
    }

    private static func candidate(_ cursor: inout JSONCursor) -> Candidate {
        var candidate = Candidate()
        while cursor.nextKey() {
            if cursor.keyEquals("model") {
                candidate.model = cursor.string() ?? ""
            } else if cursor.keyEquals("quality") {
                candidate.quality = share(&cursor)
            } else if cursor.keyEquals("cost_usd") {
                candidate.cost_usd = cursor.double().flatMap { (0...1e9).contains($0) ? $0 : nil }
            } else if cursor.keyEquals("accepted") {
                candidate.isAccepted = cursor.bool() ?? false
            } else if cursor.keyEquals("why") {
                candidate.why = cursor.string() ?? ""
            }
        }
        return candidate
    }

    private static func share(_ cursor: inout JSONCursor) -> Double? {
        cursor.double().flatMap { (0...1).contains($0) ? $0 : nil }
    }
}
