internal import Glibc

/// A plain file open for reading; the descriptor goes with the value.
///
/// Symbolic links are followed: model caches are made of them.
final class ModelFile: Sendable {
    let path: String
    let byteCount: Int
    private let descriptor: Int32

    init(_ path: String) throws(SnapshotError) {
        self.path = path
        // Not blocking: a FIFO without a writer must not hang us.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system("open", file: path) }
        var info = stat()
        let failure: SnapshotError? =
            if fstat(descriptor, &info) != 0 {
                .system("fstat", file: path)
            } else if info.st_mode & S_IFMT != S_IFREG {
                SnapshotError(.unsupportedSource, "not a plain file", file: path)
            } else {
                nil
            }
        byteCount = Int(info.st_size)
        if let failure {
            close(descriptor)
            throw failure
        }
    }

    deinit { close(descriptor) }

    /// Fills `memory` from `offset`. Throws `truncatedSource` when the file ends first.
    func read(at offset: Int, into memory: MutableMemory) throws(SnapshotError) {
        var done = 0
        while done < memory.count {
            let count = pread(descriptor, memory.base! + done, memory.count - done, off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("pread", file: path)
            }
            guard count > 0 else {
                throw SnapshotError(
                    .truncatedSource, "the file ends here; it has become shorter", file: path, offset: offset + done)
            }
            done += count
        }
    }

    /// The first `count` bytes.
    func prefix(_ count: Int) throws(SnapshotError) -> [UInt8] {
        var failure: SnapshotError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(SnapshotError) {
                let raw = UnsafeMutableRawBufferPointer(buffer)
                try read(at: 0, into: MutableMemory(UnsafeMutableRawBufferPointer(rebasing: raw[..<count])))
                initialized = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }
}

/// Regions that lie in files.
struct FileRegions: Sendable {
    let files: [ModelFile]
    /// For each region: index of its file, and where in it it begins.
    let places: [(file: Int, offset: Int)]

    func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        let place = places[index]
        let file = files[place.file]
        try await BlockingThreads.shared.run { () throws(SnapshotError) in
            try file.read(at: place.offset + offset, into: memory)
        }
    }
}
