import Glibc

/// Tells two files apart even when they had the same name in turn.
struct FileIdentity: Sendable, Hashable {
    let device: UInt64
    let inode: UInt64
}

/// A log file open for appending.
struct OpenLogFile: Sendable, Hashable {
    let descriptor: Int32
    var sizeBytes: Int
    /// The file ends in the middle of a line: its last writer was cut off.
    var endsMidLine: Bool
    let identity: FileIdentity
}

/// The system calls of the log's writer: a seam, so that each can be made to fail.
protocol LogFiles: Sendable {
    /// Opens for appending; creates with mode 0600, because receipts tell who asked what.
    func open(_ path: String) throws(LogError) -> OpenLogFile
    /// Writes some of `bytes`, at least one.
    func write(_ bytes: Span<UInt8>, to file: OpenLogFile, path: String) throws(LogError) -> Int
    func rename(_ path: String, to target: String) throws(LogError)
    /// What `path` names now; `nil` when it names nothing.
    func identity(of path: String) -> FileIdentity?
    func sync(_ file: OpenLogFile, path: String) throws(LogError)
    func close(_ file: OpenLogFile)
}

/// The real calls. The only place of the ledger with file descriptors and pointers.
struct SystemLogFiles: LogFiles {
    func open(_ path: String) throws(LogError) -> OpenLogFile {
        // Readable too, for the look at the last byte. Not blocking: a FIFO without a reader must not hang us.
        let descriptor = Glibc.open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw LogError(.open, path) }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else {
            let error = LogError(.open, path)
            _ = Glibc.close(descriptor)
            throw error
        }
        var last: UInt8 = UInt8(ascii: "\n")
        if info.st_size > 0 { _ = pread(descriptor, &last, 1, info.st_size - 1) }
        return OpenLogFile(
            descriptor: descriptor, sizeBytes: Int(info.st_size), endsMidLine: last != UInt8(ascii: "\n"),
            identity: FileIdentity(device: UInt64(info.st_dev), inode: UInt64(info.st_ino)))
    }

    func write(_ bytes: Span<UInt8>, to file: OpenLogFile, path: String) throws(LogError) -> Int {
        while true {
            let count = bytes.withUnsafeBytes { Glibc.write(file.descriptor, $0.baseAddress, $0.count) }
            if count > 0 { return count }
            if count == 0 { throw LogError(.write, path, systemError: ENOSPC) }
            if errno != EINTR { throw LogError(.write, path) }
        }
    }

    func rename(_ path: String, to target: String) throws(LogError) {
        guard Glibc.rename(path, target) == 0 else { throw LogError(.rotate, path) }
    }

    func identity(of path: String) -> FileIdentity? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        return FileIdentity(device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
    }

    func sync(_ file: OpenLogFile, path: String) throws(LogError) {
        // A pipe or a terminal cannot be synced, and need not be.
        if fdatasync(file.descriptor) != 0, errno != EINVAL, errno != EROFS { throw LogError(.sync, path) }
    }

    func close(_ file: OpenLogFile) {
        _ = Glibc.close(file.descriptor)
    }
}

extension LogError {
    /// The error of the call that just failed on this thread.
    init(_ operation: Operation, _ path: String) {
        self.init(operation, path, systemError: errno)
    }

    /// An error with the system's words for it.
    init(_ operation: Operation, _ path: String, systemError: Int32) {
        let reason = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer -> String in
            strerror_r(systemError, buffer.baseAddress!, buffer.count) == 0
                ? String(cString: buffer.baseAddress!) : "error \(systemError)"
        }
        self.init(operation: operation, path: path, systemError: systemError, reason: reason)
    }
}
