internal import Transport

/// A deployment's part of the machine's memory.
extension Deployment {
    /// What a replica takes when it is up: as measured, else as estimated, and at least what is to be reserved for it.
    var need: MemorySize { need(resident: memory.residentBytes ?? planned.size.hostBytes) }

    private func need(resident: Int) -> MemorySize {
        MemorySize(hostBytes: max(resident, spec.memoryBytes ?? 0), gpuBytes: planned.size.gpuBytes)
    }

    /// What a start of this engine took here besides reading its weights from the page cache; nil when it is another engine or
    /// never started.
    func start_ms(of engine: EngineKind, _ bandwidths: Bandwidths) -> Double? {
        guard spec.engine == engine, let took_ms = memory.wake_ms[.cold] else { return nil }
        return max(0, took_ms - Double(planned.weightBytes) / (bandwidths.bytesPerSecond[.pageCache] ?? 1e9) * 1000)
    }

    /// Whether a replica may come up now. An urgent one that may not waits in line, as long as each look asks again.
    func hasRoom(_ number: Int, isUrgent: Bool) -> Bool {
        let key = MemoryPlan.Key(name, number)
        switch surroundings.memory.ask(key, need, isUrgent: isUrgent) {
        case .granted: return true
        case .wait(let found):
            if isUrgent { claim = (key, found) }
        case .never(let found):
            let failure = ReplicaFailure(.memoryShort, "\(found.text): raise --host-memory or --gpu-memory of serve")
            if front.heldCount > 0 { note("no replica can be brought up: \(failure)") }
            front.refuseAll(.failed(failure))
        }
        return false
    }

    /// What became of asking for room in this look.
    func settleClaim(at now_ms: Int) {
        surroundings.memory.withdraw(name, but: claim?.key)
        if claim?.obstacle.text != obstacle?.text, let found = claim?.obstacle { note("waits for room: \(found.text)") }
        guard claim?.obstacle != obstacle else { return }
        obstacle = claim?.obstacle
        refreshOutlook()
    }

    /// Says what a replica holds now.
    func hold(_ replica: Replica) {
        surroundings.memory.hold(MemoryPlan.Key(name, replica.number), holding(of: replica))
    }

    private func holding(of replica: Replica) -> MemoryPlan.Holding {
        let now_ms = EventLoop.clock_ms()
        let since_ms = Int(replica.since_ns / 1_000_000)
        var held = MemoryPlan.Holding(
            size: replica.residentBytes.map { need(resident: $0) } ?? need, isBusy: true, lastUse_ms: since_ms)
        switch replica.machine.state {
        case .absent: held.size = MemorySize()
        case .failed(_, let canRetry): if !canRetry || !replica.machine.isWanted { held.size = MemorySize() }
        case .asleep(let tier):
            held.size = tier.keepsProcess ? MemorySize(hostBytes: replica.memoryAfter) : MemorySize()
            held.isBusy = replica.machine.isWanted
            held.wake_ms = memory.predicted_ms(ladder.tier(atLeast: .processSnapshot)) - memory.predicted_ms(tier)
        case .ready:
            let active = replicas.values.count(where: \.machine.isWanted)
            held.isBusy = front.inFlight(replica.number) > 0 || front.heldCount > 0 || active <= spec.scale.minCount
            held.wake_ms = memory.predicted_ms(ladder.tier(atLeast: .processSnapshot))
            // A guess gives way at once to whoever is really asked.
            held.came_ms = replica.isGuess ? nil : since_ms
        case .starting, .draining, .leaving, .waking: break
        }
        if let idle_ms = autoscaler.forecast.idle_ms(at: now_ms) { held.lastUse_ms = now_ms - idle_ms }
        held.demand = autoscaler.forecast.probability(at: now_ms, within: MemoryBudget.horizon_ms)
        return held
    }

    /// Makes room for another deployment; not when requests have come meanwhile.
    func giveWay(_ eviction: MemoryPlan.Eviction, to other: String?) {
        let number = eviction.key.replica
        let isIdle = front.inFlight(number) == 0 && front.heldCount == 0
        guard let replica = replicas[number], isIdle, ["ready", "asleep"].contains(replica.machine.state.label) else {
            return surroundings.memory.stays(eviction.key)
        }
        isPushedOut = true
        handWish.end()
        note("replica \(number) makes room" + (other.map { " for \($0)" } ?? ": more is held than there is"))
        handle(.mayRest(atLeast: max(tier(freeing: eviction.kinds), spec.leastTier)), number)
    }

    /// The fastest tier that gives back what is short.
    private func tier(freeing kinds: Set<MemorySize.Kind>) -> SleepTier {
        guard !kinds.contains(.host) else { return .processSnapshot }
        // An engine that sleeps in place moves what was on the device into the host's memory.
        let use = surroundings.memory.use
        return use.held.hostBytes + need.gpuBytes <= use.capacity.hostBytes ? .inPlace : .processSnapshot
    }

    /// Looks how much memory a replica's processes hold. Aside, because the kernel walks all of it to tell.
    func measure(_ replica: Replica) {
        guard let process = replica.process, process.ending == nil, replica.machine.state == .ready else { return }
        let (number, engine) = (replica.number, replica.machine.engine)
        Task {
            let bytes = try? await BlockingThreads.shared.run { () throws(SnapshotError) in process.residentBytes() }
            if let bytes, bytes > 0 { self.measured(bytes, number, engine) }
        }
    }

    private func measured(_ bytes: Int, _ number: Int, _ engine: ReplicaMachine.EngineID) {
        guard let replica = replicas[number], replica.machine.engine == engine, replica.machine.state == .ready else {
            return
        }
        replica.residentBytes = bytes
        let isFirst = memory.residentBytes == nil
        memory.note(residentBytes: bytes)
        if isFirst { try? writeMemory() }
        hold(replica)
    }
}
