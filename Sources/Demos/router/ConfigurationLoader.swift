import DemoSupport
import Glibc
import RouterKit
import Transport
import Wire

extension GatewayConfiguration {
    /// Reads and checks a configuration file.
    ///
    /// - Parameter environment: looks up the variables that `key_env` names; nil values are errors, so that a missing
    ///   key is found at start and not by the first request.
    static func load(
        file: String, bytes: [UInt8],
        environment: (String) -> String? = { name in getenv(name).map { String(cString: $0) } }
    ) throws(ConfigurationError) -> GatewayConfiguration {
        let source = ConfigurationSource(file: file, bytes: bytes)
        let tree: JSONValue
        do {
            tree = try JSONValue.parse(bytes, limits: .standard)
        } catch {
            throw source.error(at: error.offset ?? 0, error.detail)
        }
        var root = try ConfigurationObject(tree, path: "", in: source)
        var configuration = GatewayConfiguration()
        if let listen = root.value("listen") {
            guard let text = listen.string, let address = ListenAddress(text: text) else {
                throw source.error(at: listen.offset, "listen must be \"HOST:PORT\" or \"unix:/path\"")
            }
            configuration.listen = address
        }
        configuration.loopCount = try root.int("loops", in: 1...64) ?? configuration.loopCount
        configuration.drain_ms = try root.int("drain_ms", in: 0...3_600_000) ?? configuration.drain_ms
        configuration.mode = try root.choice("mode", RoutingMode.choices) ?? configuration.mode
        configuration.limits = try limits(&root, configuration.limits)
        configuration.clients = try clients(&root)
        configuration.log = try log(&root)
        configuration.weightsPath = try root.string("weights")
        configuration.policyPath = try root.string("policy")
        configuration.promise = try promise(&root)
        configuration.guards = try guards(&root)
        configuration.cascade = try cascade(&root)
        configuration.outcomesPath = try outcomesPath(&root)
        configuration.shadow = try shadow(&root, collects: configuration.outcomesPath != nil)
        let models = try root.objects("models") ?? []
        guard !models.isEmpty else { throw root.error("models is missing or empty: name at least one model") }
        for var model in models {
            let card = try card(&model, environment)
            try model.finish()
            configuration.cards.append(card)
        }
        try root.finish()
        for name in configuration.cascade?.ask ?? [] {
            _ = try configuration.card(named: name, by: "cascade.ask", root)
        }
        if case .model(let name) = configuration.shadow?.judge {
            let card = try configuration.card(named: name, by: "shadow.judge.model", root)
            guard card.dialects.contains(.chatCompletions) else {
                throw root.error("shadow.judge.model: \"\(name)\" does not speak chat_completions, which a judge must")
            }
        }
        do {
            try ModelCard.validate(configuration.cards, limits: configuration.limits)
        } catch {
            throw root.error("models: \(error)")
        }
        return configuration
    }

    private func card(
        named name: String, by member: String, _ root: ConfigurationObject
    ) throws(ConfigurationError) -> ModelCard {
        if let card = cards.first(where: { $0.name == name }) { return card }
        let hint = Suggestion.nearest(to: name, in: cards.map(\.name)).map { "; did you mean \"\($0)\"?" } ?? ""
        throw root.error("\(member) names \"\(name)\", which is not among the models\(hint)")
    }

    private static func clients(_ root: inout ConfigurationObject) throws(ConfigurationError) -> [ClientKeys.Client] {
        var clients: [ClientKeys.Client] = []
        for var entry in try root.objects("client_keys") ?? [] {
            let name = try entry.requiredString("name")
            let hex = try entry.requiredString("sha256")
            guard let digest = ClientKeys.digest(hex: hex) else {
                throw entry.error(
                    "\(entry.name("sha256")) must be 64 hexadecimal digits; make it with: router hash-key")
            }
            guard !clients.contains(where: { $0.name == name }) else {
                throw entry.error("\(entry.name("name")) \"\(name)\" is given twice")
            }
            clients.append(ClientKeys.Client(name: name, digest: digest))
            try entry.finish()
        }
        return clients
    }

