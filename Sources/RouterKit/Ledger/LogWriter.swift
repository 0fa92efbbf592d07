/// Writes whole lines to the log file and rotates it. Lives on the log's thread; knows neither locks nor clocks.
///
/// After a failure it keeps what is not written yet, down to the byte, and goes on there at the next try: a disk
/// that is full in the middle of a line costs no line. When the file is replaced meanwhile, the line that was cut
/// is written again in full, so that at most the old file holds a damaged one.
struct LogWriter {
    let path: String
    let maxFileBytes: Int
    let keptFilesCount: Int
    private let files: any LogFiles

    private var file: OpenLogFile?
    private var batch: [UInt8] = []
    /// How much of `batch` is written.
    private var offset = 0
    private(set) var rotationsCount = 0
    /// The latest failure to rotate; cleared by the next success. The log goes on in the same file meanwhile.
    private(set) var rotationError: LogError?
    /// Set by a failed rotation until the next batch, so that it is not tried for every line.
    private var isRotationPaused = false

    /// Opens the file, so that a wrong path is found at the start.
    init(path: String, maxFileBytes: Int, keptFilesCount: Int, files: any LogFiles) throws(LogError) {
        self.path = path
        self.maxFileBytes = maxFileBytes
        self.keptFilesCount = keptFilesCount
        self.files = files
        file = try files.open(path)
    }

    /// Whether something is left to write.
    var hasBacklog: Bool { offset < batch.count }

    /// Lines that are not completely written.
    var backlogLinesCount: Int { batch[offset...].count { $0 == UInt8(ascii: "\n") } }

    /// Takes whole lines; what was taken before must have been written.
    mutating func take(_ lines: consuming [UInt8]) {
        precondition(!hasBacklog, "a batch was taken before the last one was written")
        batch = lines
        offset = 0
        isRotationPaused = false
    }

    /// Gives the written batch's memory back for reuse.
    mutating func reclaim() -> [UInt8] {
        precondition(!hasBacklog, "a batch was given up before it was written")
        var memory: [UInt8] = []
        swap(&memory, &batch)
        offset = 0
        memory.removeAll(keepingCapacity: true)
        return memory
    }

    /// Writes the backlog; on a failure the rest stays for the next call.
    mutating func write() throws(LogError) {
        guard hasBacklog else { return }
        followPath()
        while hasBacklog {
            rotateIfFull()
            if file == nil { try open() }
            try mendEnd()
            try writeChunk(upTo: chunkEnd())
        }
    }

    /// Makes durable what was written and closes the file.
    mutating func close() throws(LogError) {
        guard let open = file else { return }
        file = nil
        defer { files.close(open) }
        try files.sync(open, path: path)
    }

    private mutating func open() throws(LogError) {
        file = try files.open(path)
        // A line that was cut in the file before this one is written again in full.
        while !isBetweenLines { offset -= 1 }
    }

    /// Someone may have moved or deleted the file (logrotate does): then a new one must be begun, or the lines would
    /// go where nobody looks.
    private mutating func followPath() {
        guard let open = file, files.identity(of: path) != open.identity else { return }
        files.close(open)
        file = nil
    }

    /// An earlier process may have been cut off in the middle of a line: one damaged line must not become two.
    private mutating func mendEnd() throws(LogError) {
        guard let open = file, open.endsMidLine else { return }
        let lineFeed = [UInt8(ascii: "\n")]
        let count = try files.write(lineFeed.span, to: open, path: path)
        file?.sizeBytes += count
        file?.endsMidLine = false
    }

    private var isBetweenLines: Bool { offset == 0 || batch[offset - 1] == UInt8(ascii: "\n") }

    /// End of the longest run of whole lines that fits the file; one line at least.
    private func chunkEnd() -> Int {
        let room = max(0, maxFileBytes - (file?.sizeBytes ?? 0))
        if isRotationPaused || batch.count - offset <= room { return batch.count }
        var end = offset + room
        while end > offset, batch[end - 1] != UInt8(ascii: "\n") { end -= 1 }
        if end > offset { return end }
        end = offset
        while end < batch.count, batch[end] != UInt8(ascii: "\n") { end += 1 }
        return min(end + 1, batch.count)
    }

    private mutating func writeChunk(upTo end: Int) throws(LogError) {
        guard let open = file else { preconditionFailure("a write without a file") }
        while offset < end {
            let count = try files.write(batch.span.extracting(offset..<end), to: open, path: path)
            file?.sizeBytes += count
            offset += count
        }
    }
}

// MARK: Rotation

extension LogWriter {
    /// Moves a full file away between two lines: `log` to `log.1`, `log.1` to `log.2`, the oldest overwritten.
    private mutating func rotateIfFull() {
        guard let open = file, open.sizeBytes > 0, isBetweenLines, !isRotationPaused,
            open.sizeBytes + nextLineBytes > maxFileBytes
        else { return }
        do throws(LogError) {
            if keptFilesCount > 1 {
                for number in stride(from: keptFilesCount - 1, through: 1, by: -1)
                where files.identity(of: "\(path).\(number)") != nil {
                    try files.rename("\(path).\(number)", to: "\(path).\(number + 1)")
                }
            }
            try files.rename(path, to: "\(path).1")
            files.close(open)
            file = nil
            rotationsCount += 1
            rotationError = nil
        } catch {
            rotationError = error
            isRotationPaused = true
        }
    }

    private var nextLineBytes: Int {
        let end = batch[offset...].firstIndex(of: UInt8(ascii: "\n")) ?? batch.count - 1
        return end + 1 - offset
    }
}
