internal import Glibc
internal import Transport

/// What the next daemon finds again: what was learned, and where the engines are.
extension Deployment {
    /// Puts the stretches of time so far into the ledger.
    func meterResidency() {
        let now_ms = EventLoop.clock_ms()
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
                port: replica.port, asleep: asleep,
                room: process.room.map { .init(kind: $0.kind, keeper: $0.keeper.identity) })
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

    // MARK: Images

    func keepImage(_ image: ImageFact, _ replica: Replica) {
        replica.image = image
        // Without it the image is good as long as this daemon runs.
        try? surroundings.directory.write(image.json, to: ImageFact.file(replica.number), of: name, isSynced: false)
    }

    func loseImage(_ replica: Replica) {
        replica.image = nil
        removeImage(replica.number)
    }

    private func removeImage(_ number: Int) {
        ladder.imageLost(.processSnapshot)
        try? surroundings.directory.remove(ImageFact.file(number), of: name)
        ProcessImager.empty(imagePath(number))
        rmdir(imagePath(number))
    }

    /// Takes up an image that an earlier run of the daemon made, or removes what is left of one.
    private func adoptImage(_ number: Int) {
        let fact = try? surroundings.directory.read(ImageFact.file(number), of: name).flatMap { ImageFact(json: $0) }
        let isThere = access(imagePath(number), F_OK) == 0
        guard fact != nil || isThere else { return }
        let problem: String? =
            if !isThere {
                "it is gone"
            } else if fact == nil {
                "it was never finished"
            } else if fact?.bootID != ReplicaFact.thisBoot {
                "the machine was started again since it was made"
            } else if imager == nil || !ladder.offered.contains(.processSnapshot) {
                "it cannot be restored here any more"
            } else {
                nil
            }
        guard let fact, problem == nil else {
            removeImage(number)
            return note("replica \(number)'s image of its process is removed: \(problem ?? "")")
        }
        let replica = replicas[number] ?? newReplica(number, ReplicaMachine(asleepWithout: .processSnapshot))
        replica.image = fact
        replicas[number] = replica
        ladder.imageMade(.processSnapshot)
        _ = replica.clock.enter(replica.machine.state.residency, at: EventLoop.clock_ms())
        note("replica \(number)'s image of its process (\(fact.pid)) is found again")
    }

    // MARK: Engines

    /// Finds the engines of an earlier run again.
    ///
    /// - Parameter numbers: of replicas that there may be something of.
    func adopt(_ facts: [(number: Int, fact: ReplicaFact)], images numbers: ClosedRange<Int>) async {
        for (number, fact) in facts {
            let identity = EngineProcess.Identity(pid: fact.pid, startTicks: fact.startTicks)
            let isThisBoot = fact.bootID == ReplicaFact.thisBoot
            var room: EngineRoom?
            if isThisBoot, let kept = fact.room {
                room = await EngineRoom.adopt(kept.kind, kept.keeper, on: surroundings.host)
            }
            let process = isThisBoot ? await EngineProcess.adopt(identity, in: room, on: surroundings.host) : nil
            guard let process else {
                note("replica \(number)'s engine (process \(fact.pid)) is gone; it is started again when it is needed")
                let file = Replica.factFile(number)
                try? surroundings.directory.remove(file, of: name)
                continue
            }
            let tier = fact.asleep.flatMap { $0.keepsProcess ? $0 : nil } ?? .suspended
            let replica = newReplica(number, ReplicaMachine(adopting: tier))
            _ = replica.clock.enter(replica.machine.state.residency, at: EventLoop.clock_ms())
            replica.process = process
            replica.port = fact.port
            replicas[number] = replica
            replica.memoryAfter = process.residentBytes()
            watch(process, replica.machine.engine, number)
            note(
                "replica \(number)'s engine (process \(fact.pid)) lives and is taken over, \(fact.asleep == nil ? "awake" : "asleep")"
            )
            writtenFacts[number] = fact
            if fact.asleep == nil { handWish.keep(at: EventLoop.clock_ms(), spec.scale) }
        }
        for number in numbers { adoptImage(number) }
        endStrays()
        refreshOutlook()
        evaluate()
    }

    /// Ends processes of engines that no replica knows: those that a killed daemon had not written down yet, and what engines
    /// left behind in groups of their own.
    func endStrays() {
        let path = surroundings.directory.path
        let strays = StrayEngines.find(statePath: path).filter { stray in
            stray.deployment == name && replicas[stray.replica]?.process == nil
        }
        for stray in StrayEngines.end(strays) {
            note("process \(stray.pid) of replica \(stray.replica), which nobody knew any more, is ended")
        }
    }
}
