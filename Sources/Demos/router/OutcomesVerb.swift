import DemoSupport
import RouterKit

/// `router outcomes`: the rows that were collected from one's own traffic.
enum Outcomes {
    static let options = ["config", "data", "count"]

    static func run(_ words: [String]) throws {
        let verbs = ["import", "list", "stats"]
        guard let verb = words.first else {
            throw UsageError(message: "router outcomes needs one of \(verbs.joined(separator: ", "))")
        }
        let arguments = try Arguments(Array(words.dropFirst()), options: options)
        switch verb {
        case "import": try importRows(arguments)
        case "list": print(list(try own(arguments), count: try count(arguments)))
        case "stats": print(stats(try own(arguments)))
        default:
            let hint = Suggestion.nearest(to: verb, in: verbs).map { "; did you mean \($0)?" } ?? ""
            throw UsageError(message: "router outcomes cannot \(verb)\(hint)")
        }
    }

    private static func own(_ arguments: Arguments) throws -> OwnTraffic {
        guard arguments.words.isEmpty else { throw UsageError(message: "\(arguments.words[0]) is one word too many") }
        return try OwnTraffic(try arguments.required("config"), data: arguments[option: "data"])
    }

    private static func count(_ arguments: Arguments) throws(UsageError) -> Int {
        guard let text = arguments[option: "count"] else { return 20 }
        guard let count = Int(text), count > 0 else { throw UsageError(message: "--count takes a number from 1") }
        return count
    }

    // MARK: Verbs

    /// Rows of another file, in the same format, go into the store.
    static func importRows(_ arguments: Arguments) throws {
        let config = try arguments.required("config")
        guard arguments.words.count == 1 else { throw UsageError(message: "name one file to import") }
        let configuration = try ConfigurationFile.load(config)
        let pool = try OwnTraffic.pool(configuration, config)
        let path = try OwnTraffic.path(configuration, config)
        var ids: Set<String> = []
        for file in OutcomeStore.files(path) {
            var reader = try OutcomeReader(ownTraffic: file, pool: pool, ids: ids)
            while try reader.next() != nil {}
            ids = reader.ids
        }
        var reader = try OutcomeReader(ownTraffic: arguments.words[0], pool: pool, ids: ids)
        let store = try OutcomeStore(path: path, limits: configuration.limits)
        while let row = try reader.next() {
            // A full queue empties as fast as the disk writes.
            guard store.append(row) || store.flush(timeout_ms: 60_000) && store.append(row) else { break }
        }
        store.close()
        OutcomeSetup.warn(reader.report, arguments.words[0])
        let status = store.status
        guard status.writtenCount == reader.report.rowsCount else {
            let why = status.lastError.map { ": \($0)" } ?? ": a row is longer than the queue"
            throw UsageError(
                message: "only \(status.writtenCount) of \(reader.report.rowsCount) rows are in \(path)\(why)")
        }
        if status.rotationsCount > 1 { Console.warn("\(path) was full more than once: the oldest rows are gone") }
        Console.note("\(status.writtenCount) rows imported into \(path)")
    }

    /// The newest rows.
    static func list(_ own: OwnTraffic, count: Int) -> String {
        var table = TextTable(["id", "scores", "prompt"])
        for row in own.outcomes.rows.suffix(count).reversed() {
            let scores = own.outcomes.pool.members.compactMap { member in
                row.scores[member.name].map { "\(member.name) \($0.fixed(2))" }
            }
            table.add([
                shown(row.id, 40), scores.joined(separator: ", "),
                shown(String(decoding: row.prompt, as: UTF8.self), 60),
            ])
        }
        return table.text
    }

    /// Text of a file on one line of a terminal.
    private static func shown(_ text: String, _ width: Int) -> String {
        let line = String(text.prefix(width + 1).map { $0.isNewline || $0 == "\t" ? " " : $0 })
        let safe = String(line.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : Character($0) })
        return safe.count > width ? safe.prefix(width) + "..." : safe
    }

    /// What there is, and what it is good for.
    static func stats(_ own: OwnTraffic) -> String {
        let (outcomes, strongest) = (own.outcomes, own.outcomes.pool.strongest.name)
        var table = TextTable(["model", "scored", "mean score", "against \(strongest)", "both scored"])
        for model in outcomes.models {
            let isStrongest = model.name == strongest
            table.add([
                model.name, String(model.scoredCount), model.meanScore?.fixed(3) ?? "-",
                isStrongest ? "" : model.meanDifference?.fixed(3) ?? "-", isStrongest ? "" : String(model.pairedCount),
            ])
        }
        let rows = OutcomeUse.allCases.map { outcomes.rows(for: $0).count }
        let promise = Promise(loss: 0.01, confidence: 0.95)
        let points = [0.5, 1, 2, 3, 5, 10].first {
            Calibrator.neededRowCount(Promise(loss: $0 / 100, confidence: 0.95)) <= rows[1]
        }
        let smallest = points.map { "these could prove \($0.plain) points at best" } ?? "these prove nothing yet"
        return """
            \(own.path): \(outcomes.rows.count) rows
            \(table.text)

            train      \(rows[0]) rows score \(strongest) and another model; at least \(LearnedTrainer.fewestRows) are needed
            calibrate  \(rows[1]) rows score every model; a promise of 1 point at 95 % needs at least \
            \(Calibrator.neededRowCount(promise)), and \(smallest)
            eval       \(rows[2]) rows score every model
            Of shadow comparisons a score is agreement with \(strongest), not correctness.
            """
    }
}
