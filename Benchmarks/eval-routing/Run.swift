import BenchSupport
import Foundation
import RouterKit

/// One run of everything, in the order of the report.
struct Run {
    let options: Options
    let data: Outcomes
    let classifier: any ComplexityClassifier = Shipped.classifier
    var report = BenchmarkReport(name: "routing")
    var evaluation: RoutingEvaluation
    var rankings: [Predictions] = []
    var tiers: [ThreeTiers] = []
    var fitted: [ThreeTiers] = []
    var guarantees: [GuaranteeCheck] = []
    var cascades: [CascadeCheck] = []
    var leftOut: [LeaveOneOut] = []
    var curves: [LearningCurve] = []
    private let started_ns = monotonicNanoseconds()

    init(_ options: Options) throws {
        self.options = options
        data = try Outcomes(folder: options.data)
        evaluation = RoutingEvaluation([], tiers: data.tiers)
        report.count = data.dev.count
        report.notes += data.faults.map { "lines left out of \($0)" }
        #if DEBUG
            report.notes.append("a debug build: its seconds mean nothing")
        #endif
    }

    private func say(_ text: String) {
        let seconds = Double(monotonicNanoseconds() - started_ns) / 1e9
        print(String(format: "%6.1f s  %@", seconds, text))
    }

    mutating func measure() throws {
        say("\(data.train.count) train and \(data.dev.count) dev rows")
        // Python takes its minute while the rest is measured.
        let python = options.python
        let peer = Background { [data] in Baselines.liteLLM(data, python: python) }
        measureShipped()
        measureGuarantee()
        measureCascade()
        try measureTraining()
        measureBaselines(peer.value)
    }

    /// The classifier and the policy as they are shipped.
    private mutating func measureShipped() {
        let router = OutcomeRouter(tiers: data.tiers, classifier: classifier, policy: Shipped.policy)
        evaluation = RoutingEvaluation(data.dev.compactMap(router.judge), tiers: data.tiers)
        let predictions = Predictions(name: classifier.version, of: classifier, for: data.dev, data.tiers)
        tiers.append(ThreeTiers("shipped policy", evaluation.sources.flatMap(\.rows)))
        tiers.append(ThreeTiers.calibratedOnDev(predictions, data))
        fitted.append(ThreeTiers.crossFitted(predictions, data))
        report.detail["classifier"] = .text(classifier.version)
        set("apgr_macro", evaluation.macroAPGR(of: Set(Outcomes.shippable)))
        for source in ["routellm_mmlu", "routellm_gsm8k", "llmrouter"] {
            set("apgr_\(source)", evaluation.sources.first { $0.name == source }?.apgr)
        }
        for (name, figures) in [
            ("natural", tiers[0].natural), ("equal", tiers[0].equal), ("mmlu_pro", tiers[0].mmluPro),
        ] {
            set("saved_\(name)", figures?.saved)
            set("pass_\(name)", figures.map { $0.passes ? 1 : 0 })
        }
        say("shipped classifier and policy")
    }

    private mutating func measureGuarantee() {
        let predictions = Predictions(name: classifier.version, of: classifier, for: data.dev, data.tiers)
        for (name, sources) in [
            ("MMLU-Pro", ["mmlu_pro"]), ("llmrouter", ["llmrouter"]),
            ("RouteLLM", ["routellm_mmlu", "routellm_gsm8k"]),
        ] {
            let rows = data.dev.filter { sources.contains($0.source) }
            guard let set = data.tiers[sources[0]].flatMap({ predictions.calibrationSet(rows, $0) }) else { continue }
            guarantees.append(GuaranteeCheck(name, set, supportThreshold: 0.5))
            say("promises of the pool \(name)")
        }
        set("guarantee_held_of_200", guarantees.map(\.keptCount).min().map(Double.init))
    }

    private mutating func measureCascade() {
        let predictions = Predictions(
            name: classifier.version, of: classifier, for: data.dev(of: "mmlu_pro"), data.tiers)
        cascades = [("70B", "Meta-Llama-3.1-70B-Instruct"), ("8B", "Meta-Llama-3.1-8B-Instruct")].compactMap {
            CascadeCheck($0, second: $1, data, predictions)
        }
        set("cascade_saved_at_no_loss", cascades.compactMap { $0.bestWithoutLoss?.saved }.max())
        say("cascades")
    }

