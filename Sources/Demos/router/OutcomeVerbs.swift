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
    static func run(_ arguments: Arguments) throws {
        let setup = try OutcomeSetup(arguments)
        let (evaluation, report) = try RoutingEvaluation.evaluate(
            path: setup.data, router: setup.router, tiers: setup.tiers)
        OutcomeSetup.warn(report, setup.data)
        guard !evaluation.sources.isEmpty else {
            throw UsageError(message: "\(setup.data) holds no row of a source in \(arguments[option: "tiers"] ?? "")")
        }
        if arguments.has("json") {
            let json = evaluation.json(
                classifier: setup.classifier.version, policy: setup.policy.canonicalText, report: report)
            try OutputFile.write(json, to: STDOUT_FILENO, named: "standard output")
        } else {
            print(evaluation.table())
        }
        guard let path = arguments[option: "plot"] else { return }
        let page = evaluation.plot(
            title: "Cost and quality of routing", note: "\(setup.data), classifier \(setup.classifier.version)")
        try OutputFile.write(Array(page.svg().utf8), to: path)
        Console.note("wrote \(path)")
    }
}
