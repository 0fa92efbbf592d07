import GPUServeKitTesting
import Synchronization
import Testing
import Transport
import Wire

@testable import GPUServeKit

/// A store behind HTTP: what it asks for, and what it makes of a bad line and a bad server.
@Suite struct HTTPStoreTests {
    static func source(_ seed: UInt64) -> MemorySource { DirectoryStoreTests.source(seed) }
    static let options = DirectoryStoreTests.options()

    @Test func `a bucket conforms`() async throws {
        try await checkSnapshotStore(collects: false) { FakeObjectStore().store() }
    }

    @Test func `faults that pass are tried again`() async throws {
        let faults: [FakeObjectStore.Fault] = [
            .reset, .status(503, code: "SlowDown"), .status(500, code: "InternalError"), .status(429, code: "x"),
        ]
        // Every third request fails, each time in another way.
        let fake = FakeObjectStore { number, _ in number % 3 == 0 ? faults[number / 3 % faults.count] : nil }
        let store = fake.store()
        let made = try await store.create(from: Self.source(1), Self.options)
        #expect(try await store.verify(made.id) == [])
    }

    @Test func `many chunks are looked for in a listing, and one by one only where it does not show them`() async throws
    {
        let fake = FakeObjectStore(pageCount: 7)
        let store = fake.store()
        let made = try await store.create(from: Self.source(1), Self.options)
        let chunks = made.manifest.distinctChunks
        try #require(chunks.count > 8)
        let absent = ChunkRef(hash: ContentHash(of: [1]), crc64: 1, byteCount: 1)
        let before = fake.requests.count
        #expect(try await store.holds(chunks + [absent]) == chunks.map { _ in true } + [false])
        let asked = fake.requests.dropFirst(before)
        let pages = asked.filter { $0.contains("list-type=2") }.count
        #expect(pages == 1, "as few chunks as these are worth one page: \(asked)")
        #expect(asked.filter { $0.hasPrefix("HEAD") }.count == chunks.count - 7 + 1)
        // A web server that cannot list is asked for each.
        let readOnly = fake.store(isReadOnly: true)
        let start = fake.requests.count
        #expect(try await readOnly.holds(chunks) == chunks.map { _ in true })
        #expect(fake.requests.dropFirst(start).allSatisfy { $0.hasPrefix("HEAD") })
        #expect(fake.requests.count - start == chunks.count)
    }

    @Test func `a truncated body goes on where it broke`() async throws {
        let fake = FakeObjectStore { number, line in
            line.hasPrefix("GET /bucket/models/chunks") && number % 2 == 0 ? .truncated(1500) : nil
        }
        let store = fake.store()
        let made = try await store.create(from: Self.source(1), Self.options)
        #expect(try await store.verify(made.id) == [])
    }

    @Test func `a whole object is asked for without a range, its rest and its parts with one`() async throws {
        let isBroken = Atomic32()
        let fake = FakeObjectStore { _, line in
            line.hasPrefix("GET /bucket/models/chunks") && isBroken.next() == 1 ? .truncated(1500) : nil
        }
        let store = fake.store()
        let made = try await store.create(from: Self.source(1), Self.options)
        let chunk = try #require(made.manifest.distinctChunks.first { $0.byteCount > 2000 })
        let buffer = PageBuffer(byteCount: chunk.byteCount)
        try await store.read(chunk, into: buffer.memory)
        #expect(fake.ranges == [])
        try await store.read(chunk, into: buffer.memory)
        #expect(fake.ranges == ["bytes=1500-\(chunk.byteCount - 1)"], "where the second read broke")
        try await store.read(chunk, range: 7..<50, into: buffer.memory[0..<43])
        #expect(fake.ranges.last == "bytes=7-49")
    }

    @Test func `an object that changes while it is read is named`() async throws {
        let count = Atomic32()
        let fake = FakeObjectStore { _, line in
            guard line.hasPrefix("GET /bucket/models/chunks") else { return nil }
            return count.next() == 0 ? .truncated(1000) : .otherTag
        }
        let store = fake.store()
        let made = try await store.create(from: Self.source(1), Self.options)
        let problems = try await store.verify(made.id)
        #expect(problems.first?.code == .integrity)
        #expect(problems.first?.file?.contains("/chunks/") == true)
    }

    @Test func `a corrupt chunk is named`() async throws {
        let fake = FakeObjectStore { _, line in line.hasPrefix("GET /bucket/models/chunks") ? .corrupt : nil }
        let store = fake.store()
        let made = try await store.create(from: Self.source(1), Self.options)
        let problems = try await store.verify(made.id)
        #expect(problems.count == made.chunkCount && problems.allSatisfy { $0.code == .chunkCorrupt })
    }

    @Test(arguments: [
        (403, "SignatureDoesNotMatch", "accessDenied"), (403, "RequestTimeTooSkewed", "clockSkew"),
        (403, "AccessDenied", "accessDenied"), (400, "XAmzContentSHA256Mismatch", "integrity"),
        (404, "NoSuchBucket", "invalidArgument"), (503, "SlowDown", "network"), (507, "x", "storeFull"),
        (301, "PermanentRedirect", "network"),
    ])
    func `answers of the object store are named`(status: Int, code: String, label: String) async throws {
        let fake = FakeObjectStore { _, _ in .status(status, code: code) }
        let error = await #expect(throws: SnapshotError.self) { try await fake.store().list() }
        #expect(error?.code.label == label, "\(String(describing: error))")
        #expect(fake.requests.count == (status == 503 ? Limits.standard.objectAttemptCount : 1))
        #expect(error?.description.contains(code == "x" ? "" : code) == true)
    }

