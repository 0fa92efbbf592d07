internal import Glibc
internal import Synchronization
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
/// One process may write a ledger; any number may read it (`Bill`).
public actor Ledger {
    /// What opening found.
    public nonisolated let recovery: LedgerRecovery
    /// The folder.
    public nonisolated let path: String

    private let limits: Limits
    private let threads: BlockingThreads
    private let box: WriterBox
    /// Waits before a failed write is tried again.
    private let pause: @Sendable () async -> Void

    private var waiting: [(record: LedgerRecord, done: UnsafeContinuation<LedgerError?, Never>)] = []
    private var isWriting = false
    private var isClosed = false
    private var failure: LedgerError? {
        didSet { health.store(failure == nil, ordering: .relaxed) }
    }
    /// `isHealthy`, for who cannot wait for the actor.
    private nonisolated let health = Atomic<Bool>(true)
    private var remembered: Set<String> = []
    private var order: [String] = []
    private var oldest = 0
    private var closers: [UnsafeContinuation<Void, Never>] = []

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
        recovery = box.writer.recovery
        order = box.writer.recentIdentities
        remembered = Set(order)
    }

    /// Whether the disk takes records; false from a failed write to the next one that works.
    public nonisolated var isHealthy: Bool { health.load(ordering: .relaxed) }

    /// The failure that keeps records waiting, if any.
    public var lastFailure: LedgerError? { failure }

    /// Records that are not durable yet.
    public var backlogCount: Int { waiting.count }

    /// Returns when the record is durable. One with an id that is among the latest `Limits.ledgerRememberedCount` is taken
    /// for the same one and not written again; what comes twice from further apart, a bill counts once.
    ///
    /// - Throws: `tooLong`, `backlogFull`, or `closed` when the ledger was closed while the disk took nothing.
    public func append(_ record: LedgerRecord) async throws(LedgerError) {
        guard !isClosed else { throw LedgerError(.closed, "nothing can be added to a closed ledger", path: path) }
        guard LedgerLine.encode(record, sequence: .max).count <= limits.ledgerLineBytes else {
            throw LedgerError(.tooLong, "a record has more than \(limits.ledgerLineBytes) bytes", path: path)
        }
        guard waiting.count < limits.ledgerBacklogCount else {
            throw LedgerError(
                .backlogFull, "\(waiting.count) records wait for the disk (\(failure?.detail ?? "slow"))", path: path)
        }
        if let identity = record.identity, remembered.contains(identity) {
            // The first may still be on its way to the disk: then this one waits for it, too.
            guard waiting.contains(where: { $0.record.identity == identity }) else { return }
        }
        let failure = await withUnsafeContinuation { continuation in
            waiting.append((record, continuation))
            if let identity = record.identity { remember(identity) }
            if !isWriting {
                isWriting = true
                Task { await self.write() }
            }
        }
        if let failure { throw failure }
    }

    /// Writes what waits, tries a last time when the disk is failing, and gives the folder back. Records that could not be
    /// written end with `closed`.
    public func close() async {
        isClosed = true
        if isWriting { await withUnsafeContinuation { closers.append($0) } }
        box.release()
    }

    private func remember(_ identity: String) {
        guard remembered.insert(identity).inserted else { return }
        order.append(identity)
        while order.count - oldest > limits.ledgerRememberedCount {
            remembered.remove(order[oldest])
            oldest += 1
        }
        if oldest > limits.ledgerRememberedCount {
            order.removeFirst(oldest)
            oldest = 0
        }
    }

    /// Runs until nothing waits. Only one at a time: `isWriting`.
    private func write() async {
        while !waiting.isEmpty {
            let batch = waiting.prefix(limits.ledgerBatchCount)
            let wasClosed = isClosed
            do throws(SnapshotError) {
                let records = LedgerWriterBatch.distinct(batch.map(\.record))
                let box = box
                try await threads.run { () throws(SnapshotError) in try box.append(records) }
                failure = nil
                waiting.removeFirst(batch.count)
                for entry in batch { entry.done.resume(returning: nil) }
            } catch {
                failure = LedgerError(error, path: path)
                if wasClosed {
                    giveUp()
                } else {
                    await pause()
                }
            }
        }
        isWriting = false
        for closer in closers { closer.resume() }
        closers = []
    }

    private func giveUp() {
        let why = LedgerError(.closed, "closed while the disk took nothing: \(failure?.detail ?? "")", path: path)
        for entry in waiting { entry.done.resume(returning: why) }
        waiting = []
    }
}

enum LedgerWriterBatch {
    /// Without second records of one thing.
    static func distinct(_ records: [LedgerRecord]) -> [LedgerRecord] {
        var seen: Set<String> = []
        return records.filter { record in
            guard let identity = record.identity else { return true }
            return seen.insert(identity).inserted
        }
    }
}

/// The writer, handed to a thread for one call at a time.
///
/// `@unchecked Sendable`: `Ledger` never has two calls on their way.
private final class WriterBox: @unchecked Sendable {
    private var open: LedgerWriter?
    var writer: LedgerWriter { open! }

    init(_ writer: LedgerWriter) { open = writer }

    func append(_ records: [LedgerRecord]) throws(SnapshotError) { try open!.append(records) }

    /// Closes the files and gives the lock back.
    func release() { open = nil }
}
