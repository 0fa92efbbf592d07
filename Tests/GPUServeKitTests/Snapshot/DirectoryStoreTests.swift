import Glibc
import Testing
import Wire

@testable import GPUServeKit

/// What is particular to a store in a directory: files, faults, damage.
@Suite struct DirectoryStoreTests {
    static func source(_ seed: UInt64, regionCount: Int = 3) -> MemorySource {
        MemorySource(
            (0..<regionCount).map { index in
                let bytes = TestBytes.random(count: 9_000 + 50 * index, seed: seed * 100 + UInt64(index))
                return (
                    RegionDescription(name: "r\(index)", dtype: .bytes, shape: [bytes.count], byteCount: bytes.count),
                    bytes
                )
            })
    }

    static func options(_ name: String = "s") -> SnapshotOptions { SnapshotOptions(name: name, chunkBytes: 4096) }

    @Test func `files are private and what they look like is kept`() async throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/store"
        let store = try DirectorySnapshotStore(path: path)
        _ = try await store.create(from: Self.source(1), Self.options())
        var info = stat()
        for name in ["", "/packs", "/snapshots", "/trash", "/uploads", "/temporary"] {
            #expect(stat(path + name, &info) == 0)
            #expect(info.st_mode & 0o777 == 0o700, "\(name)")
        }
        for folder in ["packs", "snapshots"] {
            for name in ScratchDirectory.names(path + "/" + folder) {
                #expect(stat("\(path)/\(folder)/\(name)", &info) == 0)
                #expect(info.st_mode & 0o777 == 0o600, "\(name)")
            }
        }
        #expect(ScratchDirectory.names(path + "/packs").count == 2)
        #expect(ScratchDirectory.names(path + "/temporary") == [])
        #expect(ScratchDirectory.names(path + "/uploads") == [])
    }

    @Test func `two openings see each other's snapshots and chunks`() async throws {
        let scratch = try ScratchDirectory()
        let one = try DirectorySnapshotStore(path: scratch.path)
        let other = try DirectorySnapshotStore(path: scratch.path)
        let made = try await one.create(from: Self.source(1), Self.options())
        #expect(try await other.verify(made.id) == [])
        #expect(try await other.create(from: Self.source(1), Self.options("t")).storedChunkCount == 0)
        try await one.delete(made.id)
        let last = try #require(try await one.list().first)
        try await one.delete(last.id)
        #expect(try await one.collectGarbage().removedChunkCount == made.chunkCount)
        // The other process still believes in the chunks; it must look again before it relies on one.
        let again = try await other.create(from: Self.source(1), Self.options())
        #expect(again.storedChunkCount == made.chunkCount)
        #expect(try await one.verify(again.id) == [])
    }

    @Test func `a directory of other things is refused and left alone`() throws {
        let scratch = try ScratchDirectory()
        _ = scratch.write([1], "photo.jpg")
        let error = #expect(throws: SnapshotError.self) { try DirectorySnapshotStore(path: scratch.path) }
        #expect(error?.code == .notAStore)
        #expect(ScratchDirectory.names(scratch.path) == ["photo.jpg"])
        let newer = try ScratchDirectory()
        _ = newer.write(Array("{\"format\": \"gpuservekit-store\", \"version\": 9}".utf8), "gpuservekit-store.json")
        let newerError = #expect(throws: SnapshotError.self) { try DirectorySnapshotStore(path: newer.path) }
        #expect(newerError?.code == .storeTooNew)
    }

    @Test func `symbolic links in a store are refused`() async throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/store"
        let made = try await DirectorySnapshotStore(path: path).create(from: Self.source(1), Self.options())
        let manifest = "\(path)/snapshots/\(made.id).json"
        rename(manifest, scratch.path + "/elsewhere.json")
        symlink(scratch.path + "/elsewhere.json", manifest)
        let store = try DirectorySnapshotStore(path: path)
        await #expect { try await store.manifest(made.id) } throws: { ($0 as? SnapshotError)?.code == .unsafePath }
        await #expect { try await store.collectGarbage() } throws: { ($0 as? SnapshotError)?.code == .unsafePath }
        unlink(manifest)
        rename(scratch.path + "/elsewhere.json", manifest)
        let pack = try #require(ScratchDirectory.names(path + "/packs").first { $0.hasSuffix(".pack") })
        rename("\(path)/packs/\(pack)", scratch.path + "/elsewhere.pack")
        symlink(scratch.path + "/elsewhere.pack", "\(path)/packs/\(pack)")
        let again = try DirectorySnapshotStore(path: path)
        #expect(try await again.verify(made.id).count == made.chunkCount)
        rename(path + "/packs", scratch.path + "/packs")
        symlink(scratch.path + "/packs", path + "/packs")
        let error = #expect(throws: SnapshotError.self) { try DirectorySnapshotStore(path: path) }
        #expect(error?.code == .unsafePath)
    }

    @Test func `a quota is kept, and nothing is visible of what exceeds it`() async throws {
        let scratch = try ScratchDirectory()
        let store = try DirectorySnapshotStore(path: scratch.path, quotaBytes: 60_000)
        let first = try await store.create(from: Self.source(1), Self.options())
        await #expect { try await store.create(from: Self.source(2), Self.options()) } throws: {
            ($0 as? SnapshotError)?.code == .quotaExceeded
        }
        #expect(try await store.list().map(\.id) == [first.id])
        try await store.delete(first.id)
        try await store.collectGarbage()
        #expect(store.storedBytes == 0)
        _ = try await store.create(from: Self.source(2), Self.options())
    }

    @Test func `packs are rolled and a variant costs its difference`() async throws {
        let scratch = try ScratchDirectory()
        var limits = Limits()
        limits.packBytes = 10_000
        let store = try DirectorySnapshotStore(path: scratch.path, limits: limits)
        let made = try await store.create(from: Self.source(1, regionCount: 8), Self.options())
        #expect(ScratchDirectory.names(scratch.path + "/packs").count > 6)
        #expect(try await store.verify(made.id) == [])
        try await store.create(from: Self.source(2, regionCount: 2), Self.options())
        try await store.delete(made.id)
        try await store.collectGarbage()
        for summary in try await store.list() { #expect(try await store.verify(summary.id) == []) }
    }

    @Test func `collecting gives space back inside a pack`() async throws {
        let scratch = try ScratchDirectory()
        let store = try DirectorySnapshotStore(path: scratch.path)
        let upload = try await store.begin()
        var chunks: [ChunkRef] = []
        for seed in 0..<8 {
            let buffer = PageBuffer(byteCount: 65_536)
            defer { withExtendedLifetime(buffer) {} }
            buffer.memory.buffer.copyBytes(from: TestBytes.random(count: 65_536, seed: UInt64(seed)))
            let chunk = ChunkRef(of: Memory(buffer.memory))
            try await upload.put(chunk, Memory(buffer.memory))
            chunks.append(chunk)
        }
        func manifest(_ chunks: [ChunkRef]) -> SnapshotManifest {
            SnapshotManifest(
                name: "m", chunkBytes: 65_536,
                regions: [
                    .init(
                        RegionDescription(
                            name: "r", dtype: .bytes, shape: [chunks.count * 65_536], byteCount: chunks.count * 65_536),
                        content: .init(chunks: chunks))
                ])
        }
        let id = try await upload.commit(manifest(Array(chunks[2..<5])))
        let report = try await store.collectGarbage()
        #expect(report.removedChunkCount == 5)
        #expect(report.keptChunkCount == 3)
        #expect(report.freedBytes == 5 * 65_536)
        #expect(try await store.verify(id) == [])
        #expect(try await store.holds(chunks) == [false, false, true, true, true, false, false, false])
    }

    /// Every call of creating, deleting and collecting fails once, as on a full disk.
    @Test func `a disk full at any write leaves the store whole`() async throws {
        var failures = 0
        for count in 0... {
            let scratch = try ScratchDirectory()
            let base = try await DirectorySnapshotStore(path: scratch.path).create(
                from: Self.source(1), Self.options("base"))
            let files = FaultyStoreFiles(failingAfter: count)
            var failure: SnapshotError?
            do throws(SnapshotError) {
                let store = try DirectorySnapshotStore(
                    path: scratch.path, quotaBytes: nil, limits: .standard, files: files)
                let second = try await store.create(from: Self.source(2), Self.options("second"))
                try await store.delete(second.id)
                _ = try await store.collectGarbage()
            } catch {
                failure = error
            }
            let store = try DirectorySnapshotStore(path: scratch.path)
            for summary in try await store.list() {
                #expect(summary.problem == nil, "fault \(count)")
                #expect(try await store.verify(summary.id) == [], "fault \(count)")
            }
            try await store.collectGarbage()
            #expect(try await store.verify(base.id) == [], "fault \(count)")
            #expect(ScratchDirectory.names(scratch.path + "/temporary") == [], "fault \(count)")
            #expect(ScratchDirectory.names(scratch.path + "/uploads") == [], "fault \(count)")
            let again = try await store.create(from: Self.source(2), Self.options("second"))
            #expect(try await store.verify(again.id) == [], "fault \(count)")
            if files.hasFailed {
                failures += 1
                // Giving up an upload's leftovers may fail unseen; everything else is named.
                if let failure { #expect(failure.code == .storeFull, "fault \(count): \(failure)") }
            } else {
                #expect(failure == nil)
                break
            }
        }
        print("\(failures) calls failed in turn")
        #expect(failures > 30)
    }

    @Test func `the making of a store fails at every call and works afterwards`() throws {
        for count in 0... {
            let scratch = try ScratchDirectory()
            let files = FaultyStoreFiles(failingAfter: count)
            do throws(SnapshotError) {
                _ = try DirectorySnapshotStore(path: scratch.path, quotaBytes: nil, limits: .standard, files: files)
            } catch {
                #expect(error.code == .storeFull)
            }
            _ = try DirectorySnapshotStore(path: scratch.path)
            if !files.hasFailed { break }
        }
    }

    /// A thousand flipped bits in manifests, packs and indexes: each is found and what it hits is named.
    @Test func `every flipped bit is found and named`() async throws {
        let scratch = try ScratchDirectory()
        let made = try await DirectorySnapshotStore(path: scratch.path).create(from: Self.source(1), Self.options())
        let packs = scratch.path + "/packs/"
        let index = try #require(ScratchDirectory.names(packs).first { $0.hasSuffix(".index") })
        let pack = packs + index.dropLast(6) + ".pack"
        let entries = try PackIndex.decode(ScratchDirectory.read(packs + index), packBytes: 1 << 20, file: index)
        let manifest = "\(scratch.path)/snapshots/\(made.id).json"
        let (manifestBytes, indexBytes) = (
            ScratchDirectory.read(manifest).count, ScratchDirectory.read(packs + index).count
        )
        var generator = SplitMix(7)
        for round in 0..<1_000 {
            let entry = entries[round % entries.count]
            let (file, offset) =
                switch round % 4 {
                case 0: (manifest, Int.random(in: 0..<manifestBytes, using: &generator))
                case 1: (packs + index, Int.random(in: 0..<indexBytes, using: &generator))
                default: (pack, entry.offset + Int.random(in: 0..<entry.chunk.byteCount, using: &generator))
                }
            let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
            try FlippedBit.flip(bit, file, offset)
            let store = try DirectorySnapshotStore(path: scratch.path)
            switch round % 4 {
            case 0:
                let problem = try #require(try await store.list().first?.problem, "round \(round)")
                #expect(problem.code == .manifestCorrupt)
                #expect(problem.file == manifest)
            case 1:
                let problems = try await store.verify(made.id)
                #expect(problems.count == made.chunkCount && problems.allSatisfy { $0.code == .chunkMissing })
                #expect(problems.first?.detail.contains(index) == true)
            default:
                let problems = try await store.verify(made.id, strongly: false)
                #expect(problems.map(\.code) == [.chunkCorrupt])
                #expect(problems.first?.detail.contains(entry.chunk.hash.hex) == true)
                #expect(problems.first?.file == pack)
            }
            try FlippedBit.flip(bit, file, offset)
        }
        #expect(try await DirectorySnapshotStore(path: scratch.path).verify(made.id) == [])
    }
}
