internal import Transport

/// What is known of a deployment, for people and for those who wait.
extension Deployment {
    func note(_ text: String) {
        notes.append(text)
        if notes.count > Self.noteCount { notes.removeFirst(notes.count - Self.noteCount) }
        surroundings.log("\(name): \(text)")
    }

    /// What is said to whoever waits for the end of a deployment, too.
    func noteEnd(_ text: String) {
        note(text)
        if endNotes.count < Self.noteCount { endNotes.append(text) }
    }

    func exitFailure(_ code: ReplicaFailure.Code, _ what: String, _ number: Int) -> ReplicaFailure {
        let lines = log(number).tail(lineCount: 5).joined(separator: " | ")
        return ReplicaFailure(code, lines.isEmpty ? what : "\(what); it last printed: \(lines)")
    }

    func log(_ number: Int) -> EngineLog {
        EngineLog(path: surroundings.directory.logPath(name, replica: number), limits: surroundings.limits)
    }

    /// The last lines of all replicas' engines.
    func logTail(lineCount: Int) -> [String] {
        let numbers = Set(replicas.keys).union([1]).sorted()
        guard numbers.count > 1 else { return log(numbers[0]).tail(lineCount: lineCount) }
        return numbers.flatMap { number in log(number).tail(lineCount: lineCount).map { "[\(number)] \($0)" } }
    }

    func trimLogs() {
        // An image of a process knows how long its log was.
        for replica in replicas.values where replica.image == nil { log(replica.number).trim() }
    }

    func refreshOutlook() {
        let order: [String] = ["ready", "draining", "waking", "starting", "falling-asleep", "asleep", "failed"]
        let states = replicas.values.map { ($0, order.firstIndex(of: $0.machine.state.label) ?? order.count) }
        guard let replica = states.min(by: { ($0.1, $0.0.number) < ($1.1, $1.0.number) })?.0 else {
            front.outlook = .init(
                state: "absent", tier: .cold, predicted_ms: memory.predicted_ms(.cold) + (obstacle?.retry_ms ?? 0),
                obstacle: obstacle?.text)
            return
        }
        let state = replica.machine.state
        let tier = replica.wakeTier ?? state.tier ?? .cold
        let isUp = state == .ready
        front.outlook = .init(
            state: state.label, tier: isUp ? nil : state.tier ?? tier,
            predicted_ms: isUp ? 0 : memory.predicted_ms(state.tier ?? tier) + (obstacle?.retry_ms ?? 0),
            begun_ns: replica.wakeBegun_ns, obstacle: isUp ? nil : obstacle?.text)
    }

    /// What it is doing. Measures memory, which takes a millisecond or two.
    public func status() -> DeploymentStatus {
        let counts = front.counts
        let shown = replicas.values.sorted { $0.number < $1.number }.map { replica in
            var failure: String?
            if case .failed(let reason, _) = replica.machine.state { failure = "\(reason)" }
            let alive = replica.process.flatMap { $0.ending == nil ? $0 : nil }
            return DeploymentStatus.Replica(
                number: replica.number, state: replica.machine.state.label, tier: replica.machine.state.tier,
                pid: alive?.identity.pid, port: alive == nil ? nil : replica.port,
                residentBytes: alive?.residentBytes() ?? 0,
                freedBytes: max(0, replica.memoryBefore - replica.memoryAfter),
                inFlight: front.inFlight(replica.number), failure: failure)
        }
        let next = ladder.tier(atLeast: spec.leastTier)
        let lost = ladder.lastFailures.filter { ladder.isAside($0.key) || !ladder.offered.contains($0.key) }
            .sorted { $0.key < $1.key }.map { "\($0.key.rawValue): \($0.value)" }
        return DeploymentStatus(
            spec: spec, isStopped: memory.isStopped, replicas: shown, held: front.heldCount, requests: counts.requests,
            answered: counts.answered, promptTokens: counts.promptTokens, answerTokens: counts.answerTokens,
            waitsFor: obstacle?.text, need: need, nextTier: next, predictedWake_ms: memory.predicted_ms(next),
            lostTiers: lost, notes: notes, wakes: wakes)
    }
}
