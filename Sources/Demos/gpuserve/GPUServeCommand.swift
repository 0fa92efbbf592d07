import DemoSupport
import GPUServeKit
import Glibc

/// The `gpuserve` program: GPUServeKit from the command line.
@main
struct GPUServeCommand {
    static let usage = """
        gpuserve: models served from zero, and snapshots of them restored at the speed of the link

        \(DeploymentVerbs.usage)

        \(RunVerb.usage)

        \(AccountVerbs.usage)

          gpuserve devices [--json]             what devices there are and, without a GPU, exactly why not

        \(SnapshotVerbs.usage)
        """

    static func main() async {
        // A reader that goes away is an error of the write, not the end of the program.
        signal(SIGPIPE, SIG_IGN)
        var words = Array(CommandLine.arguments.dropFirst())
        let verb = words.isEmpty ? "help" : words.removeFirst()
        do {
            try await run(verb, words)
        } catch let error as UsageError {
            fail("\(error)\nTry: gpuserve help", status: 2)
        } catch is AlreadyTold {
            exit(1)
        } catch {
            fail("\(error)", status: 1)
        }
    }

    private static func run(_ verb: String, _ words: [String]) async throws {
        switch verb {
        case "devices": try Devices.run(try Arguments(words, options: [], flags: ["json"]))
        case "snapshot": try await SnapshotVerbs.run(words)
        case "run":
            Signals.handle()
            try await RunVerb.run(words)
        case "help", "--help", "-h": print(usage)
        case _ where DeploymentVerbs.verbs.contains(verb): try await DeploymentVerbs.run(verb, words)
        case _ where AccountVerbs.verbs.contains(verb): try await AccountVerbs.run(verb, words)
        default:
            let verbs = DeploymentVerbs.verbs + AccountVerbs.verbs + ["run", "devices", "snapshot", "help"]
            let hint = Suggestion.nearest(to: verb, in: verbs).map { "; did you mean \($0)?" } ?? ""
            throw UsageError(message: "unknown verb \(verb)\(hint)")
        }
    }

    private static func fail(_ text: String, status: Int32) -> Never {
        Console.error("gpuserve: \(text)\n")
        exit(status)
    }
}

/// The exit status is to be 1, and why is printed already.
struct AlreadyTold: Error {}

enum Console {
    /// Writes `text` to standard error, all of it unless nobody reads.
    static func error(_ text: String) { Terminal.write(text, to: STDERR_FILENO) }
}
