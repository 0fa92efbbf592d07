internal import CPosix
internal import Glibc
internal import Wire

/// The directory in which a daemon keeps what it must not forget. Each fact is one small file that is replaced as a whole
/// and is on disk when the call returns, so a crash leaves the fact before or the fact after it.
///
/// ```
/// serve.lock                held while a daemon runs
/// key                       the key of the interface, 0600
/// keys.json                 what the keys of clients are recognized by, 0600
/// address                   where the daemon listens
/// ledger/                   what was served
/// store/                    snapshots of GPUServeKit
/// deployments/NAME/spec.json
/// deployments/NAME/replica-N.json    the engine's process, port and tier
/// deployments/NAME/replica-N.log     what it printed
/// deployments/NAME/image-N/          an image of its process
/// deployments/NAME/image-N.json      how that is restored; written last
/// deployments/NAME/memory.json       the canary's answer and what waking took
/// ```
public final class StateDirectory: Sendable {
    /// The path, absolute.
    public let path: String
    private let root: Descriptor
    private let lock: Descriptor
    private let files = SystemStoreFiles()
    private static let longestFileBytes = 1024 * 1024

    /// Opens or makes a state directory, and takes it for this process.
    ///
    /// - Throws: `stateBusy` when another daemon has it, `stateUnusable` when it cannot be read or written.
    public init(path: String) throws(ServeError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw Self.unusable("\(path) cannot be made", errno) }
        guard let resolved = realpath(path, nil) else { throw Self.unusable(path, errno) }
        self.path = String(cString: resolved)
        free(resolved)
        let descriptor = open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.unusable(path, errno) }
        root = Descriptor(descriptor, label: self.path)
        let file = cposix_open_at(descriptor, "serve.lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Self.unusable("\(path)/serve.lock", errno) }
        lock = Descriptor(file, label: self.path + "/serve.lock")
        guard cposix_try_lock(file, 1) == 0 else {
            throw ServeError(
                .stateBusy, "another gpuserve serves \(self.path); stop it, or give --state another directory")
        }
        try mapped { () throws(SnapshotError) in
            try files.makeDirectory("deployments", in: root)
            try files.makeDirectory("store", in: root)
        }
    }

    private static func unusable(_ what: String, _ code: Int32) -> ServeError {
        ServeError(.stateUnusable, "\(what): \(String(cString: strerror(code)))")
    }

    private func mapped<Result>(_ body: () throws(SnapshotError) -> Result) throws(ServeError) -> Result {
        do throws(SnapshotError) {
            return try body()
        } catch {
            throw ServeError(.stateUnusable, "\(error)")
        }
    }

    // MARK: Places

    /// Where snapshots of GPUServeKit are kept.
    public var storePath: String { path + "/store" }

    /// A deployment's directory.
    public func directory(of name: String) -> String { "\(path)/deployments/\(name)" }

    /// The file that a replica's engine prints into.
    public func logPath(_ name: String, replica: Int) -> String { directory(of: name) + "/replica-\(replica).log" }

    // MARK: Facts

    /// The key of the interface; made when there is none.
    public func key() throws(ServeError) -> String {
        let known = try mapped { () throws(SnapshotError) in
            try root.file("key")?.contents(limit: 256)
        }
        if let known, known.count >= 32 { return String(decoding: known.prefix { $0 > 0x20 }, as: UTF8.self) }
        let key = Self.secret(prefix: "gsk_")
        try write(Array(key.utf8), to: "key")
        return key
    }

    /// A new secret of 192 random bits.
    static func secret(prefix: String) -> String {
        var random = [UInt8](repeating: 0, count: 24)
        let status = random.withUnsafeMutableBytes { getentropy($0.baseAddress!, $0.count) }
        precondition(status == 0, "getentropy failed: errno \(errno)")
        return prefix + SHA256.hex(random)
    }

    /// A file of the directory itself; nil when there is none.
    func read(_ file: String) throws(ServeError) -> [UInt8]? {
        try mapped { () throws(SnapshotError) in try root.file(file)?.contents(limit: Self.longestFileBytes) }
    }

    /// Replaces a file of the directory itself, which nobody else may read (mode 0600).
    func write(_ bytes: [UInt8], to file: String) throws(ServeError) {
        try mapped { () throws(SnapshotError) in try replace(file, in: root, bytes) }
    }

    /// Says where the daemon of this directory listens, for `announced`.
    public func announce(_ address: String) throws(ServeError) {
        try write(Array(address.utf8), to: "address")
    }

    /// Where a daemon of this directory listens or listened last, and its key; nil when there was none, or it cannot be read.
    /// For other programs, which do not hold the directory.
    public static func announced(path: String) -> (address: String, key: String)? {
        func text(_ file: String) -> String? {
            let bytes = ProcessStat.read(path + "/" + file, limit: 256)
            return bytes.map { String(decoding: $0.prefix { $0 > 0x20 }, as: UTF8.self) }
        }
        guard let address = text("address"), let key = text("key") else { return nil }
        return (address, key)
    }

    /// The names of all deployments.
    public func deployments() throws(ServeError) -> [String] {
        try mapped { () throws(SnapshotError) in
            try root.directory("deployments").names().filter { DeploymentSpec.problem(withName: $0) == nil }
        }
    }

    /// A file of a deployment; nil when there is none.
    public func read(_ file: String, of name: String) throws(ServeError) -> [UInt8]? {
        try mapped { () throws(SnapshotError) in
            try root.directory("deployments").directory(name).file(file)?.contents(limit: Self.longestFileBytes)
        }
    }

    /// Replaces a file of a deployment, and makes its directory.
    ///
    /// - Parameter isSynced: whether it must outlive a crash of the machine, and not only one of this program.
    public func write(
        _ bytes: [UInt8], to file: String, of name: String, isSynced: Bool = true
    ) throws(ServeError) {
        try mapped { () throws(SnapshotError) in
            let all = try root.directory("deployments")
            try files.makeDirectory(name, in: all)
            try replace(file, in: try all.directory(name), bytes, isSynced: isSynced)
        }
    }

    /// Removes a file of a deployment; one that is gone already is no error.
    public func remove(_ file: String, of name: String) throws(ServeError) {
        try mapped { () throws(SnapshotError) in
            try files.remove(file, in: try root.directory("deployments").directory(name))
        }
    }

    /// Removes all that is known of a deployment: first what makes it one, so that a crash in between leaves no half of it.
    public func removeDeployment(_ name: String) throws(ServeError) {
        try mapped { () throws(SnapshotError) in
            let all = try root.directory("deployments")
            let directory = try all.directory(name)
            try files.remove("spec.json", in: directory)
            try files.sync(directory)
            for file in try directory.names() {
                guard let images = try? directory.directory(file) else {
                    try files.remove(file, in: directory)
                    continue
                }
                for image in try images.names() { try files.remove(image, in: images) }
                guard unlinkat(directory.number, file, AT_REMOVEDIR) == 0 else {
                    throw .system("rmdir", file: images.label)
                }
            }
            guard unlinkat(all.number, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
                throw .system("rmdir", file: directory.label)
            }
        }
    }

    private func replace(
        _ name: String, in directory: Descriptor, _ bytes: [UInt8], isSynced: Bool = true
    ) throws(SnapshotError) {
        let draft = name + ".new"
        try files.remove(draft, in: directory)
        let file = try files.create(draft, in: directory)
        try bytes.withMemory { (memory) throws(SnapshotError) in try files.write(memory, to: file, at: 0) }
        if isSynced { try files.sync(file) }
        _ = try files.rename(draft, in: directory, to: name, in: directory, replacing: true)
        if isSynced { try files.sync(directory) }
    }
}
