import Synchronization

@testable import GPUServeKit

/// The real calls of a ledger's files, counted, of which one (or each from it on) fails as on a full disk: a write in its
/// middle.
final class FaultyLedgerDisk: LedgerDisk {
    private let real = SystemLedgerDisk()
    private let calls = Atomic<Int>(0)
    private let failing: Mutex<Range<Int>>
    let syncCount = Atomic<Int>(0)

    /// Fails the calls whose numbers, from 0, are in the range.
    init(failing: Range<Int> = 0..<0) { self.failing = Mutex(failing) }

    /// From now on everything works.
    func mend() { failing.withLock { $0 = 0..<0 } }
    /// From now on nothing works.
    func breakDown() { failing.withLock { $0 = 0..<Int.max } }

    private func fails() -> Bool {
        let call = calls.wrappingAdd(1, ordering: .relaxed).oldValue
        return failing.withLock { $0.contains(call) }
    }

    private let full = SnapshotError(.storeFull, "no space left (injected)", file: "disk")

    func create(_ name: String, in directory: Descriptor) throws(SnapshotError) -> Descriptor {
        if fails() { throw full }
        return try real.create(name, in: directory)
    }

    func write(_ bytes: [UInt8], to file: Descriptor, at offset: Int) throws(SnapshotError) {
        guard !fails() else {
            try real.write(Array(bytes.prefix(bytes.count / 2)), to: file, at: offset)
            throw full
        }
        try real.write(bytes, to: file, at: offset)
    }

    func sync(_ file: Descriptor) throws(SnapshotError) {
        syncCount.wrappingAdd(1, ordering: .relaxed)
        if fails() { throw full }
        try real.sync(file)
    }

    func truncate(_ file: Descriptor, to byteCount: Int) throws(SnapshotError) {
        if fails() { throw full }
        try real.truncate(file, to: byteCount)
    }
}
