public import Wire

/// Outcomes of one's own traffic on disk, in the format that ``OutcomeReader`` reads.
///
/// Written like the decision log, by a thread of its own behind a bounded queue: a full disk costs rows, which are
/// counted, and never a request. The file is created with mode 0600, because it holds what people asked, and moved to
/// `FILE.1` when it is full. Any thread may append.
public final class OutcomeStore: Sendable {
    /// ``OutcomeRow/source`` of all rows of one's own traffic.
    public static let source = "own_traffic"

    /// The file.
    public let path: String
    private let log: DecisionLog

    /// Opens the file and starts the writer.
    public convenience init(path: String, limits: Limits = .standard) throws(LogError) {
        try self.init(path: path, limits: limits, files: SystemLogFiles())
    }

    init(path: String, limits: Limits, files: any LogFiles) throws(LogError) {
        self.path = path
        var limits = limits
        limits.logQueueBytes = limits.outcomeQueueBytes
        log = try DecisionLog(
            DecisionLog.Configuration(path: path, maxFileBytes: limits.outcomeFileBytes, keptFilesCount: 1),
            limits: limits, files: files)
    }

    /// Leaves a row for the writer; `false`, counted, when the queue is full or the store closed. Never waits.
    @discardableResult
    public func append(_ row: OutcomeRow) -> Bool { log.append(line: row.line()) }

    /// How the writer is doing.
    public var status: DecisionLog.Status { log.status }

    /// As ``DecisionLog/flush(timeout_ms:)``.
    @discardableResult
    public func flush(timeout_ms: Int = 5_000) -> Bool { log.flush(timeout_ms: timeout_ms) }

    /// Writes what is left and ends the writer; later rows are dropped. Blocks its thread.
    public func close() { log.close() }

    /// The files of a store that are there, the older one first.
    public static func files(_ path: String) -> [String] {
        ["\(path).1", path].filter { SystemLogFiles().identity(of: $0) != nil }
    }
}

extension OutcomeRow {
    /// The row as a line of an outcome file, its line feed included; members in a fixed order.
    public func line() -> [UInt8] {
        var line = Array(#"{"id":"#.utf8)
        JSONText.appendQuoted(id, to: &line)
        line += #","source":"#.utf8
        JSONText.appendQuoted(source, to: &line)
        if let task { Self.append("task", task, to: &line) }
        if let subject { Self.append("sub", subject, to: &line) }
        Self.append("prompt", String(decoding: prompt, as: UTF8.self), to: &line)
        line += #","models":{"#.utf8
        Self.append(scores, to: &line) { JSONText.appendDouble($0, to: &$1) }
        line += "}".utf8
        if let inputTokens { line += ",\"in_tok\":\(inputTokens)".utf8 }
        if !outputTokens.isEmpty {
            line += #","out_tok":{"#.utf8
            Self.append(outputTokens, to: &line) { $1 += String($0).utf8 }
            line += "}".utf8
        }
        line += "}\n".utf8
        return line
    }

    private static func append(_ name: String, _ text: String, to line: inout [UInt8]) {
        line += ",\"\(name)\":".utf8
        JSONText.appendQuoted(text, to: &line)
    }

    private static func append<Value>(
        _ values: [String: Value], to line: inout [UInt8], _ append: (Value, inout [UInt8]) -> Void
    ) {
        for (place, name) in values.keys.sorted().enumerated() {
            if place > 0 { line.append(UInt8(ascii: ",")) }
            JSONText.appendQuoted(name, to: &line)
            line.append(UInt8(ascii: ":"))
            append(values[name]!, &line)
        }
    }
}
