import DemoSupport
import RouterKit

/// What verbs that learn or measure read: rows of measured outcomes, and the pools that they are of.
///
/// `--data ROWS --tiers TIERS` takes the rows as they are. `--config FILE` takes the rows of one's own traffic, from the
/// file of its outcomes or from `--data`, and only those of one use: what was trained on is never calibrated on.
struct LearnInput {
    let tiers: TierTable
    let rows: [OutcomeRow]
    /// What became of the lines.
    let report: OutcomeReport
    let configuration: GatewayConfiguration?

    static let options = ["data", "tiers", "config"]

    init(_ arguments: Arguments, for use: OutcomeUse) throws {
        guard arguments.words.isEmpty else { throw UsageError(message: "\(arguments.words[0]) is one word too many") }
        if let config = arguments[option: "config"] {
            guard arguments[option: "tiers"] == nil else {
                throw UsageError(message: "--config and --tiers both say which models there are: give one of them")
            }
            let own = try OwnTraffic(config, data: arguments[option: "data"])
            configuration = own.configuration
            tiers = TierTable([own.outcomes.pool])
            rows = own.outcomes.rows(for: use)
            report = own.outcomes.report(for: use)
            let all = own.outcomes.rows.count
            guard !rows.isEmpty else {
                let wanted =
                    use == .training ? "the strongest model and another one" : "every model of the configuration"
                throw UsageError(
                    message:
                        "none of the \(all) rows is for \(use.rawValue) and scores \(wanted); see router outcomes stats"
                )
            }
            Console.note("\(rows.count) of \(all) rows are for \(use.rawValue); the others are kept for other uses")
        } else {
            guard let path = arguments[option: "tiers"] else {
                throw UsageError(
                    message: "say of which models the rows are: --config FILE, or --tiers FILE with --data")
            }
            let data = try arguments.required("data")
            configuration = nil
            tiers = try TierTable.read(path: path)
            (rows, report) = try OutcomeReader.read(path: data, tiers: tiers)
            OutcomeSetup.warn(report, data)
            guard !rows.isEmpty else {
                throw UsageError(message: "\(data) holds no usable row of a source in \(path)")
            }
        }
    }

    /// Where a result goes: `--out`, or the file that the configuration names.
    func out(_ arguments: Arguments, _ member: String, _ configured: String?) throws(UsageError) -> String {
        if let path = arguments[option: "out"] ?? configured { return path }
        throw UsageError(
            message: "--out FILE is required"
                + (configuration == nil ? "" : "; or let the configuration name it: \"\(member)\": \"FILE\""))
    }
}

/// The outcomes of one's own traffic, found by a configuration.
struct OwnTraffic {
    let configuration: GatewayConfiguration
    /// The file that rows are collected in.
    let path: String
    let outcomes: OwnOutcomes

    /// - Parameter data: a file to read instead.
    init(_ config: String, data: String?) throws {
        configuration = try ConfigurationFile.load(config)
        let pool = try Self.pool(configuration, config)
        path = try data ?? Self.path(configuration, config)
        let paths = data.map { [$0] } ?? OutcomeStore.files(path)
        guard !paths.isEmpty else {
            throw UsageError(
                message:
                    "\(path) is not there yet: it comes with feedback, shadow comparisons, or router outcomes import")
        }
        outcomes = try OwnOutcomes(paths: paths, pool: pool)
        for (path, report) in outcomes.reports { OutcomeSetup.warn(report, path) }
    }

    static func pool(_ configuration: GatewayConfiguration, _ file: String) throws(UsageError) -> OutcomePool {
        guard let pool = OutcomePool(ownTrafficOf: configuration.cards) else {
            throw UsageError(message: "\(file) has one model only: there is nothing to choose, and nothing to learn")
        }
        return pool
    }

    static func path(_ configuration: GatewayConfiguration, _ file: String) throws(UsageError) -> String {
        guard let path = configuration.outcomesPath else {
            throw UsageError(
                message:
                    "\(file) collects no outcomes: add \"outcomes\": {\"file\": \"outcomes.jsonl\", \"prompts\": true}")
        }
        return path
    }
}
