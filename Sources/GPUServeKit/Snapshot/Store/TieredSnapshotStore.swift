internal import Synchronization
internal import Transport

/// Several stores as one, fastest first: memory, disk, object store.
///
/// A chunk is read from the fastest tier that has it whole; one that is missing or damaged there comes from the next, and
/// `incidents` tells. Where it was damaged on disk it is put back. What comes from a tier that is not on this machine is fetched once for all who wait for it, and kept in
/// the first tier, when that is memory, as long as there is room. Whole snapshots move with `promote` and `demote`.
public final class TieredSnapshotStore: SnapshotStore {
    /// The names of the tiers.
    public let name: String
    /// The tiers, fastest first.
    public let tiers: [any SnapshotStore]
    private let home: Int
    private let state = Lock(State())

    private struct State {
        /// Downloads on their way.
        var flights: [ContentHash: Task<Flown, Never>] = [:]
        /// What holds chunks in the memory tier that no snapshot there refers to.
        var cache: (any SnapshotUpload)?
        var incidents: [Incident] = []
        var incidentCount = 0
    }

    private typealias Flown = Result<PageBuffer, SnapshotError>

    /// A fault of one tier that another made good.
    public struct Incident: Sendable, Hashable {
        /// The tier's name.
        public var tier: String
        /// What was wrong.
        public var error: SnapshotError
    }

    /// Stores as tiers, at least one, fastest first. New snapshots go to the one with the index `home`.
    public init(_ tiers: [any SnapshotStore], home: Int) {
        precondition(tiers.indices.contains(home), "new snapshots need a tier")
        self.tiers = tiers
        self.home = home
        name = tiers.map(\.name).joined(separator: " > ")
    }

    /// The last faults that another tier made good, at most 100, and how many there were.
    public var incidents: (last: [Incident], count: Int) { state.withLock { ($0.incidents, $0.incidentCount) } }

    private func note(_ error: SnapshotError, _ tier: Int) {
        state.withLock { state in
            state.incidentCount += 1
            if state.incidents.count == 100 { state.incidents.removeFirst() }
            state.incidents.append(Incident(tier: tiers[tier].name, error: error))
        }
    }

    // MARK: Snapshots

    /// The snapshots of all tiers, each once; one that some tier has whole is shown whole.
    public func list() async throws(SnapshotError) -> [SnapshotSummary] {
        var found: [SnapshotID: SnapshotSummary] = [:]
        for tier in tiers {
            for summary in try await tier.list() {
                if let known = found[summary.id], known.problem == nil { continue }
                found[summary.id] = summary
            }
        }
        return found.values.sorted { $0.id < $1.id }
    }

    /// See `SnapshotStore.manifest`: from the first tier that has it whole.
    public func manifest(_ id: SnapshotID) async throws(SnapshotError) -> SnapshotManifest {
        try await first(id) { (tier) throws(SnapshotError) in try await tier.manifest(id) }
    }

    private func first<Result>(
        _ id: SnapshotID, _ body: (any SnapshotStore) async throws(SnapshotError) -> Result
    ) async throws(SnapshotError) -> Result {
        var failure = SnapshotError(.snapshotMissing, "there is no snapshot \(id) in any tier", file: name)
        for (index, tier) in tiers.enumerated() {
            do throws(SnapshotError) {
                return try await body(tier)
            } catch {
                guard error.code != .snapshotMissing else { continue }
                note(error, index)
                failure = error
            }
        }
        throw failure
    }

    /// See `SnapshotStore.lease`: held in every tier that has it.
    public func lease(_ id: SnapshotID) async throws(SnapshotError) -> any SnapshotLease {
        try await lease(id, knowing: nil)
    }

    /// A manifest that the caller knows, which its name vouches for, is not read from a disk again.
    func lease(
        _ id: SnapshotID, knowing known: SnapshotManifest?
    ) async throws(SnapshotError) -> any SnapshotLease {
        var leases: [any SnapshotLease] = []
        var failure = SnapshotError(.snapshotMissing, "there is no snapshot \(id) in any tier", file: name)
        for (index, tier) in tiers.enumerated() {
            do throws(SnapshotError) {
                if let known, let directory = tier as? DirectorySnapshotStore {
                    leases.append(try await directory.directoryLease(id, knowing: known, wanting: { _ in [] }))
                } else {
                    leases.append(try await tier.lease(id))
                }
            } catch {
                guard error.code != .snapshotMissing else { continue }
                note(error, index)
                failure = error
            }
        }
        guard let first = leases.first else { throw failure }
        return TieredLease(id: id, manifest: first.manifest, leases: leases)
    }

