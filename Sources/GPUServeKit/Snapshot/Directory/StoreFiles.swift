internal import CPosix
internal import Glibc

/// An open file or directory; the descriptor, and with it a lock, goes with the value.
final class Descriptor: Sendable {
    let number: Int32
    /// For errors.
    let label: String

    init(_ number: Int32, label: String) {
        self.number = number
        self.label = label
    }

    deinit { close(number) }
}

/// The system calls with which a directory store changes things: a seam, so that each can be made to fail.
///
/// Names are relative to an open directory, and none is followed when it is a symbolic link.
protocol StoreFiles: Sendable {
    /// Makes a new file, mode 0600, open for reading and writing. Fails when there is one.
    func create(_ name: String, in directory: Descriptor) throws(SnapshotError) -> Descriptor
    /// Makes a directory, mode 0700; one that is there already is no error.
    func makeDirectory(_ name: String, in directory: Descriptor) throws(SnapshotError)
    func write(_ memory: Memory, to file: Descriptor, at offset: Int) throws(SnapshotError)
    func sync(_ file: Descriptor) throws(SnapshotError)
    /// False when `replacing` is false and the target is there.
    func rename(
        _ name: String, in directory: Descriptor, to target: String, in targetDirectory: Descriptor, replacing: Bool
    ) throws(SnapshotError) -> Bool
    /// One that is gone already is no error.
    func remove(_ name: String, in directory: Descriptor) throws(SnapshotError)
    func punchHole(_ range: Range<Int>, in file: Descriptor) throws(SnapshotError)
}

/// The real calls.
struct SystemStoreFiles: StoreFiles {
    func create(_ name: String, in directory: Descriptor) throws(SnapshotError) -> Descriptor {
        let label = directory.label + "/" + name
        let number = cposix_open_at(directory.number, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
        guard number >= 0 else { throw .system("open", file: label) }
        return Descriptor(number, label: label)
    }

    func makeDirectory(_ name: String, in directory: Descriptor) throws(SnapshotError) {
        guard mkdirat(directory.number, name, 0o700) == 0 || errno == EEXIST else {
            throw .system("mkdir", file: directory.label + "/" + name)
        }
    }

    func write(_ memory: Memory, to file: Descriptor, at offset: Int) throws(SnapshotError) {
        var done = 0
        while done < memory.count {
            let count = pwrite(file.number, memory.base! + done, memory.count - done, off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("pwrite", file: file.label)
            }
            done += count
        }
    }

    func sync(_ file: Descriptor) throws(SnapshotError) {
        guard fsync(file.number) == 0 else { throw .system("fsync", file: file.label) }
    }

    func rename(
        _ name: String, in directory: Descriptor, to target: String, in targetDirectory: Descriptor, replacing: Bool
    ) throws(SnapshotError) -> Bool {
        let status =
            replacing
            ? renameat(directory.number, name, targetDirectory.number, target)
            : cposix_rename_new(directory.number, name, targetDirectory.number, target)
        if status == 0 { return true }
        if errno == EEXIST, !replacing { return false }
        throw .system("rename", file: targetDirectory.label + "/" + target)
    }

    func remove(_ name: String, in directory: Descriptor) throws(SnapshotError) {
        guard unlinkat(directory.number, name, 0) == 0 || errno == ENOENT else {
            throw .system("unlink", file: directory.label + "/" + name)
        }
    }

    func punchHole(_ range: Range<Int>, in file: Descriptor) throws(SnapshotError) {
        guard cposix_punch_hole(file.number, Int64(range.lowerBound), Int64(range.count)) == 0 || errno == EOPNOTSUPP
        else {
            throw .system("fallocate", file: file.label)
        }
    }
}

/// Reading calls and locks, which need no seam: what they find is made by hand in tests.
extension Descriptor {
    /// Opens the directory at a path.
    convenience init(openDirectory path: String) throws(SnapshotError) {
        let number = cposix_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0)
        guard number >= 0 else { throw .system("open", file: path) }
        self.init(number, label: path)
    }

    /// Opens a directory inside this one.
    func directory(_ name: String) throws(SnapshotError) -> Descriptor {
        let label = label + "/" + name
        let found = cposix_open_at(number, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
        guard found >= 0 else {
            // What the kernel answers for a link where a directory was asked for.
            if errno == ENOTDIR {
                throw SnapshotError(.unsafePath, "not a directory, or a symbolic link to one", file: label)
            }
            throw .system("open", file: label)
        }
        return Descriptor(found, label: label)
    }

    /// Opens a plain file inside this directory for reading, or also for writing; nil when there is none.
    func file(_ name: String, writable: Bool = false) throws(SnapshotError) -> Descriptor? {
        let label = label + "/" + name
        let found = cposix_open_at(number, name, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK, 0)
        guard found >= 0 else {
            if errno == ENOENT { return nil }
            throw .system("open", file: label)
        }
        let file = Descriptor(found, label: label)
        guard try file.status().st_mode & S_IFMT == S_IFREG else {
            throw SnapshotError(.unsafePath, "not a plain file", file: label)
        }
        return file
    }

    func status() throws(SnapshotError) -> stat {
        var info = stat()
        guard fstat(number, &info) == 0 else { throw .system("fstat", file: label) }
        return info
    }

    /// The names in this directory.
    func names() throws(SnapshotError) -> [String] {
        // A descriptor of its own: reading moves a position that all duplicates share.
        let copy = cposix_open_at(number, ".", O_RDONLY | O_DIRECTORY, 0)
        guard copy >= 0, let stream = fdopendir(copy) else { throw .system("opendir", file: label) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The whole file, of at most `limit` bytes.
    func contents(limit: Int) throws(SnapshotError) -> [UInt8] {
        let byteCount = Int(try status().st_size)
        guard byteCount <= limit else {
            throw SnapshotError(.tooLarge, "\(byteCount) bytes where at most \(limit) are allowed", file: label)
        }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        var done = 0
        while done < byteCount {
            let count = bytes.withUnsafeMutableBytes {
                pread(number, $0.baseAddress! + done, byteCount - done, off_t(done))
            }
            if count < 0, errno != EINTR { throw .system("pread", file: label) }
            if count == 0 { break }
            done += max(count, 0)
        }
        bytes.removeLast(byteCount - done)
        return bytes
    }

    /// Takes a lock that goes with this opening of the file; false when another holds it.
    func tryLock(exclusive: Bool) throws(SnapshotError) -> Bool {
        if cposix_try_lock(number, exclusive ? 1 : 0) == 0 { return true }
        guard errno == EWOULDBLOCK || errno == EINTR else { throw .system("flock", file: label) }
        return false
    }

    /// The same, waiting up to `limit_ms`. Throws `storeBusy`.
    func lock(exclusive: Bool, limit_ms: Int) throws(SnapshotError) {
        var waited_ms = 0
        while !(try tryLock(exclusive: exclusive)) {
            guard waited_ms < limit_ms else {
                throw SnapshotError(.storeBusy, "another process has held the lock for \(limit_ms) ms", file: label)
            }
            // The kernel's own wait has no bound; who holds this lock holds it for milliseconds.
            usleep(2_000)
            waited_ms += 2
        }
    }

    func unlock() { cposix_unlock(number) }

    /// Whether a name still leads to this file.
    func isLinked() throws(SnapshotError) -> Bool { try status().st_nlink > 0 }
}
