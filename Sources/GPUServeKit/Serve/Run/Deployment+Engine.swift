internal import Glibc
internal import Transport
internal import Wire

/// Carrying out what a replica's machine asks for.
extension Deployment {
    /// Carries an action out and reports what came of it.
    func carryOut(_ action: ReplicaMachine.Action, _ number: Int) async {
        guard let replica = replicas[number] else { return }
        switch action {
        case .launch(let step, let engine):
            replica.marks = [EventLoop.clock_ns()]
            await bringUp(step, number) { () async throws(ReplicaFailure) in try await self.launch(replica, engine) }
        case .restore(let tier, let step, let engine):
            replica.marks = [EventLoop.clock_ns()]
            await bringUp(step, number) { () async throws(ReplicaFailure) in
                try await self.restore(tier, replica, engine)
            }
        case .checkCanary(let step, let isCold):
            do throws(ReplicaFailure) {
                try await checkCanary(replica, isCold: isCold)
                handle(.canaryPassed(step), number)
            } catch {
                if !Task.isCancelled { handle(.canaryFailed(step, error), number) }
            }
        case .drain(let step):
            await front.drained(number)
            handle(.drained(step), number)
        case .layDown(let tier, let step):
            do throws(ReplicaFailure) {
                try await layDown(tier, replica)
                handle(.fellAsleep(step), number)
            } catch {
                handle(.sleepFailed(step, error), number)
            }
        case .end(let step):
            if let process = replica.process { await end(process, of: number) }
            replica.process = nil
            writeFact(replica)
            handle(.ended(step), number)
        case .admit, .admitOnTrial, .close, .refuse, .retry, .fellBack: break
        }
    }

    private func bringUp(
        _ step: ReplicaMachine.StepID, _ number: Int, _ body: () async throws(ReplicaFailure) -> Void
    ) async {
        guard !Task.isCancelled else { return }
        do throws(ReplicaFailure) {
            try await body()
            handle(.engineReady(step), number)
        } catch {
            if !Task.isCancelled { handle(.engineFailed(step, error), number) }
        }
    }

    // MARK: Up

    private func launch(_ replica: Replica, _ engine: ReplicaMachine.EngineID) async throws(ReplicaFailure) {
        let program = try ProgramFinder.find(spec.program.map { [$0] } ?? recipe.programs)
        if recipe.takesPath(spec.model), access(spec.model, R_OK) != 0 {
            throw ReplicaFailure(.modelMissing, "\(spec.model): \(String(cString: strerror(errno)))")
        }
        let port = try FreePort.any()
        let request = EngineRequest(
            name: name, model: spec.model, port: port, concurrency: spec.scale.concurrency, gpuCount: spec.gpuCount,
            storePath: surroundings.directory.storePath, extraArguments: spec.extraArguments)
        var environment = ProgramFinder.environment(also: spec.environmentNames)
        environment.merge(recipe.environment) { $1 }
        environment.merge(mark(replica.number)) { $1 }
        log(replica.number).trim()
        let room = await makeRoom(replica.number)
        // The engine has entered it by then, or it ends.
        defer { room?.leave() }
        let process = try await EngineProcess.start(
            program: program, arguments: recipe.arguments(request), environment: environment,
            logPath: surroundings.directory.logPath(name, replica: replica.number),
            directory: surroundings.directory.directory(of: name), hasIOUring: !recipe.avoidsIOUring, in: room,
            on: surroundings.host)
        replica.process = process
        replica.port = port
        writeFact(replica)
        watch(process, engine, replica.number)
        try await waitUntilReady(replica, process, limit_ms: recipe.readyLimit_ms)
    }

    /// The variable by which processes of a replica are known.
    private func mark(_ number: Int) -> [String: String] {
        [StrayEngines.mark: "\(surroundings.directory.path)/\(name)/\(number)"]
    }

    /// What an engine gets to itself of which images are to be made; nil when there will be none, or it cannot be had.
    private func makeRoom(_ number: Int) async -> EngineRoom? {
        guard imager != nil, ladder.isUsable(.processSnapshot) else { return nil }
        // What is to be found in the files in memory that all share must be left there.
        let words = [surroundings.directory.path, spec.model, spec.program ?? ""] + spec.extraArguments
        let kind: EngineRoom.Kind = words.contains { $0.contains("/dev/shm") } ? .numbers : .numbersAndMemory
        do throws(ReplicaFailure) {
            return try await EngineRoom.make(kind, environment: mark(number), on: surroundings.host)
        } catch {
            note("replica \(number)'s image can be restored only while nobody uses its numbers: \(error)")
            return nil
        }
    }

