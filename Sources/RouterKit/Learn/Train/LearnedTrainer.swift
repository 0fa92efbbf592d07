/// Trains ``LearnedWeights`` from outcomes.
///
/// Deterministic: equal rows, pools and options give equal bytes, whatever the number of threads.
public enum LearnedTrainer {
    /// How to train.
    public struct Options: Sendable {
        /// Row and column samples of the trees follow from it.
        public var seed: UInt64 = 1
        /// Threads, at least 1.
        public var threadsCount = 2

        /// The defaults.
        public init() {}
    }

    /// What is being done, for a person who waits.
    public struct Progress: Sendable, Hashable {
        /// A few words, for example "expert mmlu_pro".
        public let step: String
        /// Steps done, 0...stepsCount.
        public let doneCount: Int
        /// All steps.
        public let stepsCount: Int
    }

    /// Why nothing could be trained.
    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        /// In a sentence, with what to do.
        public let description: String
    }

    /// Fewest usable rows of a pool.
    public static let fewestRows = 50

    /// Trains one expert per pool from the rows of its source; rows may lack scores of some models.
    ///
    /// - Parameters:
    ///   - base: when given, its shared heads are kept (they need no outcomes) and so are its experts for other pools:
    ///     what a user's own few hundred rows are for. Else everything is trained from `rows`.
    ///   - progress: called between steps on the calling thread.
    /// - Throws: ``Failure`` when a pool has more than 16 models or no pool has ``fewestRows`` usable rows.
    public static func train(
        rows: [OutcomeRow], pools: [OutcomePool], options: Options = Options(), base: LearnedWeights? = nil,
        progress: (Progress) -> Void = { _ in }
    ) throws(Failure) -> LearnedWeights {
        let steps = pools.count + 3
        var done = 0
        func report(_ step: String) {
            progress(Progress(step: step, doneCount: done, stepsCount: steps))
            done += 1
        }
        if let wide = pools.first(where: { $0.members.count > ModelPredictions.capacity }) {
            throw Failure(
                description: "The pool \(wide.source) has \(wide.members.count) models; "
                    + "at most \(ModelPredictions.capacity) can be learned.")
        }
        report("reading prompts")
        var prepared = TrainingRows(rows, threads: options.threadsCount)
        let labels = prepared.origin.map { rows[$0].source }
        report("topics")
        let topics: TopicFit
        if let base {
            prepared.standardise(mean: base.shared.mean, inverse: base.shared.inverse)
            topics = TopicFit(prepared, base.shared)
        } else {
            let standard = prepared.standard()
            prepared.standardise(mean: standard.mean, inverse: standard.inverse)
            topics = TopicFit(
                prepared,
                subjects: prepared.origin.map { rows[$0].source + ":" + (rows[$0].subject ?? rows[$0].task ?? "") },
                families: labels, standard: standard, options)
        }
        var experts: [LearnedWeights.Expert] = []
        for pool in pools {
            report("expert \(pool.source)")
            let chosen = labels.indices.filter { labels[$0] == pool.source }
            let scores = chosen.map { index in
                pool.members.map { rows[prepared.origin[index]].scores[$0.name].map(Float.init) }
            }
            let fit = ExpertFit(
                prepared, topics, chosen, scores, family: pool.source, models: pool.members.map(\.name), options)
            if let expert = fit.expert { experts.append(expert) }
        }
        guard !experts.isEmpty else {
            throw Failure(
                description: "No pool has \(fewestRows) rows with scores of its strongest and another model: "
                    + "collect more outcomes.")
        }
        report("tiers")
        if let base {
            let kept = base.experts.filter { old in
                !experts.contains { $0.family == old.family || Set($0.models) == Set(old.models) }
            }
            experts = kept.dropLast(kept.last?.family.isEmpty == true ? 1 : 0) + experts
            if let joint = base.experts.last, joint.family.isEmpty { experts.append(joint) }
        } else if let joint = joint(rows, pools, prepared, topics, labels, options) {
            experts.append(joint)
        }
        let weights = LearnedWeights(shared: topics.shared, experts: experts, version: "")
        do throws(LearnedWeightsError) {
            return try LearnedWeights.parse(weights.fileBytes())
        } catch {
            throw Failure(description: "The trained weights cannot be used: \(error.detail)")
        }
    }

    /// The fold of `row`, 0..<`foldCount`, for cross-validation: prompts that differ only in their answers to choose share
    /// one, whatever source they come from.
    public static func fold(of row: OutcomeRow, foldCount: Int) -> Int {
        var random = SeededRandom(seed: TrainingRows.stem(row.prompt) ^ 19)
        return Int(random.next() % UInt64(foldCount))
    }

    /// The expert for pools that nobody knows: tiers instead of models, all rows.
    private static func joint(
        _ rows: [OutcomeRow], _ pools: [OutcomePool], _ prepared: TrainingRows, _ topics: TopicFit,
        _ labels: [String], _ options: Options
    ) -> LearnedWeights.Expert? {
        let bySource = Dictionary(pools.map { ($0.source, $0) }, uniquingKeysWith: { first, _ in first })
        let chosen = labels.indices.filter { bySource[labels[$0]] != nil }
        let scores = chosen.map { index -> [Float?] in
            let members = bySource[labels[index]]!.members
            return CapabilityTier.allCases.map { tier in
                let member = tier == .strong ? members.last : members.first { $0.tier == tier }
                return member.flatMap { rows[prepared.origin[index]].scores[$0.name] }.map(Float.init)
            }
        }
        return ExpertFit(
            prepared, topics, chosen, scores, family: "", models: CapabilityTier.allCases.map(\.name), options
        ).expert
    }
}
