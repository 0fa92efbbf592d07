import Glibc
import Testing
import Wire

@testable import GPUServeKit

/// A flipped bit anywhere in a store is found by the restore that meets it, not only by `verify`.
@Suite struct FlippedBitTests {
    /// Where a bit is flipped.
    private enum Place {
        case manifest, index
        case chunk(PackEntry)
    }

    @Test func `a restore finds each of a thousand flipped bits, names it and gives everything back`() async throws {
        let fixture = try await RestoreFixture()
        let (context, pool) = try RestoreFixture.host()
        let id = fixture.snapshot.id
        let manifest = "\(fixture.disk.path)/snapshots/\(id).json"
        let pack = try #require(fixture.packs.first)
        let index = String(pack.dropLast("pack".utf8.count)) + "index"
        let entries = try PackIndex.decode(ScratchDirectory.read(index), packBytes: 1 << 20, file: index)
        let sizes = [manifest, index].map { ScratchDirectory.read($0).count }
        var generator = SplitMix(11)
        for round in 0..<1_000 {
            let place: Place =
                switch round % 4 {
                case 0: .manifest
                case 1: .index
                default: .chunk(entries[round / 4 * 2 % entries.count])
                }
            let (file, range) =
                switch place {
                case .manifest: (manifest, 0..<sizes[0])
                case .index: (index, 0..<sizes[1])
                case .chunk(let entry): (pack, entry.offset..<entry.offset + entry.chunk.byteCount)
                }
            let offset = Int.random(in: range, using: &generator)
            let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
            try FlippedBit.flip(bit, file, offset)
            // Opened anew each time: nothing of an earlier look may help.
            let store = try DirectorySnapshotStore(path: fixture.disk.path)
            let failure = await failure {
                try await Restorer(store: store, devices: [context])
                    .restore(id, RestoreOptions(parallelCount: 1)).close()
            }
            let error = try #require(failure, "round \(round): a bit of \(file) at \(offset) was not noticed")
            expect(error, place, file)
            await pool.expectEmpty()
            try FlippedBit.flip(bit, file, offset)
        }
        let resident = try await Restorer(store: fixture.disk, devices: [context]).restore(id)
        try await resident.expect(fixture.regions)
        try await resident.close()
    }

    private func expect(_ error: RestoreError, _ place: Place, _ file: String) {
        switch place {
        case .manifest:
            #expect(error.code == .snapshotUnavailable && error.store?.code == .manifestCorrupt, "\(error)")
            #expect(error.store?.file == file)
        case .index:
            #expect(error.code == .chunkMissing && error.chunk != nil, "\(error)")
        case .chunk(let entry):
            #expect(error.code == .chunkCorrupt && error.chunk == entry.chunk.hash, "\(error)")
            #expect(error.store?.file == file && error.store?.offset == entry.offset, "\(error)")
        }
    }
}

enum FlippedBit {
    struct CannotFlip: Error {}

    /// Flips one bit of a byte of a file, in place.
    static func flip(_ bit: UInt8, _ file: String, _ offset: Int) throws {
        let descriptor = open(file, O_RDWR)
        defer { close(descriptor) }
        var byte: UInt8 = 0
        guard pread(descriptor, &byte, 1, off_t(offset)) == 1 else { throw CannotFlip() }
        byte ^= bit
        guard pwrite(descriptor, &byte, 1, off_t(offset)) == 1 else { throw CannotFlip() }
    }
}
