import Synchronization
import Transport
public import Wire

/// The decision log: JSON Lines, one line a request, written by a thread of its own.
///
/// A request never waits for the disk: its line is copied into a bounded queue under one lock. When the disk is full
/// or the queue is, requests go on; lines that find no room are counted, the writer tries again until it can go on,
/// and ``status`` says so. Lines reach the file within `gathering_ms`; a process that is killed loses at most those.
/// One writer per path. Any thread may append.
public final class DecisionLog: Sendable {
    /// Where and how to write.
    public struct Configuration: Sendable, Hashable {
        /// The file. Created with mode 0600; its directory must exist.
        public var path: String
        /// Size at which the file is moved to `path.1` and a new one begun.
        public var maxFileBytes: Int
        /// Moved files that are kept, `path.1` being the newest; 1 or more.
        public var keptFilesCount: Int
        /// How long the writer gathers lines before it writes them.
        public var gathering_ms: Int
        /// How long the writer waits after a failure.
        public var retry_ms: Int

        /// Where and how to write.
        public init(
            path: String, maxFileBytes: Int = 256 * 1024 * 1024, keptFilesCount: Int = 8, gathering_ms: Int = 200,
            retry_ms: Int = 1_000
        ) {
            precondition(maxFileBytes > 0 && keptFilesCount > 0 && gathering_ms >= 0 && retry_ms > 0)
            self.path = path
            self.maxFileBytes = maxFileBytes
            self.keptFilesCount = keptFilesCount
            self.gathering_ms = gathering_ms
            self.retry_ms = retry_ms
        }
    }

    /// How the log is doing.
    public struct Status: Sendable, Hashable {
        /// Lines handed to the file system.
        public internal(set) var writtenCount = 0
        /// Lines lost: the queue was full, or the log was closed while nothing could be written.
        public internal(set) var droppedCount = 0
        /// Bytes waiting for the writer.
        public internal(set) var queuedBytes = 0
        /// Whether the latest write failed, so that lines are piling up.
        public internal(set) var isFailing = false
        /// The latest failure, kept after recovery.
        public internal(set) var lastError: LogError?
        /// Failed system calls of the writer, retries included.
        public internal(set) var errorsCount = 0
        /// Times writing worked again after failures.
        public internal(set) var recoveriesCount = 0
        /// Files moved away because they were full.
        public internal(set) var rotationsCount = 0

        mutating func note(_ error: LogError) {
            lastError = error
            errorsCount += 1
            if error.operation == .open || error.operation == .write { isFailing = true }
        }

        mutating func noteSuccess(_ rotationError: LogError?) {
            if isFailing { recoveriesCount += 1 }
            isFailing = false
            if let rotationError { note(rotationError) }
        }
    }

    private let mailbox: LogMailbox
    private let thread: Lock<LogThread?>
    private let limits: Limits

    /// Opens the file and starts the writer. Throws when the file cannot be opened: a wrong path is better found at
    /// the start than in the counters.
    public convenience init(_ configuration: Configuration, limits: Limits = .standard) throws(LogError) {
        try self.init(configuration, limits: limits, files: SystemLogFiles())
    }

    init(_ configuration: Configuration, limits: Limits, files: any LogFiles) throws(LogError) {
        let writer = try LogWriter(
            path: configuration.path, maxFileBytes: configuration.maxFileBytes,
            keptFilesCount: configuration.keptFilesCount, files: files)
        mailbox = LogMailbox(queueBytes: limits.logQueueBytes)
        self.limits = limits
        thread = Lock(
            try LogThread(
                writer, mailbox, gathering_ms: configuration.gathering_ms, retry_ms: configuration.retry_ms))
    }

    deinit { close() }

    /// Leaves a line for the writer; `false`, counted in ``Status/droppedCount``, when the queue is full or the log
    /// is closed. Never waits for the disk.
    @discardableResult
    public func append(_ record: borrowing LogRecord) -> Bool {
        var line = ByteWriter(capacity: 4_096)
        record.appendLine(to: &line, limits: limits)
        return line.withSpan { mailbox.append($0) }
    }

    /// As ``append(_:)``, for a line that is whole already, its line feed included.
    func append(line: borrowing [UInt8]) -> Bool { mailbox.append(line.span) }

    /// How the log is doing.
    public var status: Status { mailbox.status() }

    /// Waits until what was appended before is written or lost; `false` when that takes longer than `timeout_ms`.
    /// Blocks its thread: for shutdown and tests, not for an event loop.
    @discardableResult
    public func flush(timeout_ms: Int = 5_000) -> Bool {
        mailbox.flush(timeout_ms: timeout_ms)
    }

    /// Writes what is left, with one last try when the disk is failing, and ends the writer. Later lines are dropped
    /// and counted. Blocks its thread; a second call returns at once.
    public func close() {
        mailbox.startClosing()
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }
}