    /// Which tiers have a snapshot, by index.
    public func tiersHolding(_ id: SnapshotID) async -> [Int] {
        var holding: [Int] = []
        for (index, tier) in tiers.enumerated() {
            do throws(SnapshotError) {
                _ = try await tier.manifest(id)
                holding.append(index)
            } catch {}
        }
        return holding
    }

    /// Copies a snapshot into tier `index`, from wherever it is.
    @discardableResult
    public func promote(_ id: SnapshotID, to index: Int) async throws(SnapshotError) -> SnapshotTransfer {
        try await copy(id, to: tiers[index])
    }

    /// Takes a snapshot out of tier `index`, after it is whole in a slower one: copied to the next if it is in none.
    public func demote(_ id: SnapshotID, from index: Int) async throws(SnapshotError) {
        guard tiers.indices.contains(index + 1) else {
            throw SnapshotError(.invalidArgument, "there is no tier below \(tiers[index].name)", file: name)
        }
        if !(await tiersHolding(id)).contains(where: { $0 > index }) {
            try await tiers[index].copy(id, to: tiers[index + 1])
        }
        try await tiers[index].delete(id)
        try await tiers[index].collectGarbage()
    }

    /// See `SnapshotStore.delete`: from every tier that can be written to.
    public func delete(_ id: SnapshotID) async throws(SnapshotError) {
        var isDeleted = false
        for tier in tiers {
            do throws(SnapshotError) {
                try await tier.delete(id)
                isDeleted = true
            } catch {
                guard error.code == .snapshotMissing || error.code == .readOnly else { throw error }
            }
        }
        guard isDeleted else {
            throw SnapshotError(
                .snapshotMissing, "there is no snapshot \(id) in any tier that can be written to", file: name)
        }
    }

    // MARK: Chunks

    /// See `SnapshotStore.holds`: whether any tier does.
    public func holds(_ chunks: [ChunkRef]) async throws(SnapshotError) -> [Bool] {
        var held = [Bool](repeating: false, count: chunks.count)
        for tier in tiers {
            // A slow tier is only asked for what is still missing.
            let open = held.indices.filter { !held[$0] }
            guard !open.isEmpty else { break }
            for (index, isHeld) in zip(open, try await tier.holds(open.map { chunks[$0] })) { held[index] = isHeld }
        }
        return held
    }

    /// See `SnapshotStore.read`.
    public func read(_ chunk: ChunkRef, into memory: MutableMemory) async throws(SnapshotError) {
        let target = memory[0..<chunk.byteCount]
        let damaged = try await fromTiers(chunk) { (index) throws(SnapshotError) in
            if isLocal(index) {
                try await tiers[index].read(chunk, into: target)
            } else {
                let buffer = try await fetched(chunk, index)
                withExtendedLifetime(buffer) {
                    target.buffer.copyMemory(from: Memory(buffer.memory[0..<chunk.byteCount]).buffer)
                }
            }
            if index > 0 { await cache(chunk, Memory(target)) }
        }
        for index in damaged { await heal(chunk, Memory(target), index) }
    }

    /// Puts what another tier had whole back where it was damaged. That this fails is told and is no failure of the read.
    private func heal(_ chunk: ChunkRef, _ memory: Memory, _ index: Int) async {
        do throws(SnapshotError) {
            try await tiers[index].repair(chunk, memory)
        } catch {
            note(error, index)
        }
    }

    /// See `SnapshotStore.read`.
    public func read(_ chunk: ChunkRef, range: Range<Int>, into memory: MutableMemory) async throws(SnapshotError) {
        try await fromTiers(chunk) { (index) throws(SnapshotError) in
            try await tiers[index].read(chunk, range: range, into: memory)
        }
    }