    private func restore(
        _ tier: SleepTier, _ replica: Replica, _ engine: ReplicaMachine.EngineID
    ) async throws(ReplicaFailure) {
        switch tier {
        case .inPlace:
            for call in recipe.wakeCalls { try await perform(call, replica, .wakeRefused) }
            if let process = replica.process {
                try await waitUntilReady(replica, process, limit_ms: surroundings.limits.engineWake_ms)
            }
        case .suspended:
            guard let process = replica.process else { throw ReplicaFailure(.exited, "the frozen engine is gone") }
            process.thaw()
            if spec.gpuCount > 0 { try await surroundings.devices.putBack(process) }
            try await waitUntilReady(replica, process, limit_ms: surroundings.limits.engineWake_ms)
        case .processSnapshot:
            guard let imager, let image = replica.image else {
                throw ReplicaFailure(.imageUnusable, "there is no image of the process")
            }
            let process = try await imager.restore(
                image, from: imagePath(replica.number), log: log(replica.number).path,
                environment: mark(replica.number), on: surroundings.host)
            replica.process = process
            replica.port = image.port
            writeFact(replica)
            watch(process, engine, replica.number)
            try await waitUntilReady(replica, process, limit_ms: surroundings.limits.engineWake_ms)
        case .kitSnapshot, .cold: try await launch(replica, engine)
        }
    }

    private func waitUntilReady(
        _ replica: Replica, _ process: EngineProcess, limit_ms: Int
    ) async throws(ReplicaFailure) {
        replica.marks.append(EventLoop.clock_ns())
        defer { replica.marks.append(EventLoop.clock_ns()) }
        let url = replica.url + recipe.readyPath
        let end_ns = EventLoop.clock_ns() + UInt64(limit_ms) * 1_000_000
        var pause_ms = 1
        while !(await answers(url, limit_ms: 1_000)) {
            if let ending = process.ending {
                throw exitFailure(.exitedEarly, "the engine ended before it was ready: \(ending.text)", replica.number)
            }
            guard !Task.isCancelled else { throw ReplicaFailure(.stopped, "stopped while it was waited for") }
            guard EventLoop.clock_ns() < end_ns else {
                throw exitFailure(
                    .neverReady, "\(recipe.readyPath) did not answer 200 within \(limit_ms) ms", replica.number)
            }
            await EngineHost.pause(pause_ms)
            pause_ms = min(25, pause_ms + 1)
        }
    }

    /// Whether a URL answers 200.
    func answers(_ url: String, limit_ms: Int) async -> Bool {
        let timeouts = UpstreamTimeouts(
            connect_ms: limit_ms, firstByte_ms: limit_ms, idle_ms: limit_ms, total_ms: limit_ms)
        let request = UpstreamRequest(method: .get, url: url, timeouts: timeouts)
        guard let response = try? await surroundings.transport.send(request) else { return false }
        _ = try? await response.body.collect(limitBytes: surroundings.limits.engineAnswerBytes)
        return response.status == 200
    }

    private func checkCanary(_ replica: Replica, isCold: Bool) async throws(ReplicaFailure) {
        let canary = Canary(recipe, model: servedModel)
        let limit_ms = isCold ? recipe.readyLimit_ms : surroundings.limits.engineWake_ms
        let answer = try await ask(
            replica.url + canary.path, canary.body, limit_ms: limit_ms, failure: .canaryUnanswered)
        guard let words = Canary.words(ofAnswer: answer) else {
            let shown = String(decoding: answer.prefix(200), as: UTF8.self)
            throw ReplicaFailure(.canaryUnanswered, "the canary's answer holds no text: \(shown)")
        }
        if !isCold, let record = memory.canaryWords {
            if let difference = Canary.difference(words, from: record) { throw difference }
        } else if memory.canaryWords != words {
            // An engine that started from the model's own files is right by definition; it may be a new version.
            memory.canaryWords = words
        }
    }

    /// Where the image of a replica's process is.
    func imagePath(_ number: Int) -> String {
        surroundings.directory.directory(of: name) + "/image-\(number)"
    }

    // MARK: Down

