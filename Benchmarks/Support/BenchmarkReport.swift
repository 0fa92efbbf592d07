public import Foundation

/// One benchmark's result in the shape that readers outside the project rely on:
/// `{"name", "date", "machine", "load", "n", "metrics": {key: number}, "detail": ...}`.
/// `load` is the 1-minute load average when the benchmark began: above about 1, distrust the tails.
///
/// A metric that could not be measured is left out, never written as 0; say why in `notes`.
public struct BenchmarkReport: Sendable {
    /// The file's name without its extension, and the `name` member.
    public var name: String
    /// How many measurements stand behind the metrics.
    public var count: Int
    /// Named figures; the unit is part of the name, for example `p50_us_500b`.
    public private(set) var metrics: [String: Double] = [:]
    /// Anything else worth keeping, written under `detail`.
    public var detail: [String: Detail] = [:]
    /// What a reader must know, for example why a metric is absent. Written under `detail.notes`.
    public var notes: [String] = []

    private let startedAt: Date
    private let loadAtStart: Double?

    /// Starts a report: the load average is read now, before the benchmark adds its own.
    public init(name: String) {
        self.name = name
        count = 0
        startedAt = Date()
        loadAtStart = Machine.loadAverages().first
    }

    /// Records a figure. `value` must be finite: a broken measurement must not look like a result.
    public mutating func set(_ metric: String, _ value: Double) {
        precondition(value.isFinite, "metric \(metric) is not a number")
        metrics[metric] = value
    }

    /// Writes `directory/NAME.json`, creating the directory; readers never see half a file.
    @discardableResult
    public func write(into directory: URL) throws -> URL {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let file = directory.appendingPathComponent("\(name).json")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        var bytes = try encoder.encode(Document(self))
        bytes.append(UInt8(ascii: "\n"))
        try bytes.write(to: file, options: .atomic)
        return file
    }

    private struct Document: Encodable {
        let name: String
        let date: String
        let machine: String
        let load: Double?
        let n: Int
        let metrics: [String: Double]
        let detail: [String: Detail]

        init(_ report: BenchmarkReport) {
            name = report.name
            date = report.startedAt.formatted(.iso8601)
            machine = Machine.current().description
            load = report.loadAtStart
            n = report.count
            metrics = report.metrics
            var detail = report.detail
            if !report.notes.isEmpty { detail["notes"] = .list(report.notes.map { .text($0) }) }
            self.detail = detail
        }
    }
}

/// A value under a report's `detail`.
public enum Detail: Sendable, Encodable {
    /// A number.
    case number(Double)
    /// A text.
    case text(String)
    /// An ordered list.
    case list([Detail])
    /// Named values.
    case fields([String: Detail])

    /// Writes the bare value, without a wrapper that names its case.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let values): try container.encode(values)
        case .fields(let values): try container.encode(values)
        }
    }
}
