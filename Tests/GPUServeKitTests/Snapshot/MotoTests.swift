import GPUServeKit
import GPUServeKitTesting
import Glibc
import Testing
import Transport
import Wire

/// The S3 store against moto's server, which checks signatures; left out, and said so, where moto is not installed.
@Suite(.serialized) struct MotoTests {
    @Test func `the store works with a real server, and a wrong secret is refused`() async throws {
        let root = #filePath.components(before: "/Tests/")
        guard access(root + "/.venv/bin/moto_server", X_OK) == 0 else {
            print("not tested against moto: no .venv/bin/moto_server (Scripts/setup.sh test installs it)")
            return
        }
        let moto = try ChildProcess([root + "/.venv/bin/python", root + "/Scripts/moto_server.py"])
        let words = moto.readLine().split(separator: " ").map(String.init)
        try #require(words.count == 4, "moto did not start")
        let transport = try LoopTransport()
        func store(_ prefix: String, secret: String? = nil, limits: Limits = .standard) throws -> HTTPSnapshotStore {
            try HTTPSnapshotStore(
                S3Location(endpoint: words[0], bucket: words[1], prefix: prefix),
                credentials: S3Credentials(accessKey: words[2], secretKey: secret ?? words[3]), transport: transport,
                limits: limits)
        }
        var count = 0
        try await checkSnapshotStore(collects: false) {
            count += 1
            return try store("run-\(count)")
        }
        var limits = Limits()
        limits.objectPartBytes = 5 * 1024 * 1024
        let parts = try store("parts", limits: limits)
        let bytes = TestBytes.random(count: 12 * 1024 * 1024, seed: 1)
        let region = RegionDescription(name: "r", dtype: .bytes, shape: [bytes.count], byteCount: bytes.count)
        let made = try await parts.create(
            from: MemorySource([(region, bytes)]), SnapshotOptions(name: "m", chunkBytes: 12 * 1024 * 1024))
        #expect(try await parts.verify(made.id) == [])
        try await parts.delete(made.id)
        #expect(try await parts.list() == [])
        await #expect { try await store("run-1", secret: "wrong").list() } throws: {
            ($0 as? SnapshotError)?.code == .accessDenied
        }
        await transport.shutDown()
    }
}

extension String {
    /// What stands before the first `part`.
    fileprivate func components(before part: String) -> String {
        firstRange(of: part).map { String(self[..<$0.lowerBound]) } ?? self
    }
}
