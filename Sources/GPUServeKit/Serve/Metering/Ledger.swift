internal import Synchronization
internal import Transport
public import Wire

/// What opening a ledger found and mended.
public struct LedgerRecovery: Sendable, Hashable {
    /// A sentence about the tail that was cut, or nil. No acknowledged record was in it.
    public var cut: String?
    /// Damaged lines of the last file that good records follow; they stay, and bills name them.
    public var damagedLines: [String] = []

    init() {}
}

/// The append-only record of everything that costs money. What `append` returned from survives `kill -9` and power loss.
///
/// Files of lines (`LedgerLine`), each with a checksum and a running number, made durable in groups: records that come while
/// the disk is busy go together in the next write. A disk that takes nothing is tried again and again while records wait,
/// up to `Limits.ledgerBacklogCount`; `isHealthy` says so meanwhile, so that a daemon can stop taking requests that
/// nobody could be billed for.
///
/// One process may write a ledger; any number may read it (`Bill`). Any thread.
public final class Ledger: Sendable {
    /// What opening found.
    public let recovery: LedgerRecovery
    /// The folder.
    public let path: String

    private let limits: Limits
    private let threads: BlockingThreads
    private let box: WriterBox
    /// Waits before a failed write is tried again.
    private let pause: @Sendable () async -> Void
    private let state: Lock<State>
    /// `isHealthy`, for who need not wait for the lock.
    private let health = Atomic<Bool>(true)

    /// A line on its way to the disk and who waits for it.
    private struct Entry {
        /// Empty for a second record of something that waits already.
        let line: [UInt8]
        let identity: String?
        let done: UnsafeContinuation<LedgerError?, Never>
    }

    private struct State {
        /// In the order of the lines; those that are being written are still among them.
        var waiting: [Entry] = []
        var nextSequence: Int
        var known: LatestIdentities
        var isWriting = false
        var isClosed = false
        var failure: LedgerError?
        var closers: [UnsafeContinuation<Void, Never>] = []
    }

    /// Opens the ledger in a folder, which is made (mode 0700) when there is none.
    ///
    /// - Throws: `inUse` when another process has it open, `diskFull`, `system`.
    public static func open(path: String, limits: Limits = .standard) async throws(LedgerError) -> Ledger {
        try await open(path: path, limits: limits, disk: SystemLedgerDisk()) {
            try? await Task.sleep(for: .milliseconds(limits.ledgerRetry_ms))
        }
    }

