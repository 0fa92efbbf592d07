internal import Transport
internal import Wire

/// What happens to replicas, and what their machines then ask for.
extension Deployment {
    /// Gives an event to a replica's machine and begins what it asks for.
    func handle(_ event: ReplicaMachine.Event, _ number: Int) {
        guard let replica = replicas[number] else { return }
        let before = replica.machine.state
        let actions = replica.machine.handle(event, &ladder)
        let after = replica.machine.state
        if before != after { changed(replica, from: before, to: after) }
        for action in actions { begin(action, replica) }
        refreshOutlook()
        hold(replica)
        writeFact(replica)
    }

    private func changed(_ replica: Replica, from before: ReplicaState, to after: ReplicaState) {
        let now_ns = EventLoop.clock_ns()
        if let stretch = replica.clock.enter(after.residency, at: Int(now_ns / 1_000_000)) {
            surroundings.meter.record(stretch)
        }
        switch after {
        case .starting(.engine), .waking(_, .engine):
            if replica.wakeBegun_ns == 0 {
                replica.wakeBegun_ns = now_ns
                replica.wakeTier = after.tier
            }
        case .ready:
            if replica.wakeBegun_ns > 0, let begun = replica.wakeTier {
                let took_ms = Double(now_ns - replica.wakeBegun_ns) / 1e6
                wakes.append(replica.waterfall(until: now_ns, from: before.tier ?? begun))
                if wakes.count > Self.noteCount { wakes.removeFirst(wakes.count - Self.noteCount) }
                // After a fall back on the way it is another tier, and the time no measure of either.
                let tier = before.tier ?? begun
                if tier == begun { memory.note(tier, took_ms: took_ms) }
                replica.wakeTier = tier
                note("replica \(replica.number) is ready from \(tier.rawValue) after \(Int(took_ms)) ms")
                try? writeMemory()
            }
            let began_ms = Int(replica.wakeBegun_ns / 1_000_000)
            handWish.cameUp(begunAt: began_ms, at: Int(now_ns / 1_000_000), spec.scale)
            replica.wakeBegun_ns = 0
            measure(replica)
            unproven.insert(replica.number)
        case .failed(let failure, _):
            note("replica \(replica.number) failed: \(failure)")
            replica.wakeBegun_ns = 0
        case .asleep(let tier):
            replica.wakeBegun_ns = 0
            note("replica \(replica.number) sleeps: \(tier.rawValue)")
        default: break
        }
        replica.since_ns = now_ns
    }

    private func begin(_ action: ReplicaMachine.Action, _ replica: Replica) {
        let number = replica.number
        switch action {
        case .admit:
            front.stopDraining(number)
            admit(replica)
        case .admitOnTrial:
            // The canary comes first where only one is answered at a time.
            guard spec.scale.concurrency > 1 else { return }
            admit(replica, isOnTrial: true)
        case .close: front.close(number)
        case .refuse(let failure):
            let others = replicas.values.contains { other in
                other.number != number && ["ready", "waking", "starting"].contains(other.machine.state.label)
            }
            if !others { front.refuseAll(.failed(failure)) }
        case .fellBack(let from, let to, let failure, let isAside):
            let aside = isAside ? "; \(from.rawValue) is put aside" : ""
            if from == .processSnapshot { loseImage(replica) }
            note("replica \(number) falls back from \(from.rawValue) to \(to.rawValue): \(failure)\(aside)")
            try? writeMemory()
        case .retry(let step, let after_ms):
            Task {
                await EngineHost.pause(after_ms)
                self.handle(.retryDue(step), number)
            }
        case .end:
            front.drop(number)
            enqueue(replica, action, cancelling: true)
        case .launch, .restore, .checkCanary, .layDown, .drain: enqueue(replica, action, cancelling: false)
        }
    }

    /// Actions of one replica are carried out one after the other; one that ends the engine cuts short what waits for it.
    private func enqueue(_ replica: Replica, _ action: ReplicaMachine.Action, cancelling: Bool) {
        let previous = replica.work
        if cancelling { previous?.cancel() }
        replica.work = Task {
            await previous?.value
            await self.carryOut(action, replica.number)
        }
    }

    /// An engine gave nothing: it is asked whether it lives.
    func suspect(_ number: Int) async {
        guard let replica = replicas[number], replica.machine.state == .ready, let process = replica.process else {
            return
        }
        let engine = replica.machine.engine
        if process.ending == nil, await answers(replica.url + recipe.readyPath, limit_ms: 2_000) {
            guard replicas[number]?.machine.engine == engine, replica.machine.state == .ready else { return }
            return admit(replica)
        }
        // If it is dead, its end is reported too; whichever comes first counts.
        let ending = process.ending?.text ?? "it gave nothing and its health check fails"
        handle(.engineExited(engine, exitFailure(.exited, ending, number)), number)
    }

    /// Requests may go to a replica; while it is on trial only beside its canary, which is one of those that it has at once.
    private func admit(_ replica: Replica, isOnTrial: Bool = false) {
        let concurrency = spec.scale.concurrency
        let own = recipe.inFlightLimit(concurrency: concurrency, extraArguments: spec.extraArguments)
        let limit = min(own ?? .max, surroundings.limits.replicaInFlightCount)
        front.open(
            replica.number, generation: replica.machine.engine.number, url: replica.url,
            tier: (isOnTrial ? replica.machine.state.tier : replica.wakeTier) ?? .cold,
            atMost: isOnTrial ? min(concurrency - 1, limit) : limit, isOnTrial: isOnTrial)
    }

    func proved(_ number: Int) {
        unproven.remove(number)
        replicas[number]?.isGuess = false
        handle(.proven, number)
    }

    /// Reports an engine's end.
    func watch(_ process: EngineProcess, _ engine: ReplicaMachine.EngineID, _ number: Int) {
        process.onEnd { [weak self] ending in
            Task {
                guard let self else { return }
                await self.ended(engine, ending, number)
            }
        }
    }

    private func ended(_ engine: ReplicaMachine.EngineID, _ ending: EngineProcess.Ending, _ number: Int) {
        guard let replica = replicas[number] else { return }
        let isStarting = replica.machine.state.label == "starting" || replica.machine.state.label == "waking"
        let code: ReplicaFailure.Code = isStarting ? .exitedEarly : .exited
        handle(.engineExited(engine, exitFailure(code, "the engine ended: \(ending.text)", number)), number)
    }
}
