public import Wire

/// Streams the rows of an outcome file (see ``OutcomeRow``) in memory that does not grow with prompts or models.
///
/// A faulty line is counted and listed in ``report``, and the next one is read. Confined to one task at a time.
///
/// ```swift
/// var reader = try OutcomeReader(path: "outcomes.jsonl")
/// while let row = try reader.next() { ... }
/// print(reader.report)
/// ```
public struct OutcomeReader: ~Copyable {
    /// What became of the lines read so far.
    public private(set) var report = OutcomeReport()

    private let path: String
    private let tiers: TierTable?
    /// Rows must score one of its models at least.
    private let pool: OutcomePool?
    private let need: OutcomeLine.Need
    private let limits: Limits
    private var lines: LineReader
    private var parser: OutcomeLine
    private var number = 0
    /// Ids of the rows read so far, and those that were taken before.
    public private(set) var ids: Set<String>

    /// Opens `path`.
    ///
    /// - Parameter tiers: when given, rows whose source has no pool in it, or that lack the score of one of the
    ///   pool's models, are faulty: neither can be judged.
    public init(path: String, tiers: TierTable? = nil, limits: Limits = .standard) throws(LearnFileError) {
        try self.init(path: path, need: .outcomes, tiers: tiers, limits: limits)
    }

    /// Opens `path` to read prompts and sources only: nothing else of a row is looked at, rows without an `id` have
    /// an empty one, and the same id may come again. `tiers` must have a pool for every row's source.
    public init(promptsOf path: String, tiers: TierTable, limits: Limits = .standard) throws(LearnFileError) {
        try self.init(path: path, need: .prompts, tiers: tiers, limits: limits)
    }

    /// Opens `path` for rows of one's own traffic: whatever source they name, they get that of `pool`.
    ///
    /// Rows may lack scores of some of its models, but not of all.
    ///
    /// - Parameter ids: ids that other files have already: a row with one of them is a duplicate.
    public init(
        ownTraffic path: String, pool: OutcomePool, ids: Set<String> = [], limits: Limits = .standard
    ) throws(LearnFileError) {
        try self.init(path: path, need: .outcomes, tiers: nil, pool: pool, ids: ids, limits: limits)
    }

    private init(
        path: String, need: OutcomeLine.Need, tiers: TierTable?, pool: OutcomePool? = nil, ids: Set<String> = [],
        limits: Limits
    ) throws(LearnFileError) {
        do {
            lines = try LineReader(path: path, longestLineBytes: limits.outcomeLineBytes)
        } catch {
            throw LearnFileError(path: path, detail: "cannot be opened: \(error.reason)")
        }
        self.path = path
        self.need = need
        self.tiers = tiers
        self.pool = pool
        self.ids = ids
        self.limits = limits
        parser = OutcomeLine(need: need, limits: limits)
    }

    /// The next row that can be used; `nil` at the file's end.
    ///
    /// - Throws: when the file cannot be read further, or holds more than `Limits.outcomeRowCount` rows.
    public mutating func next() throws(LearnFileError) -> OutcomeRow? {
        while let line = try nextLine() {
            number += 1
            if case .line(let range) = line, range.isEmpty { continue }
            report.linesCount += 1
            guard ids.count < limits.outcomeRowCount else {
                throw LearnFileError(path: path, detail: "holds more than \(limits.outcomeRowCount) rows")
            }
            do {
                let row = try checked(line)
                report.rowsCount += 1
                return row
            } catch {
                report.add(error, limits: limits)
            }
        }
        return nil
    }

    /// All rows of `path` at once, and what became of the others.
    public static func read(
        path: String, tiers: TierTable? = nil, limits: Limits = .standard
    ) throws(LearnFileError) -> (rows: [OutcomeRow], report: OutcomeReport) {
        var reader = try OutcomeReader(path: path, tiers: tiers, limits: limits)
        var rows: [OutcomeRow] = []
        while let row = try reader.next() { rows.append(row) }
        return (rows, reader.report)
    }

    private mutating func nextLine() throws(LearnFileError) -> LineReader.Line? {
        do {
            return try lines.nextLine()
        } catch {
            throw LearnFileError(path: path, detail: "cannot be read after line \(number): \(error.reason)")
        }
    }

    private mutating func checked(_ line: LineReader.Line) throws(OutcomeFault) -> OutcomeRow {
        guard case .line(let range) = line else {
            throw OutcomeFault(number, .lineTooLong, "longer than \(limits.outcomeLineBytes) bytes")
        }
        var row = try parser.row(lines.bytes, in: range, line: number)
        if let pool {
            row.source = pool.source
            guard pool.members.contains(where: { row.scores[$0.name] != nil }) else {
                throw OutcomeFault(number, .missingModel, "no score of any model of the pool")
            }
        }
        if let tiers {
            guard let pool = tiers[row.source] else {
                throw OutcomeFault(number, .unknownSource, "no pool for the source \(OutcomeLine.shown(row.source))")
            }
            if need == .outcomes, let missing = pool.members.first(where: { row.scores[$0.name] == nil }) {
                throw OutcomeFault(number, .missingModel, "no score of \(OutcomeLine.shown(missing.name))")
            }
        }
        if need == .outcomes {
            guard ids.insert(row.id).inserted else {
                throw OutcomeFault(number, .duplicateID, "\(OutcomeLine.shown(row.id)) was there before")
            }
        }
        return row
    }
}
