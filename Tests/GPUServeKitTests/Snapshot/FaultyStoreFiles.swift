import Glibc
import Synchronization
import Transport

@testable import GPUServeKit

/// The real calls of a store, of which one fails as on a full disk: a write in its middle.
final class FaultyStoreFiles: StoreFiles {
    private let real = SystemStoreFiles()
    private let left: Atomic<Int>

    /// Fails the call after `count` that succeed.
    init(failingAfter count: Int) { left = Atomic(count) }

    /// Whether the call that fails has been reached.
    var hasFailed: Bool { left.load(ordering: .relaxed) < 0 }

    private func count(_ file: String) throws(SnapshotError) {
        guard left.wrappingSubtract(1, ordering: .relaxed).oldValue == 0 else { return }
        throw .system("planted fault", file: file, errno: ENOSPC)
    }

    func create(_ name: String, in directory: Descriptor) throws(SnapshotError) -> Descriptor {
        try count(name)
        return try real.create(name, in: directory)
    }

    func makeDirectory(_ name: String, in directory: Descriptor) throws(SnapshotError) {
        try count(name)
        try real.makeDirectory(name, in: directory)
    }

    func write(_ memory: Memory, to file: Descriptor, at offset: Int) throws(SnapshotError) {
        do throws(SnapshotError) {
            try count(file.label)
        } catch {
            try real.write(memory[0..<memory.count / 2], to: file, at: offset)
            throw error
        }
        try real.write(memory, to: file, at: offset)
    }

    func sync(_ file: Descriptor) throws(SnapshotError) {
        try count(file.label)
        try real.sync(file)
    }

    func rename(
        _ name: String, in directory: Descriptor, to target: String, in targetDirectory: Descriptor, replacing: Bool
    ) throws(SnapshotError) -> Bool {
        try count(target)
        return try real.rename(name, in: directory, to: target, in: targetDirectory, replacing: replacing)
    }

    func remove(_ name: String, in directory: Descriptor) throws(SnapshotError) {
        try count(name)
        try real.remove(name, in: directory)
    }

    func punchHole(_ range: Range<Int>, in file: Descriptor) throws(SnapshotError) {
        try count(file.label)
        try real.punchHole(range, in: file)
    }
}
