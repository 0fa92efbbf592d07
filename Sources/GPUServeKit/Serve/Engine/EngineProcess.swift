internal import CPosix
internal import Glibc
internal import Synchronization
internal import Transport

/// An engine's process and all that it started, as long as they stay in its process group. Any thread.
///
/// It is made the leader of a session of its own, gets no descriptor of this program but its log, and only the variables it
/// was given: keys in this program's environment are not its business. It lives on when this program ends.
public final class EngineProcess: Sendable {
    /// How a process ended.
    public struct Ending: Sendable, Hashable {
        /// `exit status 1`, `killed by signal 9`, or `ended` for one that was adopted: only a parent learns more.
        public var text: String
    }

    /// Names a process for good: numbers are used again, a number and the time it was given out at are not.
    public struct Identity: Sendable, Hashable {
        /// The process, which leads the group of the same number.
        public var pid: Int32
        /// When it started, in clock ticks since the machine did.
        public var startTicks: UInt64
    }

    private struct State {
        var ending: Ending?
        var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]
        var nextWaiter = 0
        var onEnd: (@Sendable (Ending) -> Void)?
        var isFrozen = false
    }

    /// Its name for good.
    public let identity: Identity
    /// What it has to itself; nil when it shares numbers and files in memory with all others.
    let room: EngineRoom?
    private let host: EngineHost
    private let state = Lock(State())

    private init(_ identity: Identity, _ room: EngineRoom?, _ host: EngineHost) {
        self.identity = identity
        self.room = room
        self.host = host
    }

    // MARK: Making one

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - program: its path.
    ///   - environment: all of its variables.
    ///   - logPath: what it prints is added here.
    ///   - directory: where it runs.
    ///   - hasIOUring: whether it may use io_uring, whose memory cannot be put into an image.
    public static func start(
        program: String, arguments: [String], environment: [String: String], logPath: String, directory: String,
        hasIOUring: Bool = true, on host: EngineHost
    ) async throws(ReplicaFailure) -> EngineProcess {
        try await start(
            program: program, arguments: arguments, environment: environment, logPath: logPath, directory: directory,
            hasIOUring: hasIOUring, in: nil, on: host)
    }

    /// Starts a program, in a room or where this one is.
    static func start(
        program: String, arguments: [String], environment: [String: String], logPath: String, directory: String,
        hasIOUring: Bool = true, in room: EngineRoom?, on host: EngineHost
    ) async throws(ReplicaFailure) -> EngineProcess {
        let made: Result<EngineProcess, ReplicaFailure> = await host.run {
            // The child opens it again, where it is; here it is known what could not be opened.
            let log = open(logPath, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
            guard log >= 0 else { return .failure(failure(errno, "its log \(logPath) cannot be opened")) }
            close(log)
            let door = room.map { cposix_pidfd_open($0.keeper.identity.pid) }
            defer { if let door, door >= 0 { close(door) } }
            guard door != -1 else { return .failure(failure(errno, "the room of \(program) is gone")) }
            let pid = withWords(program, arguments, environment) { words, variables in
                cposix_spawn_engine(
                    program, words, variables, logPath, directory, hasIOUring ? 0 : Int32(CPOSIX_WITHOUT_IO_URING),
                    door ?? -1)
            }
            guard pid > 0 else { return .failure(failure(-pid, "\(program) cannot be started")) }
            return .success(watched(pid, room, host))
        }
        return try made.get()
    }

    /// Calls `body` with the words of a command line and the variables of an environment as C has them.
    static func withWords(
        _ program: String, _ arguments: [String], _ environment: [String: String],
        _ body: (
            UnsafePointer<UnsafeMutablePointer<CChar>?>, UnsafePointer<UnsafeMutablePointer<CChar>?>
        ) -> Int32
    ) -> Int32 {
        let words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        let variables: [UnsafeMutablePointer<CChar>?] =
            environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        return body(words, variables)
    }

    /// Finds a process again that an earlier run of this program started; nil when it is gone.
    public static func adopt(_ identity: Identity, on host: EngineHost) async -> EngineProcess? {
        await adopt(identity, in: nil, on: host)
    }

    /// Finds a process again, which is in that room.
    static func adopt(_ identity: Identity, in room: EngineRoom?, on host: EngineHost) async -> EngineProcess? {
        await host.run {
            guard let stat = ProcessStat(pid: identity.pid), stat.startTicks == identity.startTicks, !stat.isZombie
            else { return nil }
            let process = watched(identity.pid, room, host)
            process.state.withLock { $0.isFrozen = stat.isStopped }
            return process
        }
    }

    /// Loop thread.
    static func watched(_ pid: Int32, _ room: EngineRoom?, _ host: EngineHost) -> EngineProcess {
        room?.enter()
        // A child is a zombie at the least until it is reaped, so its numbers are there to read.
        let process = EngineProcess(
            Identity(pid: pid, startTicks: ProcessStat(pid: pid)?.startTicks ?? 0), room, host)
        let watch = ExitWatch(pid, on: host.loop) { process.sawEnd() }
        if watch == nil { process.sawEnd() }
        return process
    }

    private static func failure(_ code: Int32, _ what: String) -> ReplicaFailure {
        let kind: ReplicaFailure.Code = code == ENOENT || code == EACCES ? .programMissing : .cannotSpawn
        return ReplicaFailure(kind, "\(what): \(String(cString: strerror(code)))")
    }

    // MARK: Its end

    /// How it ended; nil while it lives.
    public var ending: Ending? { state.withLock { $0.ending } }

    /// Calls `body` once when it ends; at once when it has.
    public func onEnd(_ body: @escaping @Sendable (Ending) -> Void) {
        let ending = state.withLock { state in
            if state.ending == nil { state.onEnd = body }
            return state.ending
        }
        if let ending { body(ending) }
    }

    /// Loop thread.
    private func sawEnd(trial: Int = 1) {
        // Whatever it started goes with it. Before the leader is reaped, when its number cannot have been given out again.
        Glibc.kill(-identity.pid, SIGKILL)
        var status: Int32 = 0
        let text: String
        let isReaped = cposix_reap(identity.pid, &status) == 0
        if !isReaped, errno == EAGAIN, trial < Self.reapTrialCount {
            // Whoever traced it and ended it (CRIU) has not let go: until it is reaped its number is taken.
            _ = host.loop.schedule(after_ms: 2, Reaping(self, trial + 1))
            return
        }
        if !isReaped {
            text = "ended"
        } else if status & 0x7F == 0 {
            text = "exit status \((status >> 8) & 0xFF)"
        } else {
            text = "killed by signal \(status & 0x7F)"
        }
        let ending = Ending(text: text)
        let (waiters, onEnd) = state.withLock { state in
            state.ending = ending
            defer {
                state.waiters = [:]
                state.onEnd = nil
            }
            return (Array(state.waiters.values), state.onEnd)
        }
        room?.leave()
        for waiter in waiters { waiter.resume(returning: true) }
        onEnd?(ending)
    }

    /// Waits for its end, at most so long; false when it still lives.
    public func waitForEnd(limit_ms: Int) async -> Bool {
        await withCheckedContinuation { continuation in
            let id = state.withLock { state -> Int? in
                guard state.ending == nil else { return nil }
                state.nextWaiter += 1
                state.waiters[state.nextWaiter] = continuation
                return state.nextWaiter
            }
            guard let id else { return continuation.resume(returning: true) }
            host.loop.execute { [self] in
                _ = host.loop.schedule(after_ms: limit_ms, Deadline(self, id))
            }
        }
    }

    private static let reapTrialCount = 1_000

    /// Another try to reap. The loop holds it until then.
    private final class Reaping: DeadlineHandler {
        private let process: EngineProcess
        private let trial: Int
        init(_ process: EngineProcess, _ trial: Int) { (self.process, self.trial) = (process, trial) }
        func deadlineReached(_: DeadlineID) { process.sawEnd(trial: trial) }
    }

    /// The end of one wait. The loop holds it until then.
    private final class Deadline: DeadlineHandler {
        private let process: EngineProcess
        private let id: Int
        init(_ process: EngineProcess, _ id: Int) { (self.process, self.id) = (process, id) }
        func deadlineReached(_: DeadlineID) {
            process.state.withLock { $0.waiters.removeValue(forKey: id) }?.resume(returning: false)
        }
    }

    /// How much it took to end a process.
    public enum Force: Sendable, Hashable {
        /// It was asked, or had ended.
        case asked
        /// It did not listen, and was killed.
        case killed
        /// It was killed and is there all the same: only the kernel can hold it up now, for example in the middle of a write
        /// to a dead disk.
        case stuck
    }

    /// Ends it: asks (SIGTERM), and after `grace_ms` insists (SIGKILL). Returns when it is gone, or `kill_ms` after that.
    @discardableResult
    public func end(grace_ms: Int, kill_ms: Int = 10_000) async -> Force {
        guard ending == nil else { return .asked }
        if grace_ms > 0 {
            // A frozen process hears nothing before it runs again; and a signal that waits for that goes to any of its threads,
            // not to the first one, which alone handles it in Python.
            signal(SIGCONT)
            signal(SIGTERM)
            if await waitForEnd(limit_ms: grace_ms) { return .asked }
        }
        kill()
        return await waitForEnd(limit_ms: kill_ms) ? .killed : .stuck
    }

    /// Begins its end, which it is not asked about.
    func kill() { signal(SIGKILL) }

    private func signal(_ number: Int32) {
        // Under the lock that the reaper takes: no signal goes to a number that may be somebody else's.
        state.withLock { state in
            guard state.ending == nil else { return }
            Glibc.kill(-identity.pid, number)
        }
    }

    // MARK: Freezing

    /// Whether `freeze` was the last word.
    public var isFrozen: Bool { state.withLock { $0.isFrozen } }

    /// Stops it and all that it started. It keeps its memory; what it gives back is the processor.
    public func freeze() async throws(ReplicaFailure) {
        signal(SIGSTOP)
        state.withLock { $0.isFrozen = true }
        // The kernel stops a process at once unless it is in the middle of a system call that cannot be interrupted.
        for _ in 0..<200 {
            guard ending == nil else { throw ReplicaFailure(.exited, "it ended while it was frozen") }
            if ProcessStat(pid: identity.pid)?.isStopped == true { return }
            await EngineHost.pause(5)
        }
        throw ReplicaFailure(.sleepRefused, "it did not stop within 1 s of SIGSTOP")
    }

    /// Lets it run on.
    public func thaw() {
        signal(SIGCONT)
        state.withLock { $0.isFrozen = false }
    }

    /// The memory that it and all of its group hold: shared pages counted once for each that shares them.
    public func residentBytes() -> Int {
        ProcessStat.group(identity.pid).reduce(0) { $0 + ProcessStat.proportionalBytes(of: $1) }
    }
}