    private static func log(_ root: inout ConfigurationObject) throws(ConfigurationError) -> Log? {
        guard var entry = try root.object("log") else { return nil }
        var log = Log(path: try entry.requiredString("path"))
        log.includesPrompts = try entry.bool("prompts") ?? log.includesPrompts
        log.maxBytes = try entry.int("max_bytes", in: 4096...(1 << 40)) ?? log.maxBytes
        log.keptFiles = try entry.int("keep_files", in: 1...1000) ?? log.keptFiles
        try entry.finish()
        return log
    }

    private static func limits(
        _ root: inout ConfigurationObject, _ standard: Limits
    ) throws(ConfigurationError) -> Limits {
        guard var entry = try root.object("limits") else { return standard }
        var limits = standard
        for (name, path, range) in Limits.configurable {
            if let value = try entry.int(name, in: range) { limits[keyPath: path] = value }
        }
        try entry.finish()
        return limits
    }

    private static func card(
        _ entry: inout ConfigurationObject, _ environment: (String) -> String?
    ) throws(ConfigurationError) -> ModelCard {
        let name = try entry.requiredString("name")
        guard !name.hasPrefix("auto:"), name != "auto" else {
            throw entry.error("\(entry.name("name")) \"\(name)\" is taken: it asks the router to choose")
        }
        _ = try entry.require("tier")
        let tier = try entry.choice("tier", CapabilityTier.allCases.map { ($0.name, $0) })!
        let window = try entry.int("context_window", in: 1...1_000_000_000)
        guard let window else {
            throw entry.error("\(entry.name("context_window")) is missing: tokens that the model can hold")
        }
        var card = ModelCard(name: name, tier: tier, contextWindowTokens: window, deployments: [])
        card.maxOutputTokens = try entry.int("max_output_tokens", in: 1...1_000_000_000)
        card.price = try price(&entry)
        if let modalities = try entry.choices("modalities", Modalities.names) {
            card.modalities = Modalities(modalities)
        }
        card.supportsTools = try entry.bool("tools") ?? card.supportsTools
        card.supportsJSONMode = try entry.bool("json_mode") ?? card.supportsJSONMode
        card.supportsJSONSchema = try entry.bool("json_schema") ?? card.supportsJSONSchema
        card.isReasoning = try entry.bool("reasoning") ?? card.isReasoning
        if let dialects = try entry.choices("dialects", Dialect.choices) { card.dialects = Set(dialects) }
        if var overrides = try entry.object("overrides") {
            for (key, value) in overrides.everything() {
                guard key != "model", key != "stream" else {
                    throw entry.source.error(at: value.offset, "\(overrides.name(key)): the gateway decides by it")
                }
                card.overrides.append(ParameterOverride(key: key, json: entry.source.text(of: value)))
            }
        }
        for var deployment in try entry.objects("deployments") ?? [] {
            card.deployments.append(
                try self.deployment(&deployment, index: card.deployments.count, model: name, environment))
            try deployment.finish()
        }
        return card
    }

    private static func price(_ entry: inout ConfigurationObject) throws(ConfigurationError) -> Price? {
        guard var price = try entry.object("price") else { return nil }
        let input = try price.amount("input")
        let output = try price.amount("output")
        let cached = try price.amount("cached_input")
        try price.finish()
        guard let input, let output else {
            throw price.error("\(price.path) needs input and output, in USD per 1M tokens")
        }
        return Price(inputPerMTok: input, outputPerMTok: output, cachedInputPerMTok: cached)
    }