    /// Reads from the first tier that can; returns those before it that have the chunk damaged.
    @discardableResult
    private func fromTiers(
        _ chunk: ChunkRef, _ read: (Int) async throws(SnapshotError) -> Void
    ) async throws(SnapshotError) -> [Int] {
        var damaged: [Int] = []
        var failure = SnapshotError(.chunkMissing, "no tier holds chunk \(chunk.hash)", file: name)
        for index in tiers.indices {
            do throws(SnapshotError) {
                try await read(index)
                return damaged
            } catch {
                guard error.code != .chunkMissing else { continue }
                guard error.code != .cancelled else { throw error }
                note(error, index)
                if error.code == .chunkCorrupt { damaged.append(index) }
                failure = error
            }
        }
        throw failure
    }

    /// Reading from this machine is cheaper than sharing what was read.
    private func isLocal(_ index: Int) -> Bool {
        tiers[index] is MemorySnapshotStore || tiers[index] is DirectorySnapshotStore
    }

    /// A chunk from a far tier: whoever comes first fetches it, the others wait for that.
    private func fetched(_ chunk: ChunkRef, _ index: Int) async throws(SnapshotError) -> PageBuffer {
        let tier = tiers[index]
        let flight = state.withLock { state -> Task<Flown, Never> in
            if let flight = state.flights[chunk.hash] { return flight }
            let flight = Task { [weak self] () -> Flown in
                let buffer = PageBuffer(byteCount: chunk.byteCount)
                defer { withExtendedLifetime(buffer) {} }
                var outcome = Flown.success(buffer)
                do throws(SnapshotError) {
                    try await tier.read(chunk, into: buffer.memory[0..<chunk.byteCount])
                } catch {
                    outcome = .failure(error)
                }
                self?.state.withLock { $0.flights[chunk.hash] = nil }
                return outcome
            }
            state.flights[chunk.hash] = flight
            return flight
        }
        return try await flight.value.get()
    }

    /// Keeps a chunk in the memory tier. When that is full, what was kept before goes; that a chunk cannot be kept is no
    /// failure.
    private func cache(_ chunk: ChunkRef, _ memory: Memory) async {
        guard let tier = tiers[0] as? MemorySnapshotStore else { return }
        for isRetry in [false, true] {
            do throws(SnapshotError) {
                var upload = state.withLock { $0.cache }
                if upload == nil {
                    let begun = try await tier.begin()
                    upload = state.withLock { state in
                        state.cache = state.cache ?? begun
                        return state.cache
                    }
                }
                _ = try await upload?.put(chunk, memory)
                return
            } catch {
                await dropCache()
                if !isRetry {
                    do throws(SnapshotError) { try await tier.collectGarbage() } catch { return }
                }
            }
        }
    }

    private func dropCache() async {
        let cache = state.withLock { state -> (any SnapshotUpload)? in
            defer { state.cache = nil }
            return state.cache
        }
        await cache?.abandon()
    }

    // MARK: Adding and removing

    /// See `SnapshotStore.begin`: into the home tier.
    public func begin() async throws(SnapshotError) -> any SnapshotUpload { try await tiers[home].begin() }

    /// See `SnapshotStore.collectGarbage`: in every tier that can be written to. What was kept in memory for later goes too.
    @discardableResult
    public func collectGarbage() async throws(SnapshotError) -> GarbageReport {
        await dropCache()
        var sum = GarbageReport()
        for tier in tiers {
            do throws(SnapshotError) {
                let report = try await tier.collectGarbage()
                sum.removedChunkCount += report.removedChunkCount
                sum.freedBytes += report.freedBytes
                sum.keptChunkCount += report.keptChunkCount
                sum.leftoverCount += report.leftoverCount
            } catch {
                guard error.code == .readOnly else { throw error }
            }
        }
        return sum
    }
}

private final class TieredLease: SnapshotLease {
    let id: SnapshotID
    let manifest: SnapshotManifest
    private let leases: [any SnapshotLease]

    init(id: SnapshotID, manifest: SnapshotManifest, leases: [any SnapshotLease]) {
        self.id = id
        self.manifest = manifest
        self.leases = leases
    }
}
