import DemoSupport
import Glibc
import RouterKit
import Transport
import Wire

/// The `router` program: an OpenAI-compatible gateway over RouterKit, and the tools around its configuration.
@main
struct RouterCommand {
    static let usage = """
        router: sends each prompt to the cheapest model that is good enough

          router serve --config FILE [--listen HOST:PORT | unix:PATH]   run the gateway in the foreground
          router check --config FILE                                    say whether a configuration is right
          router route --config FILE [--mode MODE] [--json] "PROMPT"    show which model a prompt would get, and why
          router explain --config FILE [--mode MODE] [--json] "PROMPT"  what spoke for that choice, and the smallest changes of
                       [--weights FILE] [--policy FILE]                 prompt and policy that flip it
          router models --config FILE                                   list the pool
          router report LOG [--svg FILE]                                cost, savings and failures of a decision log
          router score --data ROWS --tiers TIERS                        one decision a row, as JSON lines;
                       [--weights FILE] [--policy FILE]                 without them the shipped ones
          router outcomes stats|list --config FILE [--count 20]         what was collected from one's own traffic
          router outcomes import --config FILE ROWS                     add rows measured elsewhere
          router train --config FILE [--out WEIGHTS]                    learn how one's own models do
          router calibrate --config FILE [--out POLICY]                 how much quality each mode may give up for money, and
                       [--weights WEIGHTS] [--promise 1 --confidence .95]   what can be promised
          router eval --config FILE [--json] [--plot FILE]              APGR, CPT, saving and PASS on measured outcomes
                       train, calibrate and eval take --data ROWS --tiers TIERS instead of --config too
          router lint --log LOG [--config FILE]                         behaviour of the policy that deserves a look
          router hash-key                                               read a client key from stdin, print its SHA-256

        Signals: SIGHUP reloads the configuration, SIGTERM and SIGINT end the gateway after its streams.
        """

    static func main() async {
        Signals.handle()
        var words = Array(CommandLine.arguments.dropFirst())
        let verb = words.isEmpty ? "help" : words.removeFirst()
        do {
            try await run(verb, words)
        } catch let error as UsageError {
            Console.fail("\(error)\nTry: router help")
            exit(2)
        } catch {
            Console.fail("\(error)")
            exit(1)
        }
    }

    private static func run(_ verb: String, _ words: [String]) async throws {
        switch verb {
        case "serve":
            let arguments = try Arguments(words, options: ["config", "listen"])
            let listen = try arguments[option: "listen"].map { text throws(UsageError) in
                guard let address = ListenAddress(text: text) else {
                    throw UsageError(message: "--listen takes HOST:PORT or unix:PATH, not \(text)")
                }
                return address
            }
            try await Serve(file: try arguments.required("config"), listen: listen).run()
        case "check": try Check.run(try Arguments(words, options: ["config"]))
        case "route": try RouteOnce.run(try Arguments(words, options: ["config", "mode"], flags: ["json"]))
        case "explain": try Explain.run(try Arguments(words, options: Explain.options, flags: ["json"]))
        case "models": try PoolTable.run(try Arguments(words, options: ["config"]))
        case "report": try Report.run(try Arguments(words, options: ["svg"]))
        case "score": try Score.run(try Arguments(words, options: OutcomeSetup.options))
        case "eval":
            try Evaluate.run(try Arguments(words, options: Evaluate.options, flags: ["json"]))
        case "outcomes": try Outcomes.run(words)
        case "train": try Train.run(try Arguments(words, options: Train.options))
        case "calibrate": try Calibrate.run(try Arguments(words, options: Calibrate.options))
        case "lint": try Lint.run(try Arguments(words, options: ["log", "config"]))
        case "hash-key": try HashKey.run()
        case "help", "--help", "-h": print(usage)
        default:
            let verbs = [
                "serve", "check", "route", "explain", "models", "report", "score", "eval", "outcomes", "train",
                "calibrate", "lint", "hash-key", "help",
            ]
            let hint = Suggestion.nearest(to: verb, in: verbs).map { "; did you mean \($0)?" } ?? ""
            throw UsageError(message: "unknown verb \(verb)\(hint)")
        }
    }
}
