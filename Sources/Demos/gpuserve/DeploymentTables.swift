import DemoSupport
import GPUServeKit
import Glibc
import Wire

/// What there is, as tables.
extension DeploymentVerbs {
    static func show(_ arguments: Arguments) async throws {
        if arguments.words.count > 1 { try arguments.expect("NAME") }
        let name = arguments.words.first
        if let name, let problem = DeploymentSpec.problem(withName: name) { throw UsageError(message: problem) }
        let shown = try await DaemonClient.with(arguments) {
            try await $0.call(.get, "/api/deployments" + (name.map { "/" + $0 } ?? ""))
        }
        if arguments.has("json") { return print(text(shown)) }
        guard name != nil else { return print(table(shown["deployments"]?.elements ?? [])) }
        print(table([shown]))
        for line in shown["lost_tiers"]?.elements ?? [] { print("lost   \(line.string ?? "")") }
        for line in shown["notes"]?.elements ?? [] { print("       \(line.string ?? "")") }
    }

    private static func table(_ deployments: [JSONValue]) -> String {
        guard !deployments.isEmpty else { return "no deployments; make one with gpuserve deploy" }
        var table = TextTable([
            "name", "engine", "state", "tier", "replicas", "memory", "freed", "requests", "held", "tokens", "next tier",
            "wake ms",
        ])
        for one in deployments {
            let replicas = one["replicas"]?.elements ?? []
            func sum(_ key: String) -> Int { replicas.reduce(0) { $0 + ($1[key]?.int ?? 0) } }
            let tiers = Set(replicas.compactMap { $0["tier"]?.string }).sorted().joined(separator: ",")
            let alive = replicas.count { $0["pid"] != nil }
            table.add([
                one["name"]?.string ?? "?", one["engine"]?.string ?? "?", one["state"]?.string ?? "?",
                tiers.isEmpty ? "-" : tiers, "\(alive)", megabytes(sum("resident_bytes")),
                megabytes(sum("freed_bytes")),
                "\(one["requests"]?.int ?? 0)", "\(one["held"]?.int ?? 0)",
                "\((one["prompt_tokens"]?.int ?? 0) + (one["answer_tokens"]?.int ?? 0))",
                one["next_tier"]?.string ?? "-", "\(one["predicted_wake_ms"]?.int ?? 0)",
            ])
        }
        return table.text
    }

    static func megabytes(_ bytes: Int) -> String { "\((bytes + 500_000) / 1_000_000) MB" }

    /// JSON again, as it came: for programs.
    private static func text(_ value: JSONValue) -> String {
        switch value {
        case .null: return "null"
        case .bool(let flag, _): return flag ? "true" : "false"
        case .number(let digits, _): return digits
        case .string(let string, _): return quoted(string)
        case .array(let list, _): return "[" + list.map { text($0) }.joined(separator: ",") + "]"
        case .object(let members, _):
            return "{" + members.map { quoted($0.key) + ":" + text($0.value) }.joined(separator: ",") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var out: [UInt8] = []
        JSONText.appendQuoted(text, to: &out)
        return String(decoding: out, as: UTF8.self)
    }

    static func logs(_ arguments: Arguments) async throws {
        try arguments.expect("NAME")
        let name = arguments.words[0]
        if let problem = DeploymentSpec.problem(withName: name) { throw UsageError(message: problem) }
        let count = Int(arguments[option: "lines"] ?? "100") ?? 0
        guard (1...10_000).contains(count) else { throw UsageError(message: "--lines takes a number from 1 to 10000") }
        try await DaemonClient.with(arguments) { client in
            var shown: [String] = []
            repeat {
                let answer = try await client.call(.get, "/api/deployments/\(name)/logs?lines=\(count)")
                let lines = (answer["lines"]?.elements ?? []).compactMap(\.string)
                for line in fresh(lines, after: shown) { Terminal.write("\(line)\n", to: STDOUT_FILENO) }
                shown = lines
                if arguments.has("follow") { try await Task.sleep(nanoseconds: 300_000_000) }
            } while arguments.has("follow")
        }
    }

    /// What of `lines` follows the longest end of `shown` that they begin with.
    static func fresh(_ lines: [String], after shown: [String]) -> ArraySlice<String> {
        for start in shown.indices {
            let overlap = shown[start...]
            if overlap.count <= lines.count, overlap.elementsEqual(lines.prefix(overlap.count)) {
                return lines[overlap.count...]
            }
        }
        return lines[...]
    }
}
