import DemoSupport
import GPUServeKit
import Glibc
import Wire

/// The verbs about deployments.
enum DeploymentVerbs {
    static let usage = """
          gpuserve serve --state DIR [--listen 127.0.0.1:8089] [--loops 1] [--end-engines]
                       [--host-memory SIZE] [--gpu-memory SIZE]           what engines may hold together
          gpuserve deploy NAME --engine llama.cpp|vllm|sglang|tgi|transformers|custom --model X
                       [--gpus 0] [--min 0] [--max 1] [--buffer 0] [--concurrency 4] [--scaledown SECONDS] [--patience 0]
                       [--program PATH] [--env NAME...] [--tier TIER] [--price WHAT=DOLLARS...] [--memory SIZE]
                       [--no-wait] [--plan]
                       [-- more words for the engine]
          gpuserve ls | status [NAME] [--json]                          what there is, and what it is doing
          gpuserve ui                                                   the address of the page for a browser
          gpuserve logs NAME [-f] [--lines 100]                         what its engines print
          gpuserve wake | stop | rm NAME                                bring up; end its engines; forget it
          gpuserve sleep NAME [--tier TIER]                             until something is asked of it
          gpuserve snapshot NAME [--json]                               make or renew its image, and wake it from that
          gpuserve scale NAME [--min N] [--max N] [--buffer N] [--concurrency N] [--scaledown SECONDS]
                       [--patience N]                                     seconds of idling that a second of waiting is worth
                       [--prewake on|off]                                 wake ahead of requests that are likely (on)

          TIER is in-place, suspended, process-snapshot, kit-snapshot or cold. All but serve find the daemon by --state DIR
          (or GPUSERVE_STATE), or by --url URL with its key in GPUSERVE_KEY.
        """

    static let verbs = ["serve", "deploy", "ls", "status", "logs", "wake", "sleep", "stop", "rm", "scale", "ui"]
    private static let scaleOptions = ["min", "max", "buffer", "concurrency", "scaledown", "patience", "prewake"]

