internal import Glibc
internal import Wire

/// The directories of a store and how files come into them.
///
/// ```
/// gpuservekit-store.json     what this is, and its version
/// collector.lock             held by the collector alone, or shared by whoever adds references; 8 bytes count collections
/// snapshots/ID.json          manifests: a snapshot is committed when its manifest is here. Leases lock it
/// packs/ID.pack, ID.index    chunks, and where they are. A pack without an index is unfinished
/// uploads/ID                 hashes that an upload refers to, locked by the upload
/// temporary/ID               files on their way to another directory, locked by their writer
/// temporary/ID.journal       what an unfinished pack holds so far, locked by its writer
/// trash/ID.json.RANDOM       deleted manifests, kept while a lease holds them
/// ```
struct StoreLayout: Sendable {
    static let version = 1
    private static let marker = "gpuservekit-store.json"

    let root: Descriptor
    let snapshots: Descriptor
    let packs: Descriptor
    let uploads: Descriptor
    let temporary: Descriptor
    let trash: Descriptor
    /// For reading the generation; each user of the lock itself opens it again.
    let collectorLock: Descriptor
    let files: any StoreFiles
    let limits: Limits

    /// Opens the store at `path`, or makes one there when the directory is empty or missing.
    init(path: String, files: any StoreFiles, limits: Limits) throws(SnapshotError) {
        self.files = files
        self.limits = limits
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system("mkdir", file: path) }
        root = try Descriptor(openDirectory: path)
        if let marker = try root.file(StoreLayout.marker) {
            try StoreLayout.check(try marker.contents(limit: 4096), marker.label)
        } else {
            try StoreLayout.make(root, files)
        }
        snapshots = try root.directory("snapshots")
        packs = try root.directory("packs")
        uploads = try root.directory("uploads")
        temporary = try root.directory("temporary")
        trash = try root.directory("trash")
        guard let lock = try root.file("collector.lock", writable: true) else {
            throw SnapshotError(.notAStore, "the store has lost its lock file", file: path + "/collector.lock")
        }
        collectorLock = lock
    }

    private static func check(_ bytes: [UInt8], _ file: String) throws(SnapshotError) {
        let value: JSONValue
        do throws(WireError) {
            value = try JSONValue.parse(bytes)
        } catch {
            throw SnapshotError(.notAStore, error.detail, file: file, offset: error.offset)
        }
        guard value["format"]?.string == "gpuservekit-store", let version = value["version"]?.int, version >= 1 else {
            throw SnapshotError(.notAStore, "this does not describe a snapshot store", file: file)
        }
        guard version <= StoreLayout.version else {
            throw SnapshotError(
                .storeTooNew, "the store has version \(version) and this library knows up to \(StoreLayout.version)",
                file: file)
        }
    }

    /// The marker comes last: a half-made store is made again. Two processes may do it at once.
    private static func make(_ root: Descriptor, _ files: any StoreFiles) throws(SnapshotError) {
        let parts = ["snapshots", "packs", "uploads", "temporary", "trash"]
        let strange = try root.names().first { name in
            !parts.contains(name) && name != "collector.lock" && name != marker && !name.hasPrefix(".new-")
        }
        if let strange {
            throw SnapshotError(
                .notAStore,
                "the directory holds \(SafeName.show(strange)) and is no snapshot store: choose an empty one",
                file: root.label)
        }
        for name in parts { try files.makeDirectory(name, in: root) }
        let temporary = ".new-" + RandomName.make()
        for (name, bytes) in [
            ("collector.lock", [UInt8](repeating: 0, count: 8)),
            (marker, Array("{\"format\": \"gpuservekit-store\", \"version\": \(version)}\n".utf8)),
        ] {
            let file = try files.create(temporary, in: root)
            do throws(SnapshotError) {
                try bytes.withMemory { (memory) throws(SnapshotError) in try files.write(memory, to: file, at: 0) }
                try files.sync(file)
                if !(try files.rename(temporary, in: root, to: name, in: root, replacing: false)) {
                    try files.remove(temporary, in: root)
                }
            } catch {
                _ = unlinkat(root.number, temporary, 0)
                throw error
            }
        }
        try files.sync(root)
    }

    // MARK: Files

    /// Puts a whole file in its place, so that after a crash it is there with all its bytes or not at all.
    ///
    /// Returns false, and changes nothing, when `replacing` is false and there is one.
    @discardableResult
    func publish(
        _ bytes: [UInt8], as name: String, in directory: Descriptor, replacing: Bool
    ) throws(SnapshotError) -> Bool {
        let temporaryName = RandomName.make()
        let file = try files.create(temporaryName, in: temporary)
        // The lock is held until the file is in its place. Closing would give it back too late: a child process that was
        // started meanwhile has inherited the opening, and for readers a locked manifest is one that goes away.
        defer { file.unlock() }
        var isMoved = false
        do throws(SnapshotError) {
            // Against the collector, which takes unlocked files here for leftovers.
            guard try file.tryLock(exclusive: true) else {
                throw SnapshotError(.storeBusy, "a new file is locked by another", file: file.label)
            }
            try bytes.withMemory { (memory) throws(SnapshotError) in try files.write(memory, to: file, at: 0) }
            try files.sync(file)
            isMoved = try files.rename(temporaryName, in: temporary, to: name, in: directory, replacing: replacing)
            if isMoved { try files.sync(directory) }
        } catch {
            _ = unlinkat(temporary.number, temporaryName, 0)
            throw error
        }
        if !isMoved { try files.remove(temporaryName, in: temporary) }
        return isMoved
    }

    /// Runs `body` while the collector is kept out (shared), or while everyone else is (exclusive).
    func withCollectorLock<Result>(
        exclusive: Bool, _ body: () throws(SnapshotError) -> Result
    ) throws(SnapshotError) -> Result {
        guard let lock = try root.file("collector.lock", writable: true) else {
            throw SnapshotError(.notAStore, "the store has lost its lock file", file: collectorLock.label)
        }
        try lock.lock(exclusive: exclusive, limit_ms: limits.storeLock_ms)
        // Closing would do; but a child process may have inherited the opening.
        defer { lock.unlock() }
        return try body()
    }
}

/// Names for new files: 128 random bits.
enum RandomName {
    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        return Hex.text(generator.next()) + Hex.text(generator.next())
    }
}

extension [UInt8] {
    /// The bytes as `Memory` for the length of a call.
    func withMemory<Result>(_ body: (Memory) throws(SnapshotError) -> Result) throws(SnapshotError) -> Result {
        let outcome: Swift.Result<Result, SnapshotError> = withUnsafeBytes { buffer in
            do throws(SnapshotError) {
                return .success(try body(Memory(buffer)))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}
