internal import CPosix
internal import Glibc
internal import Wire

/// The files of a ledger and the end of the last one: opened, mended, appended to. One thread at a time.
struct LedgerWriter {
    private let directory: Descriptor
    /// Held for as long as the ledger is open.
    private let lock: Descriptor
    private let disk: any LedgerDisk
    private let limits: Limits
    private var file: Descriptor
    private var fileNumber: Int
    /// Everything before is durable.
    private var end: Int
    /// Set by a failure: bytes beyond `end` may be in the file.
    private var isTorn = false

    /// The number that the first new record gets.
    let nextSequence: Int
    /// What opening found.
    let recovery: LedgerRecovery
    /// Identities of the latest records, oldest first.
    let recentIdentities: [String]

    /// Opens the ledger in the folder at `path`, which is made when there is none, and cuts a tail that a crash left.
    init(path: String, disk: any LedgerDisk, limits: Limits) throws(SnapshotError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system("mkdir", file: path) }
        directory = try Descriptor(openDirectory: path)
        if let found = try directory.file("lock", writable: true) {
            lock = found
        } else {
            lock = try SystemStoreFiles().create("lock", in: directory)
        }
        guard try lock.tryLock(exclusive: true) else {
            throw SnapshotError(.storeBusy, "another process writes this ledger; stop it first", file: path)
        }
        self.disk = disk
        self.limits = limits
        let numbers = try directory.names().compactMap { LedgerFileName.number($0) }.sorted()
        guard let last = numbers.last else {
            file = try disk.create(LedgerFileName.text(1), in: directory)
            (fileNumber, end, nextSequence, recentIdentities) = (1, 0, 1, [])
            recovery = LedgerRecovery()
            return
        }
        let name = LedgerFileName.text(last)
        guard let opened = try directory.file(name, writable: true) else {
            throw SnapshotError(.system, "it went away while the ledger was opened", file: path + "/" + name)
        }
        let bytes = try opened.contents(limit: limits.ledgerFileBytes + limits.ledgerLineBytes)
        let scan = LedgerScan(bytes)
        var recovery = LedgerRecovery()
        recovery.damagedLines = scan.damagedOffsets.map { "\(name) at byte \($0)" }
        if scan.goodEnd < bytes.count {
            // Kept aside first: a tail may be worth a look, and cutting it must not be the loss of it.
            let aside = try disk.create("\(name).cut-\(scan.goodEnd)-\(RandomName.make())", in: directory)
            try disk.write(Array(bytes[scan.goodEnd...]), to: aside, at: 0)
            try disk.sync(aside)
            try disk.truncate(opened, to: scan.goodEnd)
            try disk.sync(opened)
            recovery.cut =
                "\(bytes.count - scan.goodEnd) bytes after the last good record of \(name), at byte "
                + "\(scan.goodEnd), were cut and are kept in \(aside.label)"
        }
        (file, fileNumber, end) = (opened, last, scan.goodEnd)
        recentIdentities = scan.records.suffix(limits.ledgerRememberedCount).compactMap(\.record.identity)
        var sequence = scan.records.last?.sequence
        if sequence == nil, numbers.count > 1 {
            // An empty last file: the numbers go on where the one before it ended.
            sequence = try LedgerWriter.read(directory, numbers[numbers.count - 2], limits).records.last?.sequence
        }
        nextSequence = (sequence ?? 0) + 1
        self.recovery = recovery
    }

    /// Writes the lines and makes them durable. After a failure none of them counts; the same call may be tried again.
    mutating func append(_ lines: [[UInt8]]) throws(SnapshotError) {
        if isTorn {
            try disk.truncate(file, to: end)
            isTorn = false
        }
        if end >= limits.ledgerFileBytes {
            file = try disk.create(LedgerFileName.text(fileNumber + 1), in: directory)
            fileNumber += 1
            end = 0
        }
        let bytes = Array(lines.joined())
        isTorn = true
        try disk.write(bytes, to: file, at: end)
        try disk.sync(file)
        isTorn = false
        end += bytes.count
    }

    static func read(_ directory: Descriptor, _ number: Int, _ limits: Limits) throws(SnapshotError) -> LedgerScan {
        guard let file = try directory.file(LedgerFileName.text(number)) else { return LedgerScan([]) }
        return LedgerScan(try file.contents(limit: limits.ledgerFileBytes + limits.ledgerLineBytes))
    }
}
