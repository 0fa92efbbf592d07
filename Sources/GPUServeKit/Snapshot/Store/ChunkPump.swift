internal import Synchronization
internal import Transport

/// One chunk to be read and stored.
struct ChunkJob: Sendable {
    let index: Int
    let byteCount: Int
}

/// Reads, hashes and stores chunks, a few at a time, each in a buffer of its own.
struct ChunkPump: Sendable {
    let upload: any SnapshotUpload
    let parallelCount: Int

    struct Results: Sendable {
        var chunks: [ChunkRef]
        var storedBytes = 0
        var storedCount = 0
        var doneBytes = 0
    }

    /// Runs `read` for each job and stores what it read; stops at the first failure, and when the task is cancelled.
    ///
    /// With `known`, what a chunk will be is known before it is read, and it is not read when the store has it.
    func run(
        _ jobs: [ChunkJob], byteCount: Int, progress: (@Sendable (Int, Int) -> Void)?, known: [ChunkRef]? = nil,
        _ read: @escaping @Sendable (ChunkJob, MutableMemory) async throws(SnapshotError) -> ChunkRef
    ) async throws(SnapshotError) -> Results {
        let total = jobs.reduce(0) { $0 + $1.byteCount }
        let placeholder = ChunkRef(hash: ContentHash(of: []), crc64: 0, byteCount: 1)
        let results = Shared(Results(chunks: [ChunkRef](repeating: placeholder, count: jobs.count)))
        let workers = min(max(parallelCount, 1), max(jobs.count, 1))
        let failure = await withTaskGroup(of: SnapshotError?.self) { group in
            for _ in 0..<workers {
                group.addTask {
                    let buffer = PageBuffer(byteCount: byteCount)
                    defer { withExtendedLifetime(buffer) {} }
                    do throws(SnapshotError) {
                        while let job = results.next(of: jobs) {
                            if Task.isCancelled { throw SnapshotError(.cancelled, "the task was cancelled") }
                            let stored = try await self.move(job, buffer.memory[0..<job.byteCount], known, read)
                            results.finish(job, stored.chunk, isStored: stored.isNew, total: total, progress)
                        }
                        return nil
                    } catch {
                        results.stop()
                        return error
                    }
                }
            }
            var first: SnapshotError?
            for await failure in group {
                // What the others then say is only that they were stopped.
                if first == nil || first?.code == .cancelled { first = failure ?? first }
                if failure != nil { group.cancelAll() }
            }
            return first
        }
        if let failure { throw failure }
        return results.value
    }

    private func move(
        _ job: ChunkJob, _ memory: MutableMemory, _ known: [ChunkRef]?,
        _ read: @Sendable (ChunkJob, MutableMemory) async throws(SnapshotError) -> ChunkRef
    ) async throws(SnapshotError) -> (chunk: ChunkRef, isNew: Bool) {
        if let chunk = known?[job.index], try await upload.keep(chunk) { return (chunk, false) }
        let chunk = try await read(job, memory)
        return (chunk, try await upload.put(chunk, Memory(memory)))
    }

    /// What the workers share.
    private final class Shared: Sendable {
        private let state: Lock<(results: Results, next: Int, isStopped: Bool)>

        init(_ results: Results) { state = Lock((results, 0, false)) }

        var value: Results { state.withLock { $0.results } }

        func next(of jobs: [ChunkJob]) -> ChunkJob? {
            state.withLock { state in
                guard !state.isStopped, state.next < jobs.count else { return nil }
                state.next += 1
                return jobs[state.next - 1]
            }
        }

        func stop() { state.withLock { $0.isStopped = true } }

        func finish(
            _ job: ChunkJob, _ chunk: ChunkRef, isStored: Bool, total: Int, _ progress: (@Sendable (Int, Int) -> Void)?
        ) {
            let done = state.withLock { state in
                state.results.chunks[job.index] = chunk
                state.results.doneBytes += job.byteCount
                if isStored {
                    state.results.storedBytes += job.byteCount
                    state.results.storedCount += 1
                }
                return state.results.doneBytes
            }
            progress?(done, total)
        }
    }
}
