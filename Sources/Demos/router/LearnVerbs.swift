import DemoSupport
import RouterKit

/// `router train`: weights that know the models of one's own pools by name.
enum Train {
    static let options = LearnInput.options + ["out", "weights"]

    static func run(_ arguments: Arguments) throws {
        let own = try LearnInput(arguments, for: .training)
        let out = try own.out(arguments, "weights", own.configuration?.weightsPath)
        let base = try arguments[option: "weights"].map { try LearnedWeights.read(path: $0) } ?? .shipped
        let sources = Set(own.rows.map(\.source))
        let weights = try LearnedTrainer.train(
            rows: own.rows, pools: own.tiers.pools.filter { sources.contains($0.source) }, base: base
        ) { Console.note("\($0.doneCount + 1) of \($0.stepsCount): \($0.step)") }
        try weights.write(path: out, keepsPrevious: true)
        Console.note(
            "wrote \(out), version \(weights.version), from \(own.rows.count) rows; calibrate it before it is used, on "
                + "other rows: router calibrate\(arguments[option: "config"].map { " --config \($0)" } ?? "") --weights \(out)"
        )
    }
}

/// `router calibrate`: a policy file for the modes, and for a promise, from outcomes that were not trained on.
enum Calibrate {
    static let options = LearnInput.options + ["out", "weights", "promise", "confidence"]

    static func run(_ arguments: Arguments) throws {
        let own = try LearnInput(arguments, for: .calibration)
        let out = try own.out(arguments, "policy", own.configuration?.policyPath)
        let weightsPath = arguments[option: "weights"] ?? own.configuration?.weightsPath
        let weights = try weightsPath.map { try LearnedWeights.read(path: $0) } ?? .shipped
        let classifier = LearnedClassifier(weights)
        let promise = Promise(
            loss: try number(arguments, "promise", 1, 0..<100) / 100,
            confidence: try number(arguments, "confidence", 0.95, 0.001..<1))
        var entries: [PolicyTable.Pool] = []
        for (pool, rows) in Calibrator.entries(of: own.tiers.pools, own.rows) {
            guard let set = CalibrationSet(pool: pool, rows: rows, classifier: classifier) else {
                Console.warn("\(pool.source) is left out: a price is unknown, so nothing can be said of savings")
                continue
            }
            let entry = Calibrator.calibrate(set, options: .init(promises: [promise]))
            entries.append(entry)
            report(entry, of: pool)
        }
        guard !entries.isEmpty else { throw UsageError(message: "nothing was calibrated, and nothing was written") }
        let table = PolicyTable(classifierVersion: classifier.version, pools: entries)
        try table.write(path: out, keepsPrevious: true)
        Console.note(
            "wrote \(out) for \(classifier.version); a gateway whose configuration names it and the weights takes both at "
                + "SIGHUP")
    }

    private static func report(_ entry: PolicyTable.Pool, of pool: OutcomePool) {
        for mode in RoutingMode.allCases {
            guard let found = entry.modes[mode] else { continue }
            print(
                "\(pool.source) \(mode.rawValue): saves \((found.saved * 100).fixed(1)) % at "
                    + "\((found.estimatedLoss * 100).fixed(2)) points lost, \(entry.rowCount) rows")
        }
        for guarantee in entry.guarantees {
            let promise = "at most \((guarantee.promise.loss * 100).fixed(2)) points"
            if guarantee.trade != nil {
                print("\(pool.source) promise of \(promise): saves \((guarantee.saved * 100).fixed(1)) %")
            } else {
                let why =
                    guarantee.rowCount < guarantee.neededRowCount
                    ? "\(guarantee.rowCount) rows are too few, at least \(guarantee.neededRowCount) are needed"
                    : "these \(guarantee.rowCount) rows do not prove it, more may"
                print("\(pool.source) promise of \(promise): \(why); until then the strongest model answers")
            }
        }
    }

    private static func number(
        _ arguments: Arguments, _ name: String, _ usual: Double, _ range: Range<Double>
    ) throws(UsageError) -> Double {
        guard let text = arguments[option: name] else { return usual }
        guard let value = Double(text), range.contains(value) else {
            throw UsageError(message: "--\(name) takes a number from \(range.lowerBound) to below \(range.upperBound)")
        }
        return value
    }
}
