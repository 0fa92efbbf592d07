internal import Glibc
internal import Synchronization
internal import Transport

extension Bandwidths {
    /// Measures this host on a snapshot of `store`: a moment of reads from disk, page cache or network and of copies, of at
    /// most 128 MiB each. What cannot be measured stays as in `standard`.
    ///
    /// - Throws: `snapshotUnavailable` and the like when the snapshot cannot be opened.
    public static func probe(
        _ store: any SnapshotStore, _ snapshot: SnapshotID
    ) async throws(RestoreError) -> Bandwidths {
        let sources: ChunkSources
        do throws(SnapshotError) { sources = try await ChunkSources.open(store, snapshot) } catch {
            throw RestoreError(error)
        }
        return await BandwidthProbe(sources).measure()
    }
}

/// Measures with the very reads that restores make, on as many threads, into as many different places.
struct BandwidthProbe: Sendable {
    private static let byteCount = 128 * 1024 * 1024
    private static let workerCount = 4
    private let sources: ChunkSources
    /// Some chunks of the snapshot, long ones first, and where each is put.
    private let sample: [(chunk: ChunkRef, place: Range<Int>)]
    private let roomBytes: Int

    init(_ sources: ChunkSources) {
        self.sources = sources
        var sample: [(ChunkRef, Range<Int>)] = []
        var sum = 0
        for chunk in sources.manifest.distinctChunks.sorted(by: { $0.byteCount > $1.byteCount }) {
            let room = chunk.byteCount.roundedUp(to: PageBuffer.alignment)
            guard sum == 0 || sum + room <= Self.byteCount else { break }
            sample.append((chunk, sum..<sum + room))
            sum += room
        }
        self.sample = sample
        roomBytes = sum
    }

    func measure() async -> Bandwidths {
        var found = Bandwidths.standard
        if let rate = presentRate() { found.present_bytesPerSecond = rate }
        // Memory that is present, as restores have it.
        guard !sample.isEmpty, let window = try? HostMemoryPool.shared.window(byteCount: roomBytes) else {
            return found
        }
        let other = try? HostMemoryPool.shared.window(byteCount: roomBytes)
        // The first pass through the cache may have to fill it, and counts for nothing.
        for mode in [Mode.direct, .cached, .cached, .memory, .remote] {
            guard let rate = await rate(of: mode, window, other), rate > 0 else { continue }
            switch mode {
            case .direct: found.bytesPerSecond[.disk] = rate
            case .cached: found.bytesPerSecond[.pageCache] = rate
            case .remote: found.bytesPerSecond[.remote] = rate
            case .memory:
                found.bytesPerSecond[.memory] = rate
                found.bytesPerSecond[.resident] = rate
            }
        }
        return found
    }

    /// Bytes a second of memory that nobody had before; nil when too little to tell would be made.
    private func presentRate() -> Double? {
        guard roomBytes >= 16 * 1024 * 1024 else { return nil }
        let start = RestoreClock.now_ns()
        guard let window = try? HostMemoryPool().window(byteCount: roomBytes) else { return nil }
        return Double(window.byteCount) / (Double(RestoreClock.now_ns() - start) / 1e9)
    }

    private enum Mode { case direct, cached, memory, remote }

    /// Bytes a second; nil when a chunk cannot be read that way.
    private func rate(of mode: Mode, _ window: HostWindow, _ other: HostWindow?) async -> Double? {
        let start = RestoreClock.now_ns()
        let next = Counter()
        let isDone = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<Self.workerCount {
                group.addTask {
                    while let index = next.take(sample.count) {
                        guard await read(sample[index], mode, window, other) else { return false }
                    }
                    return true
                }
            }
            return await group.reduce(true) { $0 && $1 }
        }
        guard isDone else { return nil }
        let bytes = sample.reduce(0) { $0 + $1.chunk.byteCount }
        return Double(bytes) / (Double(RestoreClock.now_ns() - start) / 1e9)
    }

    private func read(
        _ entry: (chunk: ChunkRef, place: Range<Int>), _ mode: Mode, _ window: HostWindow, _ other: HostWindow?
    ) async -> Bool {
        let (chunk, place) = entry
        let memory = MutableMemory(
            UnsafeMutableRawBufferPointer(start: window.base + place.lowerBound, count: place.count))
        defer { withExtendedLifetime((window, other)) {} }
        do throws(SnapshotError) {
            if mode == .remote {
                guard !sources.isLocal(chunk) else { return false }
                try await sources.store.read(chunk, into: memory)
                return true
            }
            let sources = sources
            return try await BlockingThreads.shared.run { () throws(SnapshotError) in
                if mode == .memory {
                    guard let other else { return false }
                    // The content does not matter, so nothing is compared.
                    let target = UnsafeMutableRawBufferPointer(start: other.base + place.lowerBound, count: place.count)
                    _ = Checksum.copy(Memory(memory), to: MutableMemory(target))
                    return true
                }
                guard let location = sources.location(of: chunk) else { return false }
                if mode == .direct {
                    try location.pack.read(at: location.offset, into: memory, mode: .direct)
                    try chunk.verify(Memory(memory[0..<chunk.byteCount]), in: "a probe")
                    return true
                }
                if try LocalReader.read(location, into: memory, verifies: true) == .pageCache { return true }
                // Not there yet: brought in for the next pass.
                try location.pack.read(at: location.offset, into: memory, mode: .cached)
                return true
            }
        } catch {
            return false
        }
    }

    private final class Counter: Sendable {
        private let next = Atomic<Int>(0)

        func take(_ count: Int) -> Int? {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            return index < count ? index : nil
        }
    }
}
