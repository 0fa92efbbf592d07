internal import Transport

/// What the next daemon finds again: what was learned, and where the engines are.
extension Deployment {
    /// Puts the stretches of time so far into the ledger.
    func meterResidency() {
        let now_ms = Int(EventLoop.clock_ns() / 1_000_000)
        for replica in replicas.values {
            if let piece = replica.clock.piece(longest_ms: 0, at: now_ms) { surroundings.meter.record(piece) }
        }
    }

    func writeMemory() throws(ServeError) {
        memory.images = ladder.images
        try surroundings.directory.write(memory.json, to: "memory.json", of: name)
    }

    /// Keeps where a replica's engine is. A fact that cannot be written costs a restart of the engine, and nothing else.
    func writeFact(_ replica: Replica) {
        var fact: ReplicaFact?
        if let process = replica.process, process.ending == nil {
            var asleep: SleepTier?
            if case .asleep(let tier) = replica.machine.state { asleep = tier }
            fact = ReplicaFact(
                pid: process.identity.pid, startTicks: process.identity.startTicks, bootID: ReplicaFact.thisBoot,
                port: replica.port, asleep: asleep)
        }
        guard fact != writtenFacts[replica.number] else { return }
        writtenFacts[replica.number] = fact
        if let fact {
            // Not synced: after a crash of the machine there is no engine to find.
            try? surroundings.directory.write(fact.json, to: replica.factFile, of: name, isSynced: false)
        } else {
            try? surroundings.directory.remove(replica.factFile, of: name)
        }
    }

    /// Finds the engines of an earlier run again.
    func adopt(_ facts: [(number: Int, fact: ReplicaFact)]) async {
        for (number, fact) in facts {
            let identity = EngineProcess.Identity(pid: fact.pid, startTicks: fact.startTicks)
            let process =
                fact.bootID == ReplicaFact.thisBoot
                ? await EngineProcess.adopt(identity, on: surroundings.host) : nil
            guard let process else {
                note("replica \(number)'s engine (process \(fact.pid)) is gone; it is started again when it is needed")
                let file = Replica.factFile(number)
                try? surroundings.directory.remove(file, of: name)
                continue
            }
            let tier = fact.asleep.flatMap { $0.keepsProcess ? $0 : nil } ?? .suspended
            let replica = newReplica(number, ReplicaMachine(adopting: tier))
            _ = replica.clock.enter(replica.machine.state.residency, at: Int(EventLoop.clock_ns() / 1_000_000))
            replica.process = process
            replica.port = fact.port
            replicas[number] = replica
            replica.memoryAfter = process.residentBytes()
            watch(process, replica.machine.engine, number)
            note(
                "replica \(number)'s engine (process \(fact.pid)) lives and is taken over, \(fact.asleep == nil ? "awake" : "asleep")"
            )
            writtenFacts[number] = fact
            if fact.asleep == nil { awakeUntil_ms = Int(EventLoop.clock_ns() / 1_000_000) + spec.scale.scaledown_ms }
        }
        evaluate()
    }
}
