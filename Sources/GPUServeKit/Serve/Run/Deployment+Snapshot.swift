internal import Glibc
internal import Transport
internal import Wire

/// Images that are made on demand.
extension Deployment {
    /// Makes a new image of an awake replica and brings it back from that, so that the image is known to be good. Requests that come
    /// meanwhile wait, those in flight are answered before.
    func snapshot() async throws(ServeError) -> ImageReport {
        guard snapshotOf == nil else { throw ServeError(.deploymentBusy, "an image of \(name) is being made already") }
        let ready = replicas.values.filter { $0.machine.state == .ready }.sorted { $0.number < $1.number }
        guard !memory.isStopped, let replica = ready.first else {
            let state = memory.isStopped ? "stopped" : front.outlook.state
            throw ServeError(.notAwake, "\(name) is \(state): gpuserve wake \(name) first")
        }
        let (tier, number) = (try imageTier(), replica.number)
        snapshotOf = number
        defer {
            snapshotOf = nil
            evaluate()
        }
        let begun_ns = EventLoop.clock_ns()
        handle(.mayRest(atLeast: tier), number)
        let impatience = Task {
            // Its answers take too long: it takes requests again.
            if await EngineHost.pause(surroundings.limits.snapshotDrain_ms),
                case .draining(.sleep) = replica.machine.state
            {
                self.handle(.wanted, number)
            }
        }
        await settle(replica)
        impatience.cancel()
        let asleep_ns = EventLoop.clock_ns()
        switch replica.machine.state {
        case .asleep(tier): break
        case .ready:
            throw ServeError(
                .deploymentBusy,
                "requests of \(name) were in flight for \(surroundings.limits.snapshotDrain_ms) ms; try again later")
        default:
            if replica.machine.state.tier != nil { handle(.wanted, number) }
            let why = ladder.lastFailures[tier].map { "\($0)" } ?? "it is \(replica.machine.state.label)"
            throw ServeError(.replicaFailed, "no \(tier.rawValue) of \(name) was made: \(why)")
        }
        var report = ImageReport(
            name: name, tier: tier, bytes: imageBytes(tier, number), imageSeconds: Double(asleep_ns - begun_ns) / 1e9)
        guard hasRoom(number, isUrgent: true) else { return report }
        handle(.wanted, number)
        await settle(replica)
        guard replica.machine.state == .ready, replica.wakeTier == tier else {
            let why = ladder.lastFailures[tier].map { "\($0)" } ?? "it is \(replica.machine.state.label)"
            throw ServeError(.replicaFailed, "the \(tier.rawValue) of \(name) does not wake: \(why)")
        }
        report.wakeSeconds = Double(EventLoop.clock_ns() - asleep_ns) / 1e9
        note("replica \(number) has a new image: \(tier.rawValue), \(report.bytes) bytes")
        return report
    }

    /// Waits until a replica has nothing to do.
    private func settle(_ replica: Replica) async {
        while let work = replica.work {
            await work.value
            if replica.work == work { break }
        }
    }

    /// The fastest tier that makes an image here.
    private func imageTier() throws(ServeError) -> SleepTier {
        for tier in [SleepTier.processSnapshot, .kitSnapshot] where ladder.isUsable(tier) { return tier }
        let engine = spec.engine.rawValue
        guard recipe.tiers.contains(where: { !$0.keepsProcess && $0 != .cold }) else {
            throw ServeError(.noImages, "\(engine) has no tier with an image")
        }
        guard let failure = ladder.lastFailures[.processSnapshot] ?? ladder.lastFailures[.kitSnapshot] else {
            throw ServeError(
                .noImages, "images of \(engine) are made of one replica without GPUs, and \(name) has more")
        }
        let isPermission = failure.code == .notPermitted || failure.code == .programMissing
        throw ServeError(isPermission ? .notPermitted : .noImages, "no image of \(name) can be made: \(failure)")
    }

    private func imageBytes(_ tier: SleepTier, _ number: Int) -> Int {
        Self.bytes(under: tier == .processSnapshot ? imagePath(number) : surroundings.directory.storePath)
    }

    /// What files take on disk, holes not counted.
    private static func bytes(under path: String) -> Int {
        guard let directory = try? Descriptor(openDirectory: path) else { return 0 }
        return ((try? directory.names()) ?? []).reduce(0) { sum, name in
            var info = stat()
            guard fstatat(directory.number, name, &info, AT_SYMLINK_NOFOLLOW) == 0 else { return sum }
            return sum
                + (info.st_mode & S_IFMT == S_IFDIR ? bytes(under: "\(path)/\(name)") : Int(info.st_blocks) * 512)
        }
    }
}
