internal import Glibc
internal import Transport
internal import Wire

/// Runs jobs: each waits until its memory is free, runs in a process group of its own, and is billed for the time that it holds
/// them. Jobs end with the daemon; one that was killed ends them when it comes back.
actor JobRunner {
    private struct Job {
        var status: JobStatus
        var process: EngineProcess?
        var task: Task<Void, Never>?
    }

    private let surroundings: Deployment.Surroundings
    private let folder: String
    private var jobs: [String: Job] = [:]
    /// Oldest first.
    private var order: [String] = []
    private var next = 1
    private var isClosed = false
    private static let pause_ms = 50

    init(_ surroundings: Deployment.Surroundings) {
        self.surroundings = surroundings
        folder = surroundings.directory.path + "/jobs"
    }

    /// Takes a job and returns its name to the daemon; it begins as soon as there is memory.
    func start(_ spec: JobSpec) throws(ServeError) -> String {
        let limits = surroundings.limits
        guard !isClosed else { throw ServeError(.stateUnusable, "the daemon is stopping") }
        guard jobs.values.count(where: { $0.status.state != .ended }) < limits.jobCount else {
            throw ServeError(.tooMany, "\(limits.jobCount) jobs wait or run; wait for one to end")
        }
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw ServeError(.stateUnusable, "\(folder): \(String(cString: strerror(errno)))")
        }
        let id = "\(next)-\(surroundings.run)"
        next += 1
        jobs[id] = Job(status: JobStatus(id: id, name: spec.name))
        order.append(id)
        jobs[id]?.task = Task { await self.carryOut(spec, id) }
        // The oldest that have ended are forgotten.
        while order.count > limits.jobKeptCount, let index = order.firstIndex(where: { isOver($0) }) {
            let gone = order.remove(at: index)
            jobs[gone] = nil
            unlink(logPath(gone))
        }
        return id
    }

    private func isOver(_ id: String) -> Bool { jobs[id]?.status.state == .ended }

    /// How a job is going.
    func status(_ id: String) throws(ServeError) -> JobStatus {
        guard let job = jobs[id] else { throw ServeError(.unknownDeployment, "there is no job '\(id)'") }
        return job.status
    }

    /// All that are remembered, oldest first.
    var all: [JobStatus] { order.compactMap { jobs[$0]?.status } }

    /// What it printed from `offset` on, at most `limit` bytes, and where to go on. What was cut off a long log is left out.
    func printed(_ id: String, from offset: Int, limit: Int) throws(ServeError) -> (bytes: [UInt8], next: Int) {
        _ = try status(id)
        let file = open(logPath(id), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return ([], offset) }
        defer { Glibc.close(file) }
        var info = stat()
        guard fstat(file, &info) == 0 else { return ([], offset) }
        let start = offset <= Int(info.st_size) ? max(0, offset) : 0
        var bytes = [UInt8](repeating: 0, count: min(limit, Int(info.st_size) - start))
        let got = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(start)) }
        bytes.removeLast(bytes.count - max(0, got))
        return (bytes, start + bytes.count)
    }

    /// Ends a job, wherever it is. Returns when it is over.
    func end(_ id: String) async throws(ServeError) {
        _ = try status(id)
        jobs[id]?.task?.cancel()
        await jobs[id]?.process?.end(grace_ms: surroundings.limits.engineGrace_ms)
        await jobs[id]?.task?.value
    }

    /// Ends all of them, and takes no more.
    func close() async {
        isClosed = true
        for id in order where !isOver(id) { try? await end(id) }
    }

    // MARK: One job

    private func carryOut(_ spec: JobSpec, _ id: String) async {
        let key = MemoryPlan.Key("job/\(id)", 1)
        defer { surroundings.memory.leave(key.deployment) }
        do throws(ReplicaFailure) {
            try await waitForRoom(spec, id, key)
            // From here on it holds what it reserved.
            var clock = clock(spec, id)
            let process = try await launch(spec, id)
            await watch(process, &clock, id)
            finish(id, process.ending?.text ?? "ended")
        } catch {
            finish(id, "\(error)")
        }
    }

    private func waitForRoom(_ spec: JobSpec, _ id: String, _ key: MemoryPlan.Key) async throws(ReplicaFailure) {
        let end_ns = EventLoop.clock_ns() + UInt64(surroundings.limits.jobWait_ms) * 1_000_000
        while true {
            switch surroundings.memory.ask(key, spec.memory, isUrgent: true) {
            case .granted:
                surroundings.memory.hold(key, MemoryPlan.Holding(size: spec.memory, isBusy: true))
                return
            case .never(let obstacle): throw ReplicaFailure(.memoryShort, obstacle.text)
            case .wait(let obstacle):
                jobs[id]?.status.ending = obstacle.text
                guard EventLoop.clock_ns() < end_ns else { throw ReplicaFailure(.memoryShort, obstacle.text) }
            }
            guard await EngineHost.pause(Self.pause_ms) else {
                throw ReplicaFailure(.stopped, "stopped while it waited for memory")
            }
        }
    }

    private func launch(_ spec: JobSpec, _ id: String) async throws(ReplicaFailure) -> EngineProcess {
        let program = try ProgramFinder.find([spec.program])
        var environment = ProgramFinder.environment(also: spec.environmentNames)
        // No deployment's name: the next daemon ends what has it, should this one be killed (`StrayEngines`).
        environment[StrayEngines.mark] = "\(surroundings.directory.path)/.job/1"
        guard !Task.isCancelled else { throw ReplicaFailure(.stopped, "stopped before it began") }
        let process = try await EngineProcess.start(
            program: program, arguments: spec.arguments, environment: environment, logPath: logPath(id),
            directory: spec.directory, on: surroundings.host)
        jobs[id]?.process = process
        jobs[id]?.status.state = .running
        jobs[id]?.status.ending = ""
        // Whoever ended it meanwhile found no process to end.
        if Task.isCancelled { await process.end(grace_ms: surroundings.limits.engineGrace_ms) }
        return process
    }

    private func clock(_ spec: JobSpec, _ id: String) -> ResidencyClock {
        let device = ResidencyClock.device(count: spec.gpuCount)
        let now_ms = EventLoop.clock_ms()
        var clock = ResidencyClock(
            deployment: spec.name, replica: "job/\(id)", device: device, now_ms: now_ms, wall_ms: Meter.now_ms())
        _ = clock.enter(.awake, at: now_ms)
        return clock
    }

    /// Returns when it has ended, having billed it.
    private func watch(_ process: EngineProcess, _ clock: inout ResidencyClock, _ id: String) async {
        let limits = surroundings.limits
        let log = EngineLog(path: logPath(id), limits: limits)
        while !(await process.waitForEnd(limit_ms: limits.residencyPiece_ms)) {
            let now_ms = EventLoop.clock_ms()
            if let piece = clock.piece(longest_ms: 1, at: now_ms) { surroundings.meter.record(piece) }
            log.trim()
        }
        if let last = clock.enter(nil, at: EventLoop.clock_ms()) { surroundings.meter.record(last) }
    }

    private func finish(_ id: String, _ ending: String) {
        jobs[id]?.status.state = .ended
        jobs[id]?.status.ending = ending
        let number = ending.split(separator: " ").last.flatMap { Int($0) }
        if ending.hasPrefix("exit status ") { jobs[id]?.status.exitStatus = number }
        if ending.hasPrefix("killed by signal ") { jobs[id]?.status.exitStatus = number.map { 128 + $0 } }
        jobs[id]?.process = nil
        surroundings.log("job \(id) (\(jobs[id]?.status.name ?? "")): \(ending)")
    }

    private func logPath(_ id: String) -> String { "\(folder)/\(id).log" }
}