    private static func deployment(
        _ entry: inout ConfigurationObject, index: Int, model: String, _ environment: (String) -> String?
    ) throws(ConfigurationError) -> Deployment {
        let url = try entry.requiredString("base_url")
        var deployment = Deployment(
            id: try entry.string("id") ?? "\(model)-\(index)",
            baseURL: url.hasSuffix("/") ? String(url.dropLast()) : url,
            upstreamModel: try entry.string("model") ?? model)
        deployment.unixSocketPath = try entry.string("unix_socket")
        deployment.weight = try entry.int("weight", in: 1...1_000_000) ?? 1
        deployment.maxConcurrent = try entry.int("max_concurrent", in: 1...1_000_000)
        let keyNames = try keyNames(&entry)
        let authentication = try entry.choice("auth", Deployment.Authentication.allCases.map { ($0.rawValue, $0) })
        deployment.authentication = authentication ?? (keyNames.isEmpty ? .none : .bearer)
        for (name, offset) in keyNames {
            guard let value = environment(name), !value.isEmpty else {
                throw entry.source.error(at: offset, "the environment variable \(name) is not set")
            }
            deployment.keys.append(APIKey(label: name, value: value))
        }
        if deployment.authentication != .none, keyNames.isEmpty {
            throw entry.error("\(entry.path) has auth \(deployment.authentication.rawValue) but no key_env")
        }
        if var headers = try entry.object("headers") {
            for (key, value) in headers.everything() {
                guard let text = value.string else {
                    throw entry.source.error(at: value.offset, "\(headers.name(key)) must be a string")
                }
                deployment.extraHeaders.append(Deployment.Header(key, text))
            }
        }
        if var timeouts = try entry.object("timeouts_ms") {
            let range = 1...86_400_000
            deployment.timeouts.connect_ms = try timeouts.int("connect", in: range) ?? deployment.timeouts.connect_ms
            deployment.timeouts.firstByte_ms =
                try timeouts.int("first_byte", in: range) ?? deployment.timeouts.firstByte_ms
            deployment.timeouts.idle_ms = try timeouts.int("idle", in: range) ?? deployment.timeouts.idle_ms
            deployment.timeouts.total_ms = try timeouts.int("total", in: range)
            try timeouts.finish()
        }
        return deployment
    }

    /// `key_env` is one name or an array of names.
    private static func keyNames(
        _ entry: inout ConfigurationObject
    ) throws(ConfigurationError) -> [(text: String, offset: Int)] {
        guard let value = entry.value("key_env") else { return [] }
        if let name = value.string { return [(name, value.offset)] }
        return try entry.strings("key_env") ?? []
    }
}

extension RoutingMode {
    static var choices: [(name: String, value: RoutingMode)] { allCases.map { ($0.rawValue, $0) } }
}

extension Dialect {
    /// Names as the configuration spells them.
    static let choices: [(name: String, value: Dialect)] = [
        ("chat_completions", .chatCompletions), ("responses", .responses), ("messages", .messages),
        ("completions", .completions), ("embeddings", .embeddings),
    ]
}

extension Limits {
    /// The limits that a user may set, with the range that makes sense.
    static let configurable:
        [(name: String, path: any WritableKeyPath<Limits, Int> & Sendable, range: ClosedRange<Int>)] = [
            ("request_head_bytes", \.requestHeadBytes, 1024...(1 << 20)),
            ("body_bytes", \.bodyBytes, 1024...(1 << 30)),
            ("sse_event_bytes", \.sseEventBytes, 1024...(1 << 28)),
            ("json_depth", \.jsonDepth, 8...4096),
            ("head_timeout_ms", \.headTimeout_ms, 10...3_600_000),
            ("connection_count", \.connectionCount, 1...1_000_000),
            ("upstream_connection_count", \.upstreamConnectionCount, 1...1_000_000),
            ("outcome_file_bytes", \.outcomeFileBytes, (1 << 20)...(1 << 40)),
            ("feedback_ask_count", \.feedbackAskCount, 1...1_000_000),
            ("shadow_count", \.shadowCount, 1...1024),
            ("upstream_connection_per_host_count", \.upstreamConnectionPerHostCount, 1...1_000_000),
        ]
}
