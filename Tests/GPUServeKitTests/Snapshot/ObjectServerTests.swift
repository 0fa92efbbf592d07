import GPUServeKit
import GPUServeKitTesting
import Testing
import Transport
import Wire

/// The S3 store against real servers that check signatures; those that are not installed are left out, and said so.
@Suite(.serialized) struct ObjectServerTests {
    @Test(arguments: ObjectServer.Kind.allCases)
    func `the store works with a real server, and a wrong secret is refused`(kind: ObjectServer.Kind) async throws {
        guard let server = try ObjectServer(kind) else { return }
        let transport = try LoopTransport()
        var count = 0
        try await checkSnapshotStore(collects: false) {
            count += 1
            return try server.store("run-\(count)", over: transport)
        }
        var limits = Limits()
        limits.objectPartBytes = 5 * 1024 * 1024
        let parts = try server.store("parts", over: transport, limits: limits)
        let bytes = TestBytes.random(count: 12 * 1024 * 1024, seed: 1)
        let region = RegionDescription(name: "r", dtype: .bytes, shape: [bytes.count], byteCount: bytes.count)
        let made = try await parts.create(
            from: MemorySource([(region, bytes)]), SnapshotOptions(name: "m", chunkBytes: 12 * 1024 * 1024))
        #expect(try await parts.verify(made.id) == [])
        try await parts.delete(made.id)
        #expect(try await parts.list() == [])
        let stranger = try server.store("run-1", over: transport, secret: "wrong")
        await #expect { try await stranger.list() } throws: { ($0 as? SnapshotError)?.code == .accessDenied }
        // An answer to HEAD has no body that could say why.
        await #expect { try await stranger.holds([made.manifest.distinctChunks[0]]) } throws: {
            String(describing: $0).contains("SignatureDoesNotMatch")
        }
        await transport.shutDown()
    }
}
