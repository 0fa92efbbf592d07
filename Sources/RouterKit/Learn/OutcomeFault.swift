import Wire

/// Why a line of an outcome file was left out. The file's other lines are used.
public struct OutcomeFault: Error, Sendable, Hashable {
    /// What kind of fault it was: a small closed set.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// Not one JSON object (RFC 8259), or bytes that are not UTF-8.
        case brokenJSON = "broken_json"
        /// Longer than `Limits.outcomeLineBytes`.
        case lineTooLong = "line_too_long"
        /// `id`, `source`, `prompt` or `models` is not there.
        case missingMember = "missing_member"
        /// A member is there twice, or a model is scored twice: nobody knows which one is meant.
        case repeatedMember = "repeated_member"
        /// A member is not of the type that it must be of.
        case wrongType = "wrong_type"
        /// `models` is empty.
        case noModels = "no_models"
        /// `models` holds more than `Limits.outcomeModelCount`.
        case tooManyModels = "too_many_models"
        /// A score below 0 or above 1.
        case scoreOutOfRange = "score_out_of_range"
        /// An earlier line has the same `id`.
        case duplicateID = "duplicate_id"
        /// The table of tiers has no pool for the row's `source`.
        case unknownSource = "unknown_source"
        /// A model of the source's pool has no score, or, of one's own traffic, none of them has.
        case missingModel = "missing_model"

        /// Stable and bounded.
        public var label: String { rawValue }
    }

    /// From 1.
    public let line: Int
    /// What kind of fault it was.
    public let code: Code
    /// What was wrong and where in the line, without the final stop.
    public let detail: String

    init(_ line: Int, _ code: Code, _ detail: String) {
        self.line = line
        self.code = code
        self.detail = detail
    }
}

extension OutcomeFault: CustomStringConvertible {
    /// Line, kind and detail, free of control characters.
    public var description: String { "line \(line): \(code.label): \(detail)" }
}

/// What became of the lines of an outcome file.
public struct OutcomeReport: Sendable, Hashable {
    /// Lines read, faulty ones included; empty ones are not counted.
    public internal(set) var linesCount = 0
    /// Rows that can be used.
    public internal(set) var rowsCount = 0
    /// Lines left out, by kind.
    public private(set) var counts: [OutcomeFault.Code: Int] = [:]
    /// The first of them, at most `Limits.outcomeFaultCount`.
    public private(set) var faults: [OutcomeFault] = []

    /// Lines left out.
    public var faultsCount: Int { linesCount - rowsCount }

    /// Adds what became of another file; its faults are not listed.
    mutating func add(_ other: OutcomeReport) {
        linesCount += other.linesCount
        rowsCount += other.rowsCount
        counts.merge(other.counts, uniquingKeysWith: +)
    }

    mutating func add(_ fault: OutcomeFault, limits: Limits) {
        counts[fault.code, default: 0] += 1
        if faults.count < limits.outcomeFaultCount { faults.append(fault) }
    }
}

extension OutcomeReport: CustomStringConvertible {
    /// One line, and one more for each listed fault.
    public var description: String {
        guard faultsCount > 0 else { return "\(rowsCount) rows, no faults" }
        let kinds = OutcomeFault.Code.allCases.compactMap { code in counts[code].map { "\(code.label) \($0)" } }
        var lines = ["\(rowsCount) rows, \(faultsCount) lines left out: \(kinds.joined(separator: ", "))"]
        lines += faults.map { "  \($0)" }
        if faults.count < faultsCount { lines.append("  and \(faultsCount - faults.count) more") }
        return lines.joined(separator: "\n")
    }
}
