internal import Wire

/// A bill for machines and for people.
extension Bill {
    /// Comma-separated values (RFC 4180), one header line; costs in dollars, exact.
    public var csv: String {
        var text = BillColumn.allCases.map(\.name).joined(separator: ",") + "\r\n"
        for line in lines {
            text += BillColumn.allCases.map { Bill.quoted($0.value(line)) }.joined(separator: ",") + "\r\n"
        }
        return text
    }

    /// One JSON object: `lines`, `total`, `repeated`, `problems`. Costs are strings, because they are exact.
    public var json: String {
        func object(_ line: Line) -> String {
            let members = BillColumn.allCases.map { column in
                "\"\(column.name)\":" + (column.isNumber ? column.value(line) : Bill.text(column.value(line)))
            }
            return "{" + members.joined(separator: ",") + "}"
        }
        let problems = problems.map { Bill.text($0) }.joined(separator: ",")
        return "{\"lines\":[" + lines.map(object).joined(separator: ",") + "],\"total\":" + object(total)
            + ",\"repeated\":\(repeatedCount),\"problems\":[\(problems)]}"
    }

    private static func text(_ value: String) -> String {
        var bytes: [UInt8] = []
        JSONText.appendQuoted(value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Quoted when it must be; and a name that a spreadsheet would take for a formula is made text.
    private static func quoted(_ value: String) -> String {
        var value = value
        if let first = value.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first) { value = "'" + value }
        guard value.unicodeScalars.contains(where: { ",\"\r\n".unicodeScalars.contains($0) }) else { return value }
        return "\"" + value.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}

/// What is said of each line.
enum BillColumn: CaseIterable {
    case name, requests, unmeasured, prompt, cached, answer, awake, inPlace, suspended, snapshot, cost, isPartial

    var name: String {
        switch self {
        case .name: "name"
        case .requests: "requests"
        case .unmeasured: "unmeasured_requests"
        case .prompt: "prompt_tokens"
        case .cached: "cached_tokens"
        case .answer: "answer_tokens"
        case .awake: "awake_ms"
        case .inPlace: "in_place_ms"
        case .suspended: "suspended_ms"
        case .snapshot: "snapshot_ms"
        case .cost: "cost_usd"
        case .isPartial: "cost_is_partial"
        }
    }

    var isNumber: Bool { self != .name && self != .cost }

    func value(_ line: Bill.Line) -> String {
        switch self {
        case .name: line.name
        case .requests: String(line.requestCount)
        case .unmeasured: String(line.unmeasuredCount)
        case .prompt: String(line.tokens.promptCount)
        case .cached: String(line.tokens.cachedCount)
        case .answer: String(line.tokens.answerCount)
        case .awake: String(line.residency_ms[.awake] ?? 0)
        case .inPlace: String(line.residency_ms[.inPlace] ?? 0)
        case .suspended: String(line.residency_ms[.suspended] ?? 0)
        case .snapshot: String(line.residency_ms[.snapshot] ?? 0)
        case .cost: line.cost.description
        case .isPartial: line.isPartial ? "true" : "false"
        }
    }
}