    static func open(
        path: String, limits: Limits, disk: any LedgerDisk, pause: @escaping @Sendable () async -> Void
    ) async throws(LedgerError) -> Ledger {
        do throws(SnapshotError) {
            let threads = BlockingThreads.shared
            let box = try await threads.run { () throws(SnapshotError) in
                WriterBox(try LedgerWriter(path: path, disk: disk, limits: limits))
            }
            return Ledger(path, limits, threads, box, pause)
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    private init(
        _ path: String, _ limits: Limits, _ threads: BlockingThreads, _ box: WriterBox,
        _ pause: @escaping @Sendable () async -> Void
    ) {
        (self.path, self.limits, self.threads, self.box, self.pause) = (path, limits, threads, box, pause)
        let writer = box.writer
        recovery = writer.recovery
        state = Lock(
            State(
                nextSequence: writer.nextSequence,
                known: LatestIdentities(writer.recentIdentities, limit: limits.ledgerRememberedCount)))
    }

    /// Whether the disk takes records; false from a failed write to the next one that works.
    public var isHealthy: Bool { health.load(ordering: .relaxed) }

    /// The failure that keeps records waiting, if any.
    public var lastFailure: LedgerError? { state.withLock { $0.failure } }

    /// Records that are not durable yet.
    public var backlogCount: Int { state.withLock { $0.waiting.count } }

    /// Returns when the record is durable. One with an id that is among the latest `Limits.ledgerRememberedCount` is taken
    /// for the same one and not written again; what comes twice from further apart, a bill counts once.
    ///
    /// - Throws: `tooLong`, `backlogFull`, or `closed` when the ledger was closed while the disk took nothing.
    nonisolated(nonsending) public func append(_ record: LedgerRecord) async throws(LedgerError) {
        let failure = await withUnsafeContinuation { (done: UnsafeContinuation<LedgerError?, Never>) in
            switch state.withLock({ take(record, done, &$0) }) {
            case .written: done.resume(returning: nil)
            case .refused(let error): done.resume(returning: error)
            case .waits(let mustStart): if mustStart { startWriting() }
            }
        }
        if let failure { throw failure }
    }

    private enum Taken: Sendable {
        case written
        case refused(LedgerError)
        case waits(mustStart: Bool)
    }

    private func take(
        _ record: LedgerRecord, _ done: UnsafeContinuation<LedgerError?, Never>, _ state: inout State
    ) -> Taken {
        guard !state.isClosed else {
            return .refused(LedgerError(.closed, "nothing can be added to a closed ledger", path: path))
        }
        guard state.waiting.count < limits.ledgerBacklogCount else {
            let why = "\(state.waiting.count) records wait for the disk (\(state.failure?.detail ?? "slow"))"
            return .refused(LedgerError(.backlogFull, why, path: path))
        }
        let identity = record.identity
        if let identity, state.known.contains(identity) {
            // The first may still be on its way to the disk: then this one waits for it, too.
            guard state.waiting.contains(where: { $0.identity == identity }) else { return .written }
            state.waiting.append(Entry(line: [], identity: identity, done: done))
        } else {
            let line = LedgerLine.encode(record, sequence: state.nextSequence)
            guard line.count <= limits.ledgerLineBytes else {
                return .refused(
                    LedgerError(.tooLong, "a record has more than \(limits.ledgerLineBytes) bytes", path: path))
            }
            state.nextSequence += 1
            state.waiting.append(Entry(line: line, identity: identity, done: done))
            if let identity { state.known.insert(identity) }
        }
        let mustStart = !state.isWriting
        state.isWriting = true
        return .waits(mustStart: mustStart)
    }

    /// Writes what waits, tries a last time when the disk is failing, and gives the folder back. Records that could not be
    /// written end with `closed`.
    public func close() async {
        await withUnsafeContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.isWriting { state.closers.append(continuation) }
                return !state.isWriting
            }
            if isIdle { continuation.resume() }
        }
        box.release()
    }

    private func startWriting() {
        threads.start { self.write() }
    }

    /// Runs on a thread that may block until nothing waits, or others need the thread. Only one at a time: `isWriting`.
    private func write() {
        while let (batch, wasClosed) = nextBatch() {
            do throws(SnapshotError) {
                try box.append(batch)
                health.store(true, ordering: .relaxed)
                state.withLock { state in
                    state.failure = nil
                    let written = state.waiting.prefix(batch.count)
                    state.waiting.removeFirst(batch.count)
                    return written
                }.forEach { $0.done.resume(returning: nil) }
                if threads.isWanted { return startWriting() }
            } catch {
                let failure = LedgerError(error, path: path)
                health.store(false, ordering: .relaxed)
                state.withLock { $0.failure = failure }
                guard wasClosed else {
                    Task {
                        await pause()
                        startWriting()
                    }
                    return
                }
                giveUp(failure)
            }
        }
    }

    /// The lines to write next, and whether the ledger was closed by then. When nothing waits, the writing has ended.
    private func nextBatch() -> (lines: [[UInt8]], wasClosed: Bool)? {
        var closers: [UnsafeContinuation<Void, Never>] = []
        defer { for closer in closers { closer.resume() } }
        return state.withLock { state in
            guard state.waiting.isEmpty else {
                return (state.waiting.prefix(limits.ledgerBatchCount).map(\.line), state.isClosed)
            }
            state.isWriting = false
            swap(&closers, &state.closers)
            return nil
        }
    }

    private func giveUp(_ failure: LedgerError) {
        let why = LedgerError(.closed, "closed while the disk took nothing: \(failure.detail)", path: path)
        state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }.forEach { $0.done.resume(returning: why) }
    }
}

/// The writer, handed to a thread for one call at a time.
///
/// `@unchecked Sendable`: `Ledger` never has two calls on their way.
private final class WriterBox: @unchecked Sendable {
    private var open: LedgerWriter?
    var writer: LedgerWriter { open! }

    init(_ writer: LedgerWriter) { open = writer }

    func append(_ lines: [[UInt8]]) throws(SnapshotError) { try open!.append(lines) }

    /// Closes the files and gives the lock back.
    func release() { open = nil }
}