    /// What needs a trainer: own traffic, and sources that were never seen.
    private mutating func measureTraining() throws {
        for source in Outcomes.shippable {
            curves.append(try LearningCurve(data.tiers[source]!, data, train: Shipped.trainOwn))
            say("own labels of \(source)")
        }
        for source in Outcomes.shippable {
            if let result = try LeaveOneOut(source, data, train: Shipped.train) { leftOut.append(result) }
            say("without \(source)")
        }
        let worst = leftOut.map { -$0.promised.difference * 100 }.max()
        set("loso_worst_loss_points", worst.map { $0 > 0 ? $0 : 0 })
    }

    private mutating func measureBaselines(_ peer: (scores: [Baselines.Scores], note: String)) {
        report.notes.append(peer.note)
        for scores in [Baselines.random(data), Baselines.promptLength(data)] + peer.scores {
            rankings.append(Baselines.ranking(scores, data))
            tiers.append(.calibratedOnDev(Baselines.predictions(scores, data), data))
            fitted.append(.crossFitted(Baselines.predictions(scores, data), data))
        }
        if classifier.version != HeuristicClassifier().version {
            let old = Predictions(name: "counted heuristic", of: HeuristicClassifier(), for: data.dev, data.tiers)
            rankings.append(old)
            tiers.append(.calibratedOnDev(old, data))
            fitted.append(.crossFitted(old, data))
        }
        say("baselines (\(peer.note))")
    }

    private mutating func set(_ metric: String, _ value: Double?) {
        guard let value else {
            report.notes.append("\(metric) could not be measured")
            return
        }
        report.set(metric, value)
    }

    /// Calibrates on the dev rows of all sources that may be shipped, as the shipped classifier predicts them.
    func writePolicy(to file: URL) throws {
        let pools = Outcomes.shippable.compactMap { data.tiers[$0] }
        let dev = data.dev.filter { Outcomes.shippable.contains($0.source) }
        let predictions = Predictions(name: classifier.version, of: classifier, for: dev, data.tiers)
        let table = predictions.table(pools, dev, classifierVersion: classifier.version)
        try Data(table.fileText().utf8).write(to: file, options: .atomic)
        print("wrote \(file.path): \(table.pools.count) pools, for \(classifier.version)")
    }

    func write(into directory: URL) throws {
        var report = report
        report.detail["sources"] = .fields(
            Dictionary(uniqueKeysWithValues: evaluation.sources.map { ($0.name, Self.detail($0)) }))
        report.detail["seconds"] = .number(Double(monotonicNanoseconds() - started_ns) / 1e9)
        let json = try report.write(into: directory)
        for (name, page) in pictures {
            try Data(page.svg().utf8).write(to: directory.appendingPathComponent("\(name).svg"), options: .atomic)
        }
        let text = QualityReport(self, report.metrics).text
        let file = directory.appendingPathComponent("routing-quality.md")
        try Data(text.utf8).write(to: file, options: .atomic)
        var table = Table("metric", "value")
        for (name, value) in report.metrics.sorted(by: { $0.key < $1.key }) {
            table.add([name, String(format: "%.4f", value)])
        }
        print("\n\(table.text)\n\nwrote \(json.path) and \(file.path)")
    }

    private static func detail(_ source: RoutingEvaluation.Source) -> Detail {
        var fields: [String: Detail] = ["rows": .number(Double(source.rows.count))]
        fields["apgr"] = source.apgr.map { .number($0) }
        fields["apgr_95"] = source.apgrInterval.map { .list([.number($0.lowerBound), .number($0.upperBound)]) }
        fields["cpt50"] = source.cpt50.map { .number($0) }
        fields["cpt80"] = source.cpt80.map { .number($0) }
        for share in RoutingEvaluation.reportedShares {
            fields["saved_at_\(Int(share * 100))"] = source.curve.map { .number($0.saved(atShareOfStrong: share)) }
        }
        fields["saved"] = source.choices.map { .number($0.saved) }
        fields["difference"] = source.choices.map { .number($0.difference) }
        return .fields(fields)
    }
}

/// A value made on another thread.
final class Background<Value: Sendable>: Sendable {
    private let task: Task<Value, Never>

    init(_ make: @escaping @Sendable () -> Value) {
        task = Task.detached { make() }
    }

    /// Waits for it. Only for programs without an event loop.
    var value: Value {
        let done = DispatchSemaphore(value: 0)
        let box = Box()
        Task.detached { [task] in
            box.value = await task.value
            done.signal()
        }
        done.wait()
        return box.value!
    }

    /// Written before the semaphore is signalled, read after: never at once.
    private final class Box: @unchecked Sendable {
        var value: Value?
    }
}
