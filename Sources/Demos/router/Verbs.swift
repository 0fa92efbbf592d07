import DemoSupport
import Glibc
import RouterKit
import Transport
import Wire

/// `router check`: whether a configuration is right, and what could be better.
enum Check {
    static func run(_ arguments: Arguments) throws {
        let file = try arguments.required("config")
        let configuration = try ConfigurationFile.load(file)
        print("\(file) is right: \(configuration.cards.count) models, mode \(configuration.mode.rawValue)")
        let router = try Assembly(transport: NoTransport(), metrics: nil).router(configuration, withLog: false)
        for advice in advice(configuration) + advice(router, configuration) { print("note: \(advice)") }
    }

    /// What calibration has for the pool.
    static func advice(_ router: Router, _ configuration: GatewayConfiguration) -> [String] {
        guard let policy = router.configuration.policy as? TradePolicy else { return [] }
        if configuration.promise != nil {
            guard let gap = policy.gap else { return [] }
            return ["guarantee: \(gap), so every request goes to the strongest tier; see router calibrate"]
        }
        guard case .missing(let gap) = policy.fit, configuration.policyPath != nil else { return [] }
        return ["the policy file is not used: \(gap)"]
    }

    /// Things that work and still surprise.
    static func advice(_ configuration: GatewayConfiguration) -> [String] {
        var advice: [String] = []
        for card in configuration.cards where card.price == nil {
            advice.append("\(card.name) has no price: its cost shows as unknown and it is chosen last among equals")
        }
        if Set(configuration.cards.map(\.tier)).count == 1 {
            advice.append("all models are of one tier, so there is nothing to choose but the price")
        }
        if configuration.promise != nil, let shadow = configuration.shadow, !shadow.includesStrong {
            advice.append(
                "guarantee: shadow compares only what a cheaper tier answered, so a promise is tested on easier prompts "
                    + "than are served; \"traffic\": \"all\" compares the others too")
        }
        for dialect in Dialect.choices
        where !configuration.cards.contains(where: { $0.dialects.contains(dialect.value) }) {
            advice.append("no model speaks \(dialect.name)")
        }
        if !configuration.listen.isLocal, configuration.clients.isEmpty {
            advice.append("\(configuration.listen) is reachable from other machines and there are no client_keys")
        }
        return advice
    }
}

/// Deciding needs no upstream.
struct NoTransport: UpstreamTransport {
    nonisolated(nonsending) func send(_ request: UpstreamRequest) async throws(TransportError) -> UpstreamResponse {
        throw TransportError(.shuttingDown, "this program only decides")
    }
}

/// `router route`: the receipt of one prompt, without calling any model.
enum RouteOnce {
    static func run(_ arguments: Arguments) throws {
        let configuration = try ConfigurationFile.load(try arguments.required("config"))
        guard arguments.words.count == 1 else { throw UsageError(message: "give one prompt, in quotes") }
        var call = RouterCall(try RequestView(asking: arguments.words[0], limits: configuration.limits))
        call.mode = try mode(arguments)
        let router = try Assembly(transport: NoTransport(), metrics: nil).router(configuration, withLog: false)
        let decision: Decision
        do {
            decision = try router.route(call)
        } catch {
            throw UsageError(message: error.message)
        }
        if arguments.has("json") {
            print(String(decoding: decision.json(), as: UTF8.self))
        } else {
            print(Receipt.text(decision))
        }
    }

    /// The mode that is asked for; `nil` for the configuration's.
    static func mode(_ arguments: Arguments) throws(UsageError) -> RoutingMode? {
        guard let name = arguments[option: "mode"] else { return nil }
        guard let mode = RoutingMode(rawValue: name) else {
            let known = RoutingMode.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError(message: "--mode must be one of \(known)")
        }
        return mode
    }
}

/// A decision as a person reads it.
enum Receipt {
    static func text(_ decision: Decision) -> String {
        var lines = ["model    \(decision.chosenModel)", "why      \(decision.reason)"]
        if let difficulty = decision.difficulty, let support = decision.support {
            lines.append("judged   difficulty \(difficulty.fixed(2)), support \(support.fixed(2))")
        }
        if !decision.signals.isEmpty {
            lines.append(
                "signals  " + decision.signals.map { "\($0.name) \($0.weight.fixed(2))" }.joined(separator: ", "))
        }
        var table = TextTable(["model", "tier", "quality", "cost $", "", "reason"])
        for candidate in decision.plan.candidates { table.add(row(candidate, taken: true)) }
        for candidate in decision.plan.rejected { table.add(row(candidate, taken: false)) }
        lines += [
            "", table.text, "",
            "took     \((Double(decision.decisionTime_ns) / 1000).fixed(1)) us, classifier \(decision.classifierVersion)",
        ]
        return lines.joined(separator: "\n")
    }

    private static func row(_ candidate: Candidate, taken: Bool) -> [String] {
        [
            candidate.model, candidate.tier.name, candidate.quality.map { $0.fixed(3) } ?? "-",
            candidate.cost_usd.map { $0.fixed(6) } ?? "unknown", taken ? "" : "out", "\(candidate.reason)",
        ]
    }
}

/// `router models`: the pool as a table.
enum PoolTable {
    static func run(_ arguments: Arguments) throws {
        let configuration = try ConfigurationFile.load(try arguments.required("config"))
        var table = TextTable(["model", "tier", "in $/M", "out $/M", "window", "takes", "dialects", "deployments"])
        for card in configuration.cards {
            let takes = Modalities.names.filter { card.modalities.contains($0.value) }.map(\.name)
            let extras = [card.supportsTools ? "tools" : nil, card.supportsJSONSchema ? "schema" : nil].compactMap(
                \.self)
            table.add([
                card.name, card.tier.name, card.price?.inputPerMTok.plain ?? "unknown",
                card.price?.outputPerMTok.plain ?? "unknown", String(card.contextWindowTokens),
                (takes + extras).joined(separator: " "),
                Dialect.choices.filter { card.dialects.contains($0.value) }.map(\.name).joined(separator: " "),
                card.deployments.map(\.id).joined(separator: " "),
            ])
        }
        print(table.text)
    }
}

/// `router hash-key`: a client key's digest for `client_keys`. From standard input, so that it stays out of the
/// shell's history and of process lists.
enum HashKey {
    static func run() throws {
        guard let key = readLine(strippingNewline: true), !key.isEmpty else {
            throw UsageError(
                message: "write the key on standard input, for example: openssl rand -hex 32 | router hash-key")
        }
        print(SHA256.hexHash(Array(key.utf8)))
    }
}

/// Writes whole files, readable by their owner only.
enum OutputFile {
    struct Failure: Error, CustomStringConvertible { let description: String }

    static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        try write(bytes, to: descriptor, named: path)
    }

    /// Writes all of `bytes`; `name` is for errors.
    static func write(_ bytes: [UInt8], to descriptor: Int32, named name: String) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(name) }
            rest = rest.dropFirst(count)
        }
    }

    private static func failure(_ path: String) -> Failure {
        Failure(description: "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
