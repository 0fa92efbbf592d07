public import Wire

/// The rows of one's own traffic, read from the files of a store, and what they are good for.
public struct OwnOutcomes: Sendable {
    /// The models; rows are of its source.
    public let pool: OutcomePool
    /// Rows that score one of the pool's models at least, oldest first.
    public private(set) var rows: [OutcomeRow] = []
    /// What became of the lines, file by file.
    public private(set) var reports: [(path: String, report: OutcomeReport)] = []

    /// Reads `paths`, the oldest first; ids are unique over all of them.
    public init(paths: [String], pool: OutcomePool, limits: Limits = .standard) throws(LearnFileError) {
        self.pool = pool
        var ids: Set<String> = []
        for path in paths {
            var reader = try OutcomeReader(ownTraffic: path, pool: pool, ids: ids, limits: limits)
            while let row = try reader.next() { rows.append(row) }
            reports.append((path, reader.report))
            ids = reader.ids
        }
        mergeFeedback()
    }

    /// What somebody said of an answer counts more than whether it agrees with the strongest model's: it takes the place
    /// of that score in the row of the same request, where there is one.
    private mutating func mergeFeedback() {
        let places = Dictionary(rows.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        var merged: Set<Int> = []
        for (index, row) in rows.enumerated() where row.id.hasSuffix(Self.feedbackSuffix) {
            guard let place = places[String(row.id.dropLast(Self.feedbackSuffix.count))] else { continue }
            rows[place].scores.merge(row.scores) { _, said in said }
            merged.insert(index)
        }
        rows = rows.enumerated().filter { !merged.contains($0.offset) }.map(\.element)
    }

    /// Ends the ids of rows that were made of a feedback; what comes before names the request.
    static let feedbackSuffix = "/feedback"

    /// All reports in one as if there were the rows for `use` only; faults counted and not listed.
    public func report(for use: OutcomeUse) -> OutcomeReport {
        var sum = reports.reduce(into: OutcomeReport()) { $0.add($1.report) }
        let usedCount = rows(for: use).count
        sum.linesCount -= sum.rowsCount - usedCount
        sum.rowsCount = usedCount
        return sum
    }

    /// Rows that can be used for `use`, which no other use shares.
    ///
    /// Training learns gains over the strongest model, so it needs the scores of that one and another; calibration and
    /// evaluation compare choices, so they need the scores of all.
    public func rows(for use: OutcomeUse) -> [OutcomeRow] {
        rows.filter { OutcomeUse(of: $0) == use && isUsable($0, for: use) }
    }

    private func isUsable(_ row: OutcomeRow, for use: OutcomeUse) -> Bool {
        guard use == .training else { return pool.covers(row) }
        return row.scores[pool.strongest.name] != nil
            && pool.members.contains { $0.name != pool.strongest.name && row.scores[$0.name] != nil }
    }

    /// What the rows say of one model.
    public struct ModelFigures: Sendable, Hashable {
        /// The model.
        public var name: String
        /// Rows that score it.
        public var scoredCount: Int
        /// Its mean score there; `nil` without rows.
        public var meanScore: Double?
        /// Rows that score it and the strongest model.
        public var pairedCount: Int
        /// Its mean score there less the strongest model's; `nil` without rows.
        public var meanDifference: Double?
    }

    /// Figures of each model, weakest tier first.
    public var models: [ModelFigures] {
        func mean(_ values: [Double]) -> Double? {
            values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
        }
        return pool.members.map { member in
            let scores = rows.compactMap { $0.scores[member.name] }
            let differences = rows.compactMap { row in
                row.scores[member.name].flatMap { score in row.scores[pool.strongest.name].map { score - $0 } }
            }
            return ModelFigures(
                name: member.name, scoredCount: scores.count, meanScore: mean(scores),
                pairedCount: differences.count, meanDifference: mean(differences))
        }
    }
}