    static func run(_ verb: String, _ words: [String]) async throws {
        func arguments(_ options: [String] = [], _ flags: [String] = [], of words: [String]) throws -> Arguments {
            try Arguments(words, options: options + DaemonClient.options, flags: flags)
        }
        switch verb {
        case "serve":
            Signals.handle()
            try await Daemon.run(try Arguments(words, options: Daemon.options, flags: Daemon.flags))
        case "deploy":
            let cut = words.firstIndex(of: "--") ?? words.endIndex
            let options = ["engine", "model", "gpus", "program", "env", "tier", "price", "memory"] + scaleOptions
            try await deploy(
                try arguments(options, ["no-wait", "plan"], of: Array(words[..<cut])),
                extra: Array(words[cut...].dropFirst()))
        case "ls", "status": try await show(try arguments([], ["json"], of: words))
        case "logs":
            let given = words.map { $0 == "-f" ? "--follow" : $0 }
            try await logs(try arguments(["lines"], ["follow"], of: given))
        case "scale": try await scale(try arguments(scaleOptions, of: words))
        case "sleep":
            let given = try arguments(["tier"], of: words)
            var body: [UInt8] = []
            if let tier = given[option: "tier"] {
                body = Array(#"{"tier":"#.utf8)
                JSONText.appendQuoted(tier, to: &body)
                body.append(UInt8(ascii: "}"))
            }
            try await act("sleep", given, body)
        case "wake", "stop": try await act(verb, try arguments(of: words))
        case "rm":
            let given = try arguments(of: words)
            try given.expect("NAME")
            let name = try named(given)
            let said = try await DaemonClient.with(given) { try await $0.call(.delete, "/api/deployments/\(name)") }
            for note in said["notes"]?.elements ?? [] { Console.error("\(note.string ?? "")\n") }
            print("\(name) is gone")
        case "ui":
            let given = try arguments(of: words)
            try given.expect()
            let (base, key) = try DaemonClient.found(given)
            // In the fragment, which browsers keep to themselves.
            print("\(base)/ui#key=\(key)")
        default: preconditionFailure("verbs and cases differ")
        }
    }

    /// The deployment's name, checked before it becomes part of a path.
    private static func named(_ arguments: Arguments) throws(UsageError) -> String {
        let name = arguments.words[0]
        if let problem = DeploymentSpec.problem(withName: name) { throw UsageError(message: problem) }
        return name
    }

    private static func act(_ verb: String, _ arguments: Arguments, _ body: [UInt8] = []) async throws {
        try arguments.expect("NAME")
        let name = try named(arguments)
        let shown = try await DaemonClient.with(arguments) {
            try await $0.call(.post, "/api/deployments/\(name)/\(verb)", body)
        }
        print("\(name) is \(shown["state"]?.string ?? "?")")
    }

    /// `gpuserve snapshot NAME`.
    static func snapshot(_ words: [String]) async throws {
        let arguments = try Arguments(words, options: DaemonClient.options, flags: ["json"])
        try arguments.expect("NAME")
        let name = try named(arguments)
        let made = try await DaemonClient.with(arguments) {
            try await $0.text(.post, "/api/deployments/\(name)/snapshot")
        }
        if arguments.has("json") { return print(String(decoding: made, as: UTF8.self)) }
        let report = try JSONValue.parse(made)
        func time(_ key: String) -> String? { report[key]?.double.map { "\(Int($0 * 1_000)) ms" } }
        let tier = report["tier"]?.string ?? "?"
        let bytes = megabytes(report["bytes"]?.int ?? 0)
        let wake = time("wake_seconds").map { "awake again after \($0)" } ?? "asleep, for want of memory"
        print("\(name) has a \(tier) of \(bytes), made in \(time("image_seconds") ?? "?"), and is \(wake)")
    }

    // MARK: deploy and scale

    private static func deploy(_ arguments: Arguments, extra: [String]) async throws {
        try arguments.expect("NAME")
        let engineName = try arguments.required("engine")
        guard let engine = EngineKind(rawValue: engineName) else {
            let known = EngineKind.allCases.map(\.rawValue)
            let hint = Suggestion.nearest(to: engineName, in: known).map { "; did you mean \($0)?" } ?? ""
            throw UsageError(message: "--engine must be one of \(known.joined(separator: ", "))\(hint)")
        }
        var spec = DeploymentSpec(
            name: arguments.words[0], engine: engine, model: absolute(try arguments.required("model"), engine))
        spec.program = arguments[option: "program"].map { $0.contains("/") ? absolute($0) : $0 }
        spec.gpuCount = try arguments.number("gpus") ?? 0
        try set(&spec.scale, arguments)
        spec.environmentNames = arguments.all("env")
        spec.extraArguments = extra
        let prices = try AccountVerbs.dollars(arguments.all("price"))
        if !prices.isEmpty { spec.price = try Price(dollars: prices) }
        if let text = arguments[option: "tier"] {
            guard let tier = SleepTier(rawValue: text) else {
                let known = SleepTier.allCases.map(\.rawValue).joined(separator: ", ")
                throw UsageError(message: "--tier must be one of \(known)")
            }
            spec.leastTier = tier
        }
        spec.memoryBytes = try arguments.size("memory")
        if let problem = spec.problem { throw UsageError(message: problem) }
        if arguments.has("plan") { return try await plan(spec, arguments) }
        try await DaemonClient.with(arguments) { client in
            if spec.gpuCount > 0 {
                let plan = try await client.call(.post, "/api/plan", spec.json)
                for line in plan["lines"]?.elements ?? [] { Console.error("\(line.string ?? "")\n") }
            }
            _ = try await client.call(.post, "/api/deployments", spec.json)
            guard !arguments.has("no-wait") else { return print("\(spec.name) is being started") }
            try await waitUntilReady(spec.name, client)
        }
    }

    /// Prints what a deployment would take: of the daemon that was named, else of this machine.
    private static func plan(_ spec: DeploymentSpec, _ arguments: Arguments) async throws {
        let lines: [String]
        let isAccepted: Bool
        if DaemonClient.isNamed(arguments) {
            let plan = try await DaemonClient.with(arguments) { try await $0.call(.post, "/api/plan", spec.json) }
            lines = (plan["lines"]?.elements ?? []).compactMap(\.string)
            isAccepted = plan["accepted"]?.bool ?? false
        } else {
            let machine = MachineMemory.discover()
            let plan = DeploymentPlan(
                spec, ModelFacts.read(spec.model), on: machine, budget: machine.standardBudget,
                bandwidths: KeptBandwidths.file().flatMap { Bandwidths.kept(at: $0) })
            (lines, isAccepted) = (plan.lines, plan.refusal == nil)
        }
        print(lines.joined(separator: "\n"))
        if !isAccepted { throw AlreadyTold() }
    }

    private static func waitUntilReady(_ name: String, _ client: DaemonClient) async throws {
        var last = ""
        while true {
            let status = try await client.call(.get, "/api/deployments/\(name)")
            let state = status["state"]?.string ?? "?"
            let obstacle = status["waits_for"]?.string
            let shown = "\(name) is \(state)" + (obstacle.map { " and waits for room: \($0)" } ?? "")
            if shown != last { Console.error(shown + "\n") }
            if state == "absent", obstacle == nil, last.contains("waits for room") {
                Console.error("gpuserve: \(name) did not get room in time; it is kept, and comes up when it is asked\n")
                throw AlreadyTold()
            }
            last = shown
            switch state {
            case "ready": return print("\(name) is ready: ask it as model \"\(name)\"")
            case "failed":
                let why = status["replicas"]?.elements?.compactMap { $0["failure"]?.string }.first ?? "no reason"
                Console.error("gpuserve: \(name) cannot be brought up: \(why)\n")
                throw AlreadyTold()
            case "asleep": return print("\(name) came up and sleeps: ask it as model \"\(name)\"")
            case "stopped": return print("\(name) was stopped")
            default: try await Task.sleep(nanoseconds: 100_000_000)
            }
        }
    }

    private static func scale(_ arguments: Arguments) async throws {
        var settings = ScaleSettings()
        try set(&settings, arguments)
        let all = [
            ("min", settings.minCount), ("max", settings.maxCount), ("buffer", settings.bufferCount),
            ("concurrency", settings.concurrency), ("scaledown", settings.scaledown_ms),
            ("patience", settings.patience),
        ]
        var given = all.filter { arguments[option: $0.0] != nil }.map { key, value in
            "\"\(key == "scaledown" ? "scaledown_ms" : key)\":\(value)"
        }
        if arguments[option: "prewake"] != nil { given.append("\"prewake\":\(settings.isPrewaking)") }
        guard !given.isEmpty else { throw UsageError(message: "say what to change: --min, --max, --buffer, ...") }
        try await act("scale", arguments, Array("{\(given.joined(separator: ","))}".utf8))
    }

    private static func set(_ scale: inout ScaleSettings, _ arguments: Arguments) throws(UsageError) {
        scale.minCount = try arguments.number("min") ?? scale.minCount
        scale.maxCount = try arguments.number("max") ?? max(scale.maxCount, scale.minCount)
        scale.bufferCount = try arguments.number("buffer") ?? scale.bufferCount
        scale.concurrency = try arguments.number("concurrency") ?? scale.concurrency
        scale.patience = try arguments.number("patience") ?? scale.patience
        if let text = arguments[option: "prewake"] {
            guard ["on", "off"].contains(text) else { throw UsageError(message: "--prewake is on or off, not \(text)") }
            scale.isPrewaking = text == "on"
        }
        if let text = arguments[option: "scaledown"] {
            guard let seconds = Double(text), (0...86_400).contains(seconds) else {
                throw UsageError(message: "--scaledown takes seconds, at most a day, not \(text)")
            }
            scale.scaledown_ms = Int(seconds * 1000)
        }
    }

    /// The daemon runs elsewhere: a path is made whole here. What is no path of this machine is left as it is.
    private static func absolute(_ model: String, _ engine: EngineKind) -> String {
        let isThere = access(model, F_OK) == 0
        return isThere || EngineRecipe.of(engine).takesPath(model) ? absolute(model) : model
    }

    private static func absolute(_ path: String) -> String {
        if let resolved = realpath(path, nil) {
            defer { free(resolved) }
            return String(cString: resolved)
        }
        guard !path.hasPrefix("/"), let here = getcwd(nil, 0) else { return path }
        defer { free(here) }
        return String(cString: here) + "/" + path
    }
}
