public import Wire

/// What a decision log adds up to: cost by model, saving, failures, latency. Memory does not grow with the log.
public struct LogReport: Sendable {
    /// Sums over some of the requests.
    public struct Sums: Sendable, Hashable {
        /// Requests.
        public internal(set) var requestsCount = 0
        /// Prompt tokens, cached ones included, of requests whose usage is known.
        public internal(set) var promptTokens = 0
        /// Completion tokens, reasoning included.
        public internal(set) var completionTokens = 0
        /// Prompt tokens from the provider's cache.
        public internal(set) var cachedTokens = 0
        /// Reasoning tokens.
        public internal(set) var reasoningTokens = 0
        /// USD of the requests whose cost is known.
        public internal(set) var cost_usd = 0.0
        /// Requests whose cost is not known: not part of `cost_usd`.
        public internal(set) var unknownCostCount = 0
        /// Requests whose cost and baseline are both known; only they count for the saving.
        public internal(set) var comparableCount = 0
        /// What "always the strongest" would have cost for the comparable requests, in USD.
        public internal(set) var baseline_usd = 0.0
        /// What was saved over the comparable requests, in USD; below 0 when routing cost more.
        public internal(set) var saving_usd = 0.0

        mutating func add(_ line: LogLine) {
            requestsCount += 1
            if let usage = line.usage {
                promptTokens += usage.promptTokens
                completionTokens += usage.completionTokens
                cachedTokens += usage.cachedTokens
                reasoningTokens += usage.reasoningTokens
            }
            guard let cost = line.cost_usd else {
                unknownCostCount += 1
                return
            }
            cost_usd += cost
            guard let baseline = line.baseline_usd else { return }
            comparableCount += 1
            baseline_usd += baseline
            saving_usd += baseline - cost
        }
    }

    /// Values at some shares of a distribution, in milliseconds, exact to 3.2 %.
    public struct Percentiles: Sendable, Hashable {
        /// The median.
        public let p50_ms: Double
        /// Nine in ten are not slower.
        public let p90_ms: Double
        /// Ninety-nine in a hundred are not slower.
        public let p99_ms: Double
        /// The slowest.
        public let max_ms: Double

        init?(_ microseconds: Histogram) {
            guard let p50 = microseconds.percentile(0.5), let p90 = microseconds.percentile(0.9),
                let p99 = microseconds.percentile(0.99)
            else { return nil }
            p50_ms = Double(p50) / 1_000
            p90_ms = Double(p90) / 1_000
            p99_ms = Double(p99) / 1_000
            max_ms = Double(microseconds.largest) / 1_000
        }
    }

    /// Stands for requests that no model answered.
    public static let noModel = "(no answer)"
    /// Stands for everything beyond `Limits.reportGroupsCount`.
    public static let otherGroup = "(other)"

    /// All requests.
    public private(set) var total = Sums()
    /// Requests by the model that answered.
    public private(set) var models: [String: Sums] = [:]
    /// Requests that did not end well, by label.
    public private(set) var failures: [String: Int] = [:]
    /// Requests that asked more than one deployment.
    public private(set) var failoversCount = 0
    /// Answers that were compared with those of other models, or tried to be: not part of the requests.
    public private(set) var shadowsCount = 0
    /// What that cost in USD, beside the requests' cost; `nil` when it is not known of all.
    public private(set) var shadowCost_usd: Double? = 0
    /// Lines read, damaged ones included; empty ones are not counted.
    public private(set) var linesCount = 0
    /// Lines that could not be used.
    public private(set) var damagedCount = 0
    /// Where the first of them are, from 1; at most 20.
    public private(set) var damagedLines: [Int] = []
    /// Cost and baseline as they grew, over the comparable requests.
    private(set) var course = CostCourse()

    private var latency = Histogram()
    private var firstByte = Histogram()
    private let limits: Limits

    /// From arrival to the last byte; `nil` without requests.
    public var latencyPercentiles: Percentiles? { Percentiles(latency) }
    /// From arrival to the first body byte; `nil` when no request had one.
    public var firstBytePercentiles: Percentiles? { Percentiles(firstByte) }
    /// Models by cost, the dearest first; those of equal cost by name.
    public var modelsByCost: [(name: String, sums: Sums)] {
        models.map { ($0.key, $0.value) }.sorted { ($1.1.cost_usd, $0.0) < ($0.1.cost_usd, $1.0) }
    }

    init(limits: Limits) { self.limits = limits }

    /// Adds up the log at `path`. A damaged line is counted and left out; everything else is used.
    public static func read(path: String, limits: Limits = .standard) throws(LogError) -> LogReport {
        var report = LogReport(limits: limits)
        var reader = try LineReader(path: path, longestLineBytes: limits.logLineBytes)
        var number = 0
        while let next = try reader.nextLine() {
            number += 1
            switch next {
            case .tooLong: report.addDamaged(number)
            case .line(let range):
                if range.isEmpty { continue }
                if let line = LogLine(reader.bytes, in: range, limits: limits) {
                    report.add(line)
                } else if let shadow = ShadowLine(reader.bytes, in: range, limits: limits) {
                    report.add(shadow)
                } else {
                    report.addDamaged(number)
                }
            }
        }
        return report
    }

    mutating func add(_ line: LogLine) {
        linesCount += 1
        total.add(line)
        let model = group(line.model ?? Self.noModel) { models[$0] != nil || models.count < limits.reportGroupsCount }
        models[model, default: Sums()].add(line)
        if line.outcome != LogRecord.goodOutcome {
            let label = group(line.outcome) { failures[$0] != nil || failures.count < limits.reportGroupsCount }
            failures[label, default: 0] += 1
        }
        if line.attemptsCount > 1 { failoversCount += 1 }
        latency.add(Self.microseconds(line.latency_ms))
        if let firstByte_ms = line.firstByte_ms { firstByte.add(Self.microseconds(firstByte_ms)) }
        if let cost = line.cost_usd, let baseline = line.baseline_usd {
            course.add(cost_usd: cost, baseline_usd: baseline)
        }
    }

    mutating func add(_ shadow: ShadowLine) {
        linesCount += 1
        shadowsCount += 1
        shadowCost_usd = shadowCost_usd.flatMap { sum in shadow.cost_usd.map { sum + $0 } }
    }

    mutating func addDamaged(_ number: Int) {
        linesCount += 1
        damagedCount += 1
        if damagedLines.count < 20 { damagedLines.append(number) }
    }

    private func group(_ name: String, _ hasRoom: (String) -> Bool) -> String {
        hasRoom(name) ? name : Self.otherGroup
    }

    private static func microseconds(_ value_ms: Double) -> UInt64 {
        // Ten years: more is not a latency, and would not fit.
        UInt64(min(value_ms, 3e11) * 1_000)
    }
}
