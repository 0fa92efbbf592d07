import DemoSupport
import GPUServeKit
import Glibc
import Wire

/// The verbs about money: who may ask, what it costs, and what it came to.
enum AccountVerbs {
    static let usage = """
          gpuserve bill [--by deployment|key|day|device] [--from DAY] [--to DAY] [--csv | --json]
          gpuserve keys add | revoke NAME, gpuserve keys list           from the first key on, requests need one
          gpuserve price NAME WHAT=DOLLARS...                           from the next answer on; also: deploy --price

          WHAT is prompt, cached or answer (for a million tokens), awake, in-place, suspended or snapshot (for a second).
        """

    static let verbs = ["bill", "keys", "price"]

    static func run(_ verb: String, _ words: [String]) async throws {
        switch verb {
        case "bill":
            try await bill(
                try Arguments(
                    words, options: ["by", "from", "to"] + DaemonClient.options, flags: ["csv", "json"]))
        case "keys": try await keys(try Arguments(words, options: DaemonClient.options, flags: ["json"]))
        case "price": try await price(try Arguments(words, options: DaemonClient.options))
        default: preconditionFailure("verbs and cases differ")
        }
    }

    // MARK: bill

    private static func bill(_ arguments: Arguments) async throws {
        try arguments.expect()
        let by = arguments[option: "by"] ?? "deployment"
        guard let grouping = Bill.Grouping(rawValue: by) else {
            let known = Bill.Grouping.allCases.map(\.rawValue)
            let hint = Suggestion.nearest(to: by, in: known).map { "; did you mean \($0)?" } ?? ""
            throw UsageError(message: "--by must be one of \(known.joined(separator: ", "))\(hint)")
        }
        let from_ms = try day("from", arguments)
        let to_ms = try day("to", arguments)
        guard arguments[option: "url"] == nil, let path = DaemonClient.statePath(arguments) else {
            let days = ["from", "to"].compactMap { name in arguments[option: name].map { "&\(name)=\($0)" } }.joined()
            let format = arguments.has("csv") ? "csv" : "json"
            let bytes = try await DaemonClient.with(arguments) {
                try await $0.text(.get, "/api/bill?by=\(grouping.rawValue)&format=\(format)\(days)")
            }
            let text = String(decoding: bytes, as: UTF8.self)
            return arguments.has("csv") || arguments.has("json") ? show(text) : print(try table(bytes))
        }
        // The ledger is read where it lies, daemon or not.
        let bill = try Bill.read(path: path + "/ledger", by: grouping, from: from_ms ?? .min, to: to_ms ?? .max)
        if arguments.has("csv") { return show(bill.csv) }
        if arguments.has("json") { return show(bill.json) }
        print(try table(Array(bill.json.utf8)))
    }

    private static func show(_ text: String) {
        Terminal.write(text.hasSuffix("\n") ? text : text + "\n", to: STDOUT_FILENO)
    }

    private static func day(_ option: String, _ arguments: Arguments) throws(UsageError) -> Int? {
        guard let text = arguments[option: option] else { return nil }
        guard let start_ms = Bill.dayStart_ms(text) else {
            throw UsageError(message: "--\(option) takes a day such as 2026-11-27, not \(text)")
        }
        return start_ms
    }

    private static func table(_ bill: [UInt8]) throws -> String {
        let bill = try JSONValue.parse(bill)
        var table = TextTable([
            "", "requests", "prompt", "cached", "answer", "awake s", "in-place s", "suspended s", "snapshot s", "USD",
        ])
        for line in (bill["lines"]?.elements ?? []) + (bill["total"].map { [$0] } ?? []) {
            func count(_ key: String) -> String { "\(line[key]?.int ?? 0)" }
            func seconds(_ key: String) -> String { (Double(line[key]?.int ?? 0) / 1000).fixed(1) }
            let name = line["name"]?.string ?? "?"
            table.add([
                name.isEmpty ? "(none)" : name, count("requests"), count("prompt_tokens"), count("cached_tokens"),
                count("answer_tokens"), seconds("awake_ms"), seconds("in_place_ms"), seconds("suspended_ms"),
                seconds("snapshot_ms"),
                (line["cost_is_partial"]?.bool == true ? "at least " : "") + (line["cost_usd"]?.string ?? "?"),
            ])
        }
        let problems = (bill["problems"]?.elements ?? []).compactMap(\.string).map { "problem: \($0)" }
        return ([table.text] + problems).joined(separator: "\n")
    }

    // MARK: keys and prices

    private static func keys(_ arguments: Arguments) async throws {
        switch (arguments.words.first, arguments.words.count) {
        case ("list", 1):
            let shown = try await DaemonClient.with(arguments) { try await $0.text(.get, "/api/keys") }
            if arguments.has("json") { return show(String(decoding: shown, as: UTF8.self)) }
            let keys = try JSONValue.parse(shown)["keys"]?.elements ?? []
            if keys.isEmpty { return print("no keys: everybody who reaches the daemon may ask") }
            for key in keys { print((key["id"]?.string ?? "?") + (key["revoked_ms"] == nil ? "" : "  revoked")) }
        case ("add", 2):
            var body = Array(#"{"id":"#.utf8)
            JSONText.appendQuoted(arguments.words[1], to: &body)
            body.append(UInt8(ascii: "}"))
            let made = try await DaemonClient.with(arguments) { try await $0.call(.post, "/api/keys", body) }
            Console.error("this is the only time that the key is shown\n")
            print(made["key"]?.string ?? "?")
        case ("revoke", 2):
            let name = arguments.words[1]
            if let problem = DeploymentSpec.problem(withName: name) { throw UsageError(message: problem) }
            _ = try await DaemonClient.with(arguments) { try await $0.call(.delete, "/api/keys/\(name)") }
            print("\(name) is revoked")
        default: throw UsageError(message: "gpuserve keys takes: list, add NAME, or revoke NAME")
        }
    }

    private static func price(_ arguments: Arguments) async throws {
        guard arguments.words.count >= 2 else {
            throw UsageError(
                message: "gpuserve price takes a NAME and WHAT=DOLLARS, for example prompt=0.15 answer=0.6")
        }
        let name = arguments.words[0]
        if let problem = DeploymentSpec.problem(withName: name) { throw UsageError(message: problem) }
        let given = try dollars(Array(arguments.words.dropFirst()))
        _ = try Price(dollars: given)
        let members = given.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
        _ = try await DaemonClient.with(arguments) {
            try await $0.call(.post, "/api/deployments/\(name)/price", Array("{\(members)}".utf8))
        }
        print("\(name) has new prices from now on")
    }

    /// `WHAT=DOLLARS` words.
    static func dollars(_ words: [String]) throws(UsageError) -> [String: Double] {
        var found: [String: Double] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let amount = Double(parts[1]), amount.isFinite else {
                throw UsageError(message: "a price is WHAT=DOLLARS, for example prompt=0.15, not \(word)")
            }
            guard Price.kinds.contains(String(parts[0])) else {
                throw UsageError(
                    message: "there is no price of \(parts[0]): \(Price.kinds.joined(separator: ", "))")
            }
            found[String(parts[0])] = amount
        }
        return found
    }
}
