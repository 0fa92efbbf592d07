/// A program that does a part of an image and is waited for: CRIU, tar.
struct ImageHelper {
    /// What it is called when something is said of it.
    let name: String
    let program: String
    /// The directory of images, in which it runs and leaves what it prints.
    let directory: String
    /// Where it runs; nil for where this program is.
    let room: EngineRoom?
    /// What it means when it fails.
    let code: ReplicaFailure.Code

    private static let limit_ms = 120_000

    var logPath: String { directory + "/output.log" }

    /// Runs it to its end, for at most 120 s.
    ///
    /// - Returns: nil when it did well, or how it ended.
    func run(_ arguments: [String], on host: EngineHost) async throws(ReplicaFailure) -> String? {
        let process = try await EngineProcess.start(
            program: program, arguments: arguments, environment: ProgramFinder.environment(also: []), logPath: logPath,
            directory: directory, in: room, on: host)
        guard await process.waitForEnd(limit_ms: Self.limit_ms), let ending = process.ending else {
            await process.end(grace_ms: 0)
            throw ReplicaFailure(code, "\(name) did not end within \(Self.limit_ms / 1000) s")
        }
        return ending.text == "exit status 0" ? nil : ending.text
    }
}
