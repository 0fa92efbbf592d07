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

/// Measures with the very reads that restores make, on as many threads.
struct BandwidthProbe: Sendable {
    private static let byteCount = 128 * 1024 * 1024
    private static let workerCount = 4
    private let sources: ChunkSources
    /// Some chunks of the snapshot, long ones first.
    private let sample: [ChunkRef]

    init(_ sources: ChunkSources) {
        self.sources = sources
        var sum = 0
        sample = sources.manifest.distinctChunks.sorted { $0.byteCount > $1.byteCount }.prefix {
            sum += $0.byteCount
            return sum <= BandwidthProbe.byteCount || sum == $0.byteCount
        }
    }

    func measure() async -> Bandwidths {
        var found = Bandwidths.standard
        for mode in [Mode.direct, .cached, .cached, .memory, .remote] {
            guard let rate = await rate(of: mode), rate > 0 else { continue }
            switch mode {
            case .direct: found.bytesPerSecond[.disk] = rate
            case .cached: found.bytesPerSecond[.pageCache] = rate
            case .remote: found.bytesPerSecond[.remote] = rate
            case .memory:
                // A checked copy; an unchecked one between devices is somewhat faster, which learning will show.
                found.bytesPerSecond[.memory] = rate
                found.bytesPerSecond[.resident] = rate
            }
        }
        return found
    }

    private enum Mode { case direct, cached, memory, remote }

    /// Bytes a second; nil when a chunk cannot be read that way.
    private func rate(of mode: Mode) async -> Double? {
        guard !sample.isEmpty else { return nil }
        let start = RestoreClock.now_ns()
        let next = Counter()
        let isDone = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<Self.workerCount {
                group.addTask {
                    let size = sources.manifest.chunkBytes
                    let buffer = PageBuffer(byteCount: size)
                    let other = PageBuffer(byteCount: size)
                    while let chunk = next.take(sample) {
                        guard await read(chunk, mode, buffer, other) else { return false }
                    }
                    return true
                }
            }
            return await group.reduce(true) { $0 && $1 }
        }
        guard isDone else { return nil }
        let bytes = sample.reduce(0) { $0 + $1.byteCount }
        return Double(bytes) / (Double(RestoreClock.now_ns() - start) / 1e9)
    }

    private func read(_ chunk: ChunkRef, _ mode: Mode, _ buffer: PageBuffer, _ other: PageBuffer) async -> Bool {
        do throws(SnapshotError) {
            if mode == .remote {
                guard !sources.isLocal(chunk) else { return false }
                try await sources.store.read(chunk, into: buffer.memory)
                return true
            }
            let sources = sources
            return try await BlockingThreads.shared.run { () throws(SnapshotError) in
                if mode == .memory {
                    // The content does not matter, so nothing is compared.
                    other.memory.buffer.copyMemory(from: Memory(buffer.memory).buffer)
                    _ = Checksum.crc64(Memory(other.memory[0..<chunk.byteCount]))
                    return true
                }
                guard let location = sources.location(of: chunk) else { return false }
                let room = chunk.byteCount.roundedUp(to: PageBuffer.alignment)
                try location.pack.read(
                    at: location.offset, into: buffer.memory[0..<room], mode: mode == .direct ? .direct : .cached)
                try chunk.verify(Memory(buffer.memory[0..<chunk.byteCount]), in: "a probe")
                return true
            }
        } catch {
            return false
        }
    }

    private final class Counter: Sendable {
        private let next = Atomic<Int>(0)

        func take(_ chunks: [ChunkRef]) -> ChunkRef? {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            return index < chunks.count ? chunks[index] : nil
        }
    }
}
