import Glibc
import Testing

@testable import GPUServeKit

/// Reads of a chunk of which the page cache has a part.
@Suite struct LocalReaderTests {
    private static let chunkBytes = 4 * 1024 * 1024
    private static let pieceBytes = LocalReader.pieceBytes

    private struct Fixture {
        let scratch: ScratchDirectory
        let store: DirectorySnapshotStore
        let bytes: [UInt8]
        let location: ChunkLocation
        let file: Descriptor

        init() async throws {
            scratch = try ScratchDirectory()
            store = try DirectorySnapshotStore(path: scratch.path + "/store")
            bytes = TestBytes.random(count: chunkBytes, seed: 7)
            let region = RegionDescription(
                name: "r", dtype: .bytes, shape: [chunkBytes], byteCount: chunkBytes, order: 0)
            let made = try await store.create(
                from: MemorySource([(region, bytes)]), SnapshotOptions(name: "model", chunkBytes: chunkBytes))
            let chunk = try #require(made.manifest.distinctChunks.first)
            location = try #require(try store.locate([chunk])[chunk.hash])
            file = try location.pack.file()
        }

        /// Whether the cache has the first page of a piece: asked of the mapping, because reading would bring it in.
        func isCached(_ piece: Int) -> Bool {
            let place = off_t(location.offset + piece * pieceBytes)
            guard let page = mmap(nil, 4096, PROT_READ, MAP_SHARED, file.number, place), page != MAP_FAILED else {
                return false
            }
            defer { munmap(page, 4096) }
            var state: UInt8 = 0
            return mincore(page, 4096, &state) == 0 && state & 1 == 1
        }

        /// All of the chunk in the cache but for some pieces; false where there is no cache to give them up.
        func warm(but missing: Range<Int>) -> Bool {
            var buffer = [UInt8](repeating: 0, count: pieceBytes)
            fdatasync(file.number)
            posix_fadvise(file.number, 0, 0, POSIX_FADV_DONTNEED)
            // Without reading ahead.
            posix_fadvise(file.number, 0, 0, POSIX_FADV_RANDOM)
            for piece in 0..<chunkBytes / pieceBytes where !missing.contains(piece) {
                pread(file.number, &buffer, pieceBytes, off_t(location.offset + piece * pieceBytes))
            }
            posix_fadvise(file.number, 0, 0, POSIX_FADV_NORMAL)
            let isAsWanted = (0..<chunkBytes / pieceBytes).allSatisfy { isCached($0) != missing.contains($0) }
            if !isAsWanted { print("not tested: this file system does not give up what its cache holds") }
            return isAsWanted
        }

        func read() throws -> (tier: RestoreTier, isRight: Bool) {
            let buffer = PageBuffer(byteCount: chunkBytes)
            let tier = try LocalReader.read(location, into: buffer.memory, verifies: true)
            return withExtendedLifetime(buffer) { (tier, Array(buffer.memory.buffer) == bytes) }
        }
    }

    @Test func `a few pieces that the cache gave up are brought back`() async throws {
        let fixture = try await Fixture()
        guard fixture.warm(but: 8..<10) else { return }
        let (tier, isRight) = try fixture.read()
        #expect(tier == .pageCache && isRight)
        let isMended = fixture.isCached(8) && fixture.isCached(9)
        #expect(isMended, "the next read finds them")
    }

    @Test func `a chunk whose beginning the cache does not have is read past it`() async throws {
        let fixture = try await Fixture()
        guard fixture.warm(but: 0..<32) else { return }
        let (tier, isRight) = try fixture.read()
        #expect(tier == .disk && isRight)
        let isBroughtIn = fixture.isCached(31)
        #expect(!isBroughtIn)
    }
}
