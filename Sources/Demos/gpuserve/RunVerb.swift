import DemoSupport
import GPUServeKit
import Glibc
import Wire

/// `gpuserve run`: one program on the daemon's memory and devices; what it prints comes here, and its status is ours.
enum RunVerb {
    static let usage = """
          gpuserve run [--name job] [--gpus 0] [--memory SIZE] [--gpu-memory SIZE] [--env NAME...] -- PROGRAM [WORDS...]
                                                  once, here, when its memory is free; billed by time; ^C ends it
        """

    static func run(_ words: [String]) async throws {
        let cut = words.firstIndex(of: "--") ?? words.endIndex
        let arguments = try Arguments(
            Array(words[..<cut]), options: ["name", "gpus", "memory", "gpu-memory", "env"] + DaemonClient.options)
        guard arguments.words.isEmpty, let program = words[cut...].dropFirst().first else {
            throw UsageError(message: "gpuserve run takes -- PROGRAM and its words")
        }
        var spec = JobSpec(program: program, arguments: Array(words[cut...].dropFirst(2)))
        spec.name = arguments[option: "name"] ?? spec.name
        spec.environmentNames = arguments.all("env")
        spec.gpuCount = try arguments.number("gpus") ?? 0
        spec.memory.hostBytes = try arguments.size("memory") ?? 0
        spec.memory.gpuBytes = try arguments.size("gpu-memory") ?? 0
        guard let here = getcwd(nil, 0) else { throw UsageError(message: "the current directory is gone") }
        spec.directory = String(cString: here)
        free(here)
        if let problem = spec.problem { throw UsageError(message: problem) }
        let status = try await DaemonClient.with(arguments) { try await follow(spec, $0) }
        exit(status)
    }

    /// Returns the job's status: 1 for one that never began.
    private static func follow(_ spec: JobSpec, _ client: DaemonClient) async throws -> Int32 {
        let made = try await client.call(.post, "/api/jobs", spec.json)
        guard let id = made["id"]?.string else { throw DaemonClient.Failure(description: "the daemon named no job") }
        let path = "/api/jobs/\(id)"
        let ending = Task {
            _ = await Signals.next()
            _ = try? await client.call(.delete, path)
        }
        defer { ending.cancel() }
        var next = 0
        var told = ""
        while true {
            let job = try await client.call(.get, "\(path)?from=\(next)")
            next = job["next"]?.int ?? next
            let printed = job["printed"]?.string ?? ""
            Terminal.write(printed, to: STDOUT_FILENO)
            let (state, why) = (job["state"]?.string ?? "ended", job["ending"]?.string ?? "")
            if state == "waiting", why != told {
                Console.error("gpuserve: the job waits: \(why)\n")
                told = why
            }
            // All that it printed before its end is there once it has ended.
            if state == "ended", printed.isEmpty {
                let status = job["exit_status"]?.int
                if status != 0 { Console.error("gpuserve: the job: \(why)\n") }
                return Int32(truncatingIfNeeded: status ?? 1)
            }
            if printed.isEmpty { try await Task.sleep(nanoseconds: 50_000_000) }
        }
    }
}
