public import Wire

/// Looks through a decision log for behaviour that a policy should not show. Memory does not grow with the log.
///
/// Requests whose model the client named say nothing about the policy and are left out.
public struct PolicyLint: Sendable {
    /// Something to look at.
    public struct Finding: Sendable, Hashable {
        /// What kind: a small closed set.
        public enum Code: String, Sendable, Hashable, CaseIterable {
            /// Easier prompts get dearer models.
            case nonMonotone = "non_monotone"
            /// A model that could have been chosen never is.
            case deadModel = "dead_model"
            /// The shares of the models change over the log.
            case drift
            /// One model, asked every time, would be predicted to be better and cheaper than the choices made.
            case fixedModelBetter = "fixed_model_better"
            /// The classifier does not trust itself on most requests.
            case mostlyUnsure = "mostly_unsure"
            /// A configured model is in no decision of the log.
            case unseenModel = "unseen_model"

            /// Stable and bounded.
            public var label: String { rawValue }
        }

        /// What kind.
        public let code: Code
        /// What was seen, with figures, and what it means. Free of control characters.
        public let detail: String
    }

    /// Decisions of the policy.
    public private(set) var decisionsCount = 0
    /// Requests whose model the client named.
    public private(set) var pinnedCount = 0
    /// Lines that could not be used.
    public private(set) var damagedCount = 0

    /// Fewer decisions than this are not judged.
    public static let leastCount = 200

    /// Choices that weigh predictions, by ``Reason/label``. All others follow a rule that leaves no choice.
    private static let judgedReasons: Set<String> = ["best_quality", "cheapest_in_band", "best_trade", "guaranteed"]

    private struct Model {
        var acceptedCount = 0
        var chosenCount = 0
        /// Judged decisions in which it was accepted with both a prediction and a cost.
        var judgedCount = 0
        var quality = 0.0
        var cost_usd = 0.0
    }

    private let limits: Limits
    private var models: [String: Model] = [:]
    private var course: ShareCourse
    private var ladder = CostLadder()
    private var unsureCount = 0
    private var judgedCount = 0
    private var chosenQuality = 0.0
    private var chosenCost_usd = 0.0
    private var comparableCount = 0

    init(limits: Limits) {
        self.limits = limits
        course = ShareCourse()
    }

    /// Reads the log at `path`.
    public static func read(path: String, limits: Limits = .standard) throws(LogError) -> PolicyLint {
        var lint = PolicyLint(limits: limits)
        var reader = try LineReader(path: path, longestLineBytes: limits.logLineBytes)
        while let next = try reader.nextLine() {
            guard case .line(let range) = next else {
                lint.damagedCount += 1
                continue
            }
            if range.isEmpty { continue }
            if let line = LintLine(reader.bytes, in: range, limits: limits) {
                lint.add(line)
            } else if ShadowLine(reader.bytes, in: range, limits: limits) == nil {
                lint.damagedCount += 1
            }
        }
        return lint
    }

    mutating func add(_ line: LintLine) {
        let chosen = line.candidates[0]
        if chosen.why == "pinned" {
            pinnedCount += 1
            return
        }
        decisionsCount += 1
        if chosen.why == "low_support" { unsureCount += 1 }
        course.add(chosen.model, policyHash: line.policyHash, limits: limits)
        let isJudged = Self.judgedReasons.contains(chosen.why)
        if isJudged { judgedCount += 1 }
        for (index, candidate) in line.candidates.enumerated() where candidate.isAccepted {
            guard models[candidate.model] != nil || models.count < limits.reportGroupsCount else { continue }
            models[candidate.model, default: Model()].acceptedCount += 1
            if index == 0 { models[candidate.model]!.chosenCount += 1 }
            guard isJudged, let quality = candidate.quality, let cost_usd = candidate.cost_usd else { continue }
            models[candidate.model]!.judgedCount += 1
            models[candidate.model]!.quality += quality
            models[candidate.model]!.cost_usd += cost_usd
        }
        guard isJudged, let quality = chosen.quality, let cost_usd = chosen.cost_usd else { return }
        comparableCount += 1
        chosenQuality += quality
        chosenCost_usd += cost_usd
        let dearest = line.candidates.reduce(0) { $1.isAccepted ? max($0, $1.cost_usd ?? 0) : $0 }
        if let difficulty = line.difficulty, dearest > 0 {
            ladder.add(difficulty: difficulty, relativeCost: cost_usd / dearest)
        }
    }

    /// What there is to look at; empty when all is well, or when there are fewer than ``leastCount`` decisions.
    ///
    /// - Parameter configured: names of the models that a configuration holds, to find those that the log does not.
    public func findings(configured: [String] = []) -> [Finding] {
        guard decisionsCount >= Self.leastCount else { return [] }
        var findings: [Finding] = []
        if unsureCount * 2 > decisionsCount {
            let share = Figures.percent(Double(unsureCount) / Double(decisionsCount))
            findings.append(
                Finding(
                    code: .mostlyUnsure,
                    detail:
                        "the classifier was unsure of \(share) of the requests, which all went to the strongest tier; "
                        + "train on outcomes of this traffic"))
        }
        if let text = fixedModel() { findings.append(Finding(code: .fixedModelBetter, detail: text)) }
        if let text = ladder.inversion() { findings.append(Finding(code: .nonMonotone, detail: text)) }
        for (name, model) in models.sorted(by: { $0.key < $1.key })
        where model.chosenCount == 0 && model.acceptedCount >= Self.leastCount {
            findings.append(
                Finding(
                    code: .deadModel,
                    detail:
                        "\(name.printable) could have been chosen \(Figures.count(model.acceptedCount)) times and never "
                        + "was: it only serves failover"))
        }
        for name in configured where models[name] == nil {
            findings.append(
                Finding(code: .unseenModel, detail: "\(name.printable) is configured and was never in the choice"))
        }
        if let text = course.drift() { findings.append(Finding(code: .drift, detail: text)) }
        return findings
    }

    /// The model, if any, that beats the choices on the router's own predictions.
    private func fixedModel() -> String? {
        guard comparableCount >= Self.leastCount, comparableCount == judgedCount else { return nil }
        let count = Double(comparableCount)
        let better = models.filter { _, model in
            // It must have been there in every decision, and not have been the choice in all of them.
            model.judgedCount == comparableCount && model.chosenCount < decisionsCount
                && model.quality >= chosenQuality && model.cost_usd <= chosenCost_usd
                && (model.quality > chosenQuality + 1e-9 * count || model.cost_usd < chosenCost_usd * (1 - 1e-9))
        }
        guard let (name, model) = better.min(by: { ($0.value.cost_usd, $0.key) < ($1.value.cost_usd, $1.key) })
        else { return nil }
        let quality = "\(Figures.fixed(model.quality / count, 3)) instead of \(Figures.fixed(chosenQuality / count, 3))"
        let cost = "\(Figures.money(model.cost_usd)) instead of \(Figures.money(chosenCost_usd))"
        return
            "always asking \(name.printable) is predicted to be better (quality \(quality)) and cheaper (\(cost)) than "
            + "routing over \(Figures.count(comparableCount)) requests: do not route this pool"
    }
}
