public import Wire

/// What a ``Cascade`` would have done on prompts whose answers by several models are known, every call counted.
public struct CascadeEvaluation: Sendable {
    /// What is needed of a prompt.
    private struct Row {
        let id: String
        let gain: Double
        let agrees: Bool
        /// Score lost by taking the best asked model's answer instead of the top model's, -1...1.
        let loss: Double
        let best_usd: Double
        let asked_usd: Double
        let top_usd: Double
    }

    /// Smallest predicted gain first.
    private let rows: [Row]

    /// Prompts that can be judged.
    public var count: Int { rows.count }

    /// - Parameters:
    ///   - answers: per row id and model the final answer; a model without one agrees with nobody.
    ///   - ask: the models asked at once, all of them priced.
    ///   - best: the one of them whose answer is taken, and which answers alone behind the gate.
    ///   - top: the model asked when they differ.
    ///   - gain: what the classifier predicts that `top` does better than `best`. Rows lacking a score are left out.
    public init(
        rows: [OutcomeRow], answers: [String: [String: String]], ask: [OutcomePool.Member], best: OutcomePool.Member,
        top: OutcomePool.Member, gain: (OutcomeRow) -> Double
    ) {
        precondition(!ask.isEmpty && ask.contains(best), "the best one is one of those asked")
        var judged: [Row] = []
        for row in rows {
            let asked_usd = ask.compactMap { row.cost_usd(of: $0) }
            guard let given = answers[row.id], let bestScore = row.scores[best.name],
                let topScore = row.scores[top.name],
                let best_usd = row.cost_usd(of: best), let top_usd = row.cost_usd(of: top), asked_usd.count == ask.count
            else { continue }
            let said = ask.map { given[$0.name] }
            judged.append(
                Row(
                    id: row.id, gain: gain(row), agrees: said[0] != nil && said.allSatisfy { $0 == said[0] },
                    loss: topScore - bestScore, best_usd: best_usd, asked_usd: asked_usd.reduce(0, +), top_usd: top_usd)
            )
        }
        self.rows = judged.sorted { $0.gain < $1.gain }
    }

    /// Loss and saving against always asking the top model; `moved` is the share of prompts that it is not asked.
    public func effect(gate: Double) -> CalibrationSet.Effect {
        effect(aloneCount: rows.count { $0.gain < gate })
    }

    private func effect(aloneCount: Int) -> CalibrationSet.Effect {
        var (loss, spent, strong, moved) = (0.0, 0.0, 0.0, 0)
        for (index, row) in rows.enumerated() {
            let isAlone = index < aloneCount
            spent += isAlone ? row.best_usd : row.asked_usd + (row.agrees ? 0 : row.top_usd)
            strong += row.top_usd
            guard isAlone || row.agrees else { continue }
            loss += row.loss
            moved += 1
        }
        let count = Double(max(1, rows.count))
        return CalibrationSet.Effect(
            loss: loss / count, saved: strong > 0 ? 1 - spent / strong : 0, moved: Double(moved) / count)
    }

    /// Each prompt's outcome behind `gate`, by row id, for intervals and mixes.
    public func outcomes(gate: Double) -> [(id: String, row: MixFigures.Row)] {
        rows.map { row in
            let isAlone = row.gain < gate
            let spent_usd = isAlone ? row.best_usd : row.asked_usd + (row.agrees ? 0 : row.top_usd)
            let difference = isAlone || row.agrees ? -row.loss : 0
            return (
                row.id, MixFigures.Row(difference: difference, cost_usd: spent_usd, strong_usd: row.top_usd)
            )
        }
    }

    /// A gate and what it does.
    public struct Point: Sendable, Hashable {
        /// See ``Cascade/gate``.
        public let gate: Double
        /// What it does.
        public let effect: CalibrationSet.Effect
    }

    /// The effects of so many gates, from one that lets everything through to one that nothing passes.
    public func curve(pointCount: Int = 101) -> [Point] {
        guard rows.count > 1, pointCount > 1 else { return [] }
        return (0..<pointCount).map { step in
            let alone = rows.count * step / (pointCount - 1)
            let gate = alone < rows.count ? rows[alone].gain : rows[rows.count - 1].gain.nextUp
            return Point(gate: gate, effect: effect(gate: gate))
        }
    }

    /// Of the curve's points that lose at most `allowedLoss`, the one that saves most. Chosen and measured on the same
    /// rows, hence a little optimistic: choose on some rows and apply the gate to others.
    public func best(allowedLoss: Double) -> Point? {
        curve().filter { $0.effect.loss <= allowedLoss }.max { $0.effect.saved < $1.effect.saved }
    }
}

extension CascadeEvaluation {
    /// Reads answers: a line of JSON each, `{"id": ID, "answers": {MODEL: ANSWER or null}}`. Other lines are counted.
    public static func answers(
        path: String, limits: Limits = .standard
    ) throws(LearnFileError) -> (answers: [String: [String: String]], faultsCount: Int) {
        var answers: [String: [String: String]] = [:]
        var faultsCount = 0
        do {
            var lines = try LineReader(path: path, longestLineBytes: limits.outcomeLineBytes)
            while let line = try lines.nextLine() {
                guard answers.count < limits.outcomeRowCount else { break }
                guard case .line(let range) = line, let read = answer(lines.bytes, range, limits) else {
                    faultsCount += 1
                    continue
                }
                answers[read.id] = read.answers
            }
        } catch { throw LearnFileError(path: path, detail: "cannot be read: \(error.reason)") }
        return (answers, faultsCount)
    }

    private static func answer(
        _ bytes: [UInt8], _ range: Range<Int>, _ limits: Limits
    ) -> (id: String, answers: [String: String])? {
        guard let tree = try? JSONValue.parse(Array(bytes[range]), limits: limits), let id = tree["id"]?.string,
            let members = tree["answers"]?.members
        else { return nil }
        var answers: [String: String] = [:]
        for member in members { answers[member.key] = member.value.string }
        return (id, answers)
    }
}
