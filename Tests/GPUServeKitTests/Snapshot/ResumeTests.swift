import Glibc
import Testing
import Wire

@testable import GPUServeKit

/// What a writer that was killed had written is taken over by the next upload.
@Suite struct ResumeTests {
    private let scratch: ScratchDirectory
    private let chunks: [(ChunkRef, PageBuffer)]

    init() throws {
        scratch = try ScratchDirectory()
        chunks = (0..<6).map { index in
            let buffer = PageBuffer(byteCount: 5000)
            buffer.memory.buffer.copyBytes(from: TestBytes.random(count: 5000, seed: UInt64(index)))
            return (ChunkRef(of: Memory(buffer.memory[0..<5000])), buffer)
        }
    }

    private var path: String { scratch.path + "/store" }

    /// An upload that goes away without an end: its locks go too, as with a killed process.
    private func die(after count: Int) async throws {
        let upload = try await DirectorySnapshotStore(path: path).begin()
        for (chunk, buffer) in chunks.prefix(count) {
            try await upload.put(chunk, Memory(buffer.memory[0..<chunk.byteCount]))
        }
        _ = consume upload
        try await waitForLocks()
    }

    /// The thread that did the last write may hold the upload for a moment.
    private func waitForLocks() async throws {
        for (folder, suffix) in [("temporary", ".journal"), ("packs", ".pack")] {
            for name in ScratchDirectory.names("\(path)/\(folder)") where name.hasSuffix(suffix) {
                let file = Descriptor(open("\(path)/\(folder)/\(name)", O_RDWR), label: name)
                while !(try file.tryLock(exclusive: true)) { await Task.yield() }
                file.unlock()
            }
        }
    }

    /// Which chunks the next upload finds there.
    private func kept() async throws -> [Bool] {
        let upload = try await DirectorySnapshotStore(path: path).begin()
        var kept: [Bool] = []
        for (chunk, _) in chunks { kept.append(try await upload.keep(chunk)) }
        await upload.abandon()
        return kept
    }

    private func file(_ folder: String, _ suffix: String) throws -> String {
        let name = try #require(ScratchDirectory.names("\(path)/\(folder)").first { $0.hasSuffix(suffix) })
        return "\(path)/\(folder)/\(name)"
    }

    @Test func `the next upload keeps what a killed one had written`() async throws {
        try await die(after: 4)
        #expect(try await kept() == [true, true, true, true, false, false])
        #expect(ScratchDirectory.names(path + "/temporary") == [])
        let store = try DirectorySnapshotStore(path: path)
        #expect(try await store.holds(chunks.map(\.0)) == [true, true, true, true, false, false])
        #expect(try await store.collectGarbage().removedChunkCount == 4, "and it is garbage like any other")
        #expect(ScratchDirectory.names(path + "/packs") == [])
    }

    @Test func `only chunks that have their hash are kept`() async throws {
        try await die(after: 4)
        let pack = try file("packs", ".pack")
        var bytes = ScratchDirectory.read(pack)
        bytes[8192 + 100] ^= 1
        ScratchDirectory.write(bytes, to: pack)
        #expect(try await kept() == [true, false, true, true, false, false])
        for (chunk, buffer) in [chunks[0], chunks[2]] {
            let back = PageBuffer(byteCount: chunk.byteCount)
            try await DirectorySnapshotStore(path: path).read(chunk, into: back.memory)
            #expect(Memory(back.memory[0..<5000]).buffer.elementsEqual(buffer.memory[0..<5000].buffer))
        }
    }

    @Test(arguments: [0, 1, 55, 56, 57, 113, 223, 224])
    func `a journal that is cut anywhere gives what it has`(byteCount: Int) async throws {
        try await die(after: 4)
        let journal = try file("temporary", ".journal")
        ScratchDirectory.write(Array(ScratchDirectory.read(journal).prefix(byteCount)), to: journal)
        #expect(try await kept() == (0..<6).map { ($0 + 1) * 56 <= byteCount })
        #expect(ScratchDirectory.names(path + "/temporary") == [])
        #expect(ScratchDirectory.names(path + "/packs").count == (byteCount < 56 ? 0 : 2))
    }

    @Test func `a journal of nonsense gives nothing and does no harm`() async throws {
        try await die(after: 4)
        let journal = try file("temporary", ".journal")
        for seed in UInt64(0)..<20 {
            ScratchDirectory.write(TestBytes.random(count: 1000, seed: seed), to: journal)
            #expect(try await kept() == [Bool](repeating: false, count: 6))
        }
    }

    @Test func `the journal of a living upload is left alone`() async throws {
        let store = try DirectorySnapshotStore(path: path)
        let upload = try await store.begin()
        let (chunk, buffer) = chunks[0]
        try await upload.put(chunk, Memory(buffer.memory[0..<chunk.byteCount]))
        #expect(try await kept() == [Bool](repeating: false, count: 6))
        try await store.collectGarbage()
        #expect(ScratchDirectory.names(path + "/temporary").count == 1)
        await upload.abandon()
        #expect(ScratchDirectory.names(path + "/temporary") == [])
        #expect(try await kept() == [true, false, false, false, false, false])
    }

    /// As on a full disk, at each call of what takes a dead upload's chunks over.
    @Test func `taking over fails at any call and leaves the store whole`() async throws {
        for call in 0... {
            try await die(after: 4)
            let files = FaultyStoreFiles(failingAfter: call)
            let store = try DirectorySnapshotStore(path: path, quotaBytes: nil, limits: .standard, files: files)
            do {
                await (try await store.begin()).abandon()
            } catch {
                #expect(error.code == .storeFull)
            }
            let again = try DirectorySnapshotStore(path: path)
            let made = try await again.create(from: DirectoryStoreTests.source(1), DirectoryStoreTests.options())
            #expect(try await again.verify(made.id) == [], "call \(call)")
            try await again.delete(made.id)
            try await again.collectGarbage()
            for part in ["temporary", "packs", "uploads", "trash"] {
                #expect(ScratchDirectory.names(path + "/" + part) == [], "call \(call)")
            }
            if !files.hasFailed {
                #expect(call > 4)
                break
            }
        }
    }
}