    private func layDown(_ tier: SleepTier, _ replica: Replica) async throws(ReplicaFailure) {
        guard let process = replica.process, process.ending == nil else {
            if tier.keepsProcess { throw ReplicaFailure(.exited, "the engine ended before it slept") }
            return
        }
        replica.memoryBefore = process.residentBytes()
        if !process.isFrozen { memory.note(residentBytes: replica.memoryBefore) }
        switch tier {
        case .inPlace: for call in recipe.sleepCalls { try await perform(call, replica, .sleepRefused) }
        case .suspended:
            if spec.gpuCount > 0 { try await surroundings.devices.takeOff(process) }
            try await process.freeze()
        case .processSnapshot:
            guard let imager else { throw ReplicaFailure(.notPermitted, "there is no program that makes images") }
            // What is stopped when its image is made is stopped when it comes back.
            if process.isFrozen { process.thaw() }
            // One that is never finished must not be taken for the one before.
            loseImage(replica)
            let number = try await imager.dump(
                process, to: imagePath(replica.number), log: log(replica.number).path, on: surroundings.host)
            let fact = ImageFact(
                pid: number, port: replica.port, bootID: ReplicaFact.thisBoot, room: process.room?.kind)
            keepImage(fact, replica)
            replica.process = nil
        case .kitSnapshot, .cold:
            await end(process, of: replica.number)
            replica.process = nil
        }
        replica.memoryAfter = replica.process?.residentBytes() ?? 0
        replica.residentBytes = nil
    }

    /// Ends an engine, and says it when that took force.
    func end(_ process: EngineProcess, of number: Int) async {
        let limits = surroundings.limits
        let who = "replica \(number)'s engine (process \(process.identity.pid))"
        switch await process.end(grace_ms: limits.engineGrace_ms, kill_ms: limits.engineKill_ms) {
        case .asked: break
        case .killed: noteEnd("\(who) ignored SIGTERM for \(limits.engineGrace_ms) ms and was killed")
        case .stuck:
            noteEnd("\(who) does not end \(limits.engineKill_ms) ms after SIGKILL: it is left to the kernel")
        }
        // Whoever is told that it is gone finds nothing of it.
        _ = await process.room?.keeper.waitForEnd(limit_ms: limits.engineKill_ms)
    }

    private func perform(
        _ call: EngineCall, _ replica: Replica, _ code: ReplicaFailure.Code
    ) async throws(ReplicaFailure) {
        _ = try await ask(
            replica.url + call.path, Array(call.body.utf8), isPost: call.isPost,
            limit_ms: surroundings.limits.engineWake_ms, failure: code)
    }

    /// The body of an answer of 200 to 299.
    private func ask(
        _ url: String, _ body: [UInt8], isPost: Bool = true, limit_ms: Int, failure code: ReplicaFailure.Code
    ) async throws(ReplicaFailure) -> [UInt8] {
        var fields = HTTPFields()
        if !body.isEmpty { fields.add("Content-Type", "application/json") }
        let timeouts = UpstreamTimeouts(
            connect_ms: 5_000, firstByte_ms: limit_ms, idle_ms: limit_ms, total_ms: limit_ms)
        let request = UpstreamRequest(
            method: isPost ? .post : .get, url: url, fields: fields, body: body, timeouts: timeouts)
        let status: Int
        let answer: [UInt8]
        do throws(TransportError) {
            let response = try await surroundings.transport.send(request)
            status = response.status
            answer = try await response.body.collect(limitBytes: surroundings.limits.engineAnswerBytes)
        } catch {
            throw ReplicaFailure(code, "\(url): \(error)")
        }
        guard (200..<300).contains(status) else {
            let shown = String(decoding: answer.prefix(200), as: UTF8.self)
            throw ReplicaFailure(code, "\(url) was answered \(status): \(shown)")
        }
        return answer
    }
}

/// A port of 127.0.0.1 that nobody listens on.
enum FreePort {
    /// Between this and the engine's own listening another program may take it; the engine then ends, and its next start
    /// gets another port.
    static func any() throws(ReplicaFailure) -> UInt16 {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw ReplicaFailure(.cannotSpawn, "socket: \(String(cString: strerror(errno)))") }
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(socket, raw, length) == 0 ? getsockname(socket, raw, &length) : -1
            }
        }
        guard status == 0 else { throw ReplicaFailure(.cannotSpawn, "bind: \(String(cString: strerror(errno)))") }
        return UInt16(bigEndian: address.sin_port)
    }
}
