import DemoSupport
import Glibc
import RouterKit
import Wire

/// What `router score` and `router eval` are told: the data, the pools, and who decides.
struct OutcomeSetup {
    let data: String
    let tiers: TierTable
    let classifier: any ComplexityClassifier
    let policy: any RoutingPolicy

    /// The options that ``init(_:)`` reads.
    static let options = ["data", "tiers", "weights", "policy"]

    init(_ arguments: Arguments) throws {
        data = try arguments.required("data")
        tiers = try TierTable.read(path: try arguments.required("tiers"))
        classifier = LearnedClassifier(
            try arguments[option: "weights"].map { try LearnedWeights.read(path: $0) } ?? .shipped)
        policy = TradePolicy(table: try arguments[option: "policy"].map { try PolicyTable.read(path: $0) } ?? .shipped)
        guard arguments.words.isEmpty else { throw UsageError(message: "\(arguments.words[0]) is one word too many") }
    }

    var router: OutcomeRouter { OutcomeRouter(tiers: tiers, classifier: classifier, policy: policy) }

    /// Lines left out, for the person who runs the program; whoever reads standard output gets the rest.
    static func warn(_ report: OutcomeReport, _ path: String) {
        if report.faultsCount > 0 { Console.warn("\(path): \(report)") }
    }
}

/// `router score`: one decision a row, as JSON lines. Nothing of a row is looked at but its prompt, its source, which
/// selects the pool, and its id, which is only repeated.
enum Score {
    static func run(_ arguments: Arguments) throws {
        let setup = try OutcomeSetup(arguments)
        let report = try lines(setup) { bytes throws(OutputFile.Failure) in
            try OutputFile.write(bytes, to: STDOUT_FILENO, named: "standard output")
        }
        OutcomeSetup.warn(report, setup.data)
    }

    /// Hands the lines to `write`, many at once.
    static func lines(
        _ setup: OutcomeSetup, write: ([UInt8]) throws(OutputFile.Failure) -> Void
    ) throws -> OutcomeReport {
        var reader = try OutcomeReader(promptsOf: setup.data, tiers: setup.tiers)
        let router = setup.router
        var lines: [UInt8] = []
        while let row = try reader.next() {
            guard let pool = setup.tiers[row.source] else { continue }
            router.route(row.prompt, source: row.source).appendScoreLine(id: row.id, pool: pool, to: &lines)
            guard lines.count > 1 << 16 else { continue }
            try write(lines)
            lines.removeAll(keepingCapacity: true)
        }
        try write(lines)
        return reader.report
    }
}

/// `router eval`: how good predictions and choices are on measured outcomes.
enum Evaluate {
    static let options = OutcomeSetup.options + ["config", "plot"]

    static func run(_ arguments: Arguments) throws {
        let measured = try arguments[option: "config"] == nil ? ofFiles(arguments) : ofOwnTraffic(arguments)
        if arguments.has("json") {
            let json = measured.evaluation.json(
                classifier: measured.classifier.version, policy: measured.policy.canonicalText, report: measured.report)
            try OutputFile.write(json, to: STDOUT_FILENO, named: "standard output")
        } else {
            print(measured.evaluation.table())
        }
        guard let path = arguments[option: "plot"] else { return }
        let page = measured.evaluation.plot(
            title: "Cost and quality of routing", note: "\(measured.data), classifier \(measured.classifier.version)")
        try OutputFile.write(Array(page.svg().utf8), to: path)
        Console.note("wrote \(path)")
    }

    /// Figures, and what they were measured with and on.
    private struct Measured {
        let evaluation: RoutingEvaluation
        let report: OutcomeReport
        let data: String
        let classifier: any ComplexityClassifier
        let policy: any RoutingPolicy
    }

    private static func ofFiles(_ arguments: Arguments) throws -> Measured {
        let setup = try OutcomeSetup(arguments)
        let (evaluation, report) = try RoutingEvaluation.evaluate(
            path: setup.data, router: setup.router, tiers: setup.tiers)
        OutcomeSetup.warn(report, setup.data)
        guard !evaluation.sources.isEmpty else {
            throw UsageError(message: "\(setup.data) holds no row of a source in \(arguments[option: "tiers"] ?? "")")
        }
        return Measured(
            evaluation: evaluation, report: report, data: setup.data, classifier: setup.classifier,
            policy: setup.policy)
    }

    /// The configuration's own classifier, policy and mode, on rows that nothing was learned from.
    private static func ofOwnTraffic(_ arguments: Arguments) throws -> Measured {
        let input = try LearnInput(arguments, for: .evaluation)
        guard let configuration = input.configuration else { preconditionFailure("asked for by --config") }
        let classifier = LearnedClassifier(
            try (arguments[option: "weights"] ?? configuration.weightsPath).map { try LearnedWeights.read(path: $0) }
                ?? .shipped)
        var policy = try configuration.policy()
        if let path = arguments[option: "policy"] { policy.table = try PolicyTable.read(path: path) }
        let router = OutcomeRouter(
            tiers: input.tiers, classifier: classifier, policy: policy, mode: configuration.mode)
        return Measured(
            evaluation: RoutingEvaluation(input.rows.compactMap { router.judge($0) }, tiers: input.tiers),
            report: input.report, data: "own traffic", classifier: classifier, policy: policy)
    }
}
