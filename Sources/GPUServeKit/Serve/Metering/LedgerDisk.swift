internal import CPosix
internal import Glibc

/// The system calls with which the ledger changes its files: a seam, so that each can be made to fail.
protocol LedgerDisk: Sendable {
    /// Makes a new file, mode 0600, and makes its name durable.
    func create(_ name: String, in directory: Descriptor) throws(SnapshotError) -> Descriptor
    func write(_ bytes: [UInt8], to file: Descriptor, at offset: Int) throws(SnapshotError)
    func sync(_ file: Descriptor) throws(SnapshotError)
    func truncate(_ file: Descriptor, to byteCount: Int) throws(SnapshotError)
}

/// The real calls.
struct SystemLedgerDisk: LedgerDisk {
    func create(_ name: String, in directory: Descriptor) throws(SnapshotError) -> Descriptor {
        let file = try SystemStoreFiles().create(name, in: directory)
        try sync(directory)
        return file
    }

    func write(_ bytes: [UInt8], to file: Descriptor, at offset: Int) throws(SnapshotError) {
        var failure: SnapshotError?
        bytes.withUnsafeBytes { buffer in
            do throws(SnapshotError) {
                try SystemStoreFiles().write(Memory(buffer), to: file, at: offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    func sync(_ file: Descriptor) throws(SnapshotError) { try SystemStoreFiles().sync(file) }

    func truncate(_ file: Descriptor, to byteCount: Int) throws(SnapshotError) {
        guard ftruncate(file.number, off_t(byteCount)) == 0 else { throw .system("ftruncate", file: file.label) }
    }
}