    @Test func `nothing is visible when a push fails at any request`() async throws {
        for failing in 0... {
            let fake = FakeObjectStore { number, _ in number == failing ? .status(403, code: "AccessDenied") : nil }
            let store = fake.store()
            do throws(SnapshotError) {
                try await store.create(from: Self.source(1), Self.options)
            } catch {
                #expect(error.code == .accessDenied)
                #expect(!fake.keys.contains { $0.contains("/snapshots/") }, "request \(failing)")
                continue
            }
            #expect(failing > 10)
            break
        }
    }

    @Test func `a pull that was interrupted goes on where it stopped`() async throws {
        let isBroken = Switch()
        let fake = FakeObjectStore { number, line in
            isBroken.isOn && number > 24 && line.hasPrefix("GET") ? .status(403, code: "AccessDenied") : nil
        }
        let made = try await fake.store().create(from: Self.source(1), Self.options)
        let scratch = try ScratchDirectory()
        let disk = try DirectorySnapshotStore(path: scratch.path)
        isBroken.isOn = true
        await #expect(throws: SnapshotError.self) { try await fake.store().copy(made.id, to: disk, parallelCount: 1) }
        #expect(try await disk.list() == [])
        isBroken.isOn = false
        let copied = try await fake.store().copy(made.id, to: disk, parallelCount: 1)
        #expect(copied.storedChunkCount < made.chunkCount, "chunks that had come are not fetched again")
        #expect(try await disk.verify(made.id) == [])
    }

    @Test func `long chunks go in parts, both ways`() async throws {
        var limits = Limits()
        limits.objectPartBytes = 1000
        let fake = FakeObjectStore()
        let store = fake.store(limits: limits)
        let made = try await store.create(from: Self.source(1), Self.options)
        #expect(fake.requests.contains { $0.contains("partNumber=5") })
        #expect(try await store.verify(made.id) == [])
        let failing = FakeObjectStore { _, line in
            line.contains("partNumber=3") ? .status(403, code: "AccessDenied") : nil
        }
        await #expect(throws: SnapshotError.self) {
            try await failing.store(limits: limits).create(from: Self.source(1), Self.options)
        }
        #expect(
            failing.requests.contains { $0.hasPrefix("DELETE") && $0.contains("uploadId=up-1") }, "parts are given up")
        #expect(failing.keys.allSatisfy { !$0.contains("/snapshots/") })
    }

    @Test func `collecting waits for the time of grace`() async throws {
        let fake = FakeObjectStore(pageCount: 3)
        let store = fake.store(grace_s: 1000)
        let first = try await store.create(from: Self.source(1), Self.options)
        let second = try await store.create(from: Self.source(2), Self.options)
        fake.pass(seconds: 2000)
        #expect(try await store.collectGarbage().removedChunkCount == 0)
        try await store.delete(first.id)
        #expect(try await store.collectGarbage().removedChunkCount == 0, "someone may still be reading it")
        fake.pass(seconds: 2000)
        #expect(try await store.collectGarbage().removedChunkCount == first.chunkCount)
        #expect(try await store.verify(second.id) == [])
        // What is old is stored again rather than relied on.
        #expect(try await store.create(from: Self.source(2), Self.options).storedChunkCount == second.chunkCount)
        #expect(try await store.create(from: Self.source(2), Self.options).storedChunkCount == 0)
    }

    @Test func `a plain web server is read and not written`() async throws {
        let fake = FakeObjectStore()
        let made = try await fake.store().create(from: Self.source(1), Self.options)
        let reader = fake.store(isReadOnly: true)
        #expect(try await reader.verify(made.id) == [])
        for body in [
            { _ = try await reader.begin() }, { try await reader.delete(made.id) },
            { try await reader.collectGarbage() },
        ] as [() async throws -> Void] {
            await #expect { try await body() } throws: { ($0 as? SnapshotError)?.code == .readOnly }
        }
    }

    @Test(arguments: ["s3.local", "ftp://x", "http://", "http://a/b", "http://user@host"])
    func `an endpoint that is none is refused`(endpoint: String) throws {
        let error = #expect(throws: SnapshotError.self) {
            try HTTPSnapshotStore(
                S3Location(endpoint: endpoint, bucket: "b"), credentials: S3Credentials(accessKey: "a", secretKey: "b"),
                transport: FakeObjectStore())
        }
        #expect(error?.code == .invalidArgument)
    }
}

/// Counts up.
final class Atomic32: Sendable {
    private let count = Lock(0)
    func next() -> Int {
        count.withLock { count in
            count += 1
            return count - 1
        }
    }
}

/// Turned on and off from anywhere.
final class Switch: Sendable {
    private let state = Lock(false)
    var isOn: Bool {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
