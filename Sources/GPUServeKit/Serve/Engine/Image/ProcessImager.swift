internal import Glibc

/// Makes images of living processes and brings them back, by CRIU 4.2 or later, which is a program of its own.
///
/// An image holds everything that the processes had in memory, keys of theirs among it: it is written with the rights of the
/// state directory. Processes come back under the numbers they had, so an image can have one living copy at a time.
struct ProcessImager: Sendable {
    /// The program.
    let program: String

    /// Looks for CRIU: at GPUSERVE_CRIU, else in PATH.
    static func find() throws(ReplicaFailure) -> ProcessImager {
        let given = getenv("GPUSERVE_CRIU").map { String(cString: $0) }
        do throws(ReplicaFailure) {
            return ProcessImager(program: try ProgramFinder.find([given ?? "criu"]))
        } catch {
            throw ReplicaFailure(
                .programMissing, "criu is not in PATH: install CRIU 4.2 or later, or name it in GPUSERVE_CRIU")
        }
    }

    /// Writes an image of a process and all that it started, and ends them. On failure they may live on, or not.
    ///
    /// - Returns: the number under which it comes back.
    func dump(_ process: EngineProcess, to directory: String, log: String, on host: EngineHost)
        async throws(ReplicaFailure) -> Int32
    {
        Self.empty(directory)
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw ReplicaFailure(.sleepRefused, "\(directory): \(String(cString: strerror(errno)))")
        }
        guard let number = ProcessStat.innerNumber(of: process.identity.pid) else {
            throw ReplicaFailure(.sleepRefused, "the process is gone")
        }
        // Its files in memory are to be there when it is not any more.
        process.room?.enter()
        defer { process.room?.leave() }
        SharedMemoryFiles.removeRemapped(in: process.room)
        try await run(
            ["dump", "--tree", "\(number)"], directory, in: process.room, on: host, failing: .sleepRefused)
        guard await process.waitForEnd(limit_ms: 10_000) else {
            throw ReplicaFailure(.sleepRefused, "the process lives on after its image was made")
        }
        try await SharedMemoryFiles.save(process.room, to: directory, on: host)
        _ = try? await BlockingThreads.shared.run { () throws(SnapshotError) in ImageTrimmer.trim(directory) }
        var info = stat()
        guard stat(log, &info) == 0 else { return number }
        // Files that the engine has open must be as long as they were: see `restore`.
        let size = Array("\(info.st_size)".utf8)
        let file = open(directory + "/log-size", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw ReplicaFailure(.diskFull, "\(directory): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        guard size.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == size.count else {
            throw ReplicaFailure(.diskFull, "\(directory): \(String(cString: strerror(errno)))")
        }
        return number
    }

    /// How often a restore is tried whose process number is taken.
    private static let trialCount = 5

    /// Brings the processes of an image back as children of this program.
    ///
    /// - Parameter environment: of the keeper of the room that they get, if they had one; see `StrayEngines`.
    func restore(
        _ image: ImageFact, from directory: String, log: String, environment: [String: String], on host: EngineHost
    ) async throws(ReplicaFailure) -> EngineProcess {
        guard let text = ProcessStat.read(directory + "/log-size", limit: 32),
            let size = Int(String(decoding: text, as: UTF8.self))
        else { throw ReplicaFailure(.imageUnusable, "\(directory) holds no whole image") }
        var trial = 1
        while true {
            // What the engine printed after the image was made goes: CRIU refuses a file that has grown.
            guard truncate(log, off_t(size)) == 0 else {
                throw ReplicaFailure(.imageUnusable, "\(log): \(String(cString: strerror(errno)))")
            }
            do throws(ReplicaFailure) {
                return try await restoreOnce(image, from: directory, environment: environment, on: host)
            } catch {
                // Somebody has its process number at the moment, most often something that ends soon.
                guard error.detail.contains("File exists"), trial < Self.trialCount else { throw error }
                trial += 1
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private func restoreOnce(
        _ image: ImageFact, from directory: String, environment: [String: String], on host: EngineHost
    ) async throws(ReplicaFailure) -> EngineProcess {
        var room: EngineRoom?
        if let kind = image.room {
            let last = ImageNumbers.free(beside: ImageNumbers.read(directory), below: ImageNumbers.limit)
            room = try await EngineRoom.make(kind, environment: environment, above: last, on: host)
        }
        // The engine has entered it by then, or it ends.
        defer { room?.leave() }
        try await SharedMemoryFiles.load(room, from: directory, on: host)
        try await run(
            ["restore", "--restore-detached", "--restore-sibling"], directory, in: room, on: host,
            failing: .wakeRefused)
        let found = if let room { await room.child(image.pid, on: host) } else { image.pid }
        guard let pid = found, let stat = ProcessStat(pid: pid), !stat.isZombie,
            let process = await EngineProcess.adopt(.init(pid: pid, startTicks: stat.startTicks), in: room, on: host)
        else { throw ReplicaFailure(.wakeRefused, "the restored process \(image.pid) ended at once") }
        return process
    }

    private func run(
        _ words: [String], _ directory: String, in room: EngineRoom?, on host: EngineHost,
        failing code: ReplicaFailure.Code
    ) async throws(ReplicaFailure) {
        let log = "\(words[0]).log"
        let helper = ImageHelper(
            name: "criu \(words[0])", program: program, directory: directory, room: room, code: code)
        let arguments = [
            "--images-dir", directory, "--tcp-close", "--file-locks", "--ext-unix-sk", "--link-remap",
            "--ghost-limit", "1G", "--log-file", log, "-v1",
        ]
        if let ending = try await helper.run(words + arguments, on: host) {
            throw Self.failure(code, words[0], ending, directory + "/" + log)
        }
    }

    /// Names what CRIU complained about, and the remedy where there is one.
    private static func failure(
        _ code: ReplicaFailure.Code, _ verb: String, _ ending: String, _ log: String
    ) -> ReplicaFailure {
        let text = String(decoding: ProcessStat.read(log, limit: 64 * 1024) ?? [], as: UTF8.self)
        // CRIU says so to everybody who lacks CAP_SYS_RESOURCE; it goes on.
        let errors = text.split(separator: "\n").filter { $0.contains("Error") && !$0.contains("RLIMIT_NOFILE") }
        let shown = errors.prefix(3).map { $0.prefix(200) }.joined(separator: " | ")
        let what = "criu \(verb) ended with \(ending): \(shown.isEmpty ? "no reason given" : shown)"
        if text.contains("Operation not permitted") && errors.contains(where: { $0.contains("not permitted") }) {
            return ReplicaFailure(
                .notPermitted, "\(what); it needs root, or CAP_CHECKPOINT_RESTORE with CAP_SYS_PTRACE")
        }
        if text.contains("[io_uring]") {
            return ReplicaFailure(
                code, "\(what); it uses io_uring: start it without, or set kernel.io_uring_disabled=2")
        }
        if text.contains("No space left") { return ReplicaFailure(.diskFull, what) }
        return ReplicaFailure(code, what)
    }

    /// Removes the files of a directory of images.
    static func empty(_ path: String) {
        guard let directory = try? Descriptor(openDirectory: path) else { return }
        for name in (try? directory.names()) ?? [] { unlinkat(directory.number, name, 0) }
    }
}
