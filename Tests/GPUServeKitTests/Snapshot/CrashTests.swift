import GPUServeKit
import Glibc
import Testing

/// A store whose writers are killed at any moment keeps every committed snapshot whole and shows no partial one.
@Suite(.serialized) struct CrashTests {
    /// 20 kills, or as many as SNAPSHOT_KILLS says: `make test-all` sets it to 200.
    static let killCount = getenv("SNAPSHOT_KILLS").flatMap { Int(String(cString: $0)) } ?? 20

    @Test func `committed snapshots survive kill -9 at any moment`() async throws {
        let scratch = try ScratchDirectory()
        var generator = SplitMix(UInt64(getpid()))
        var seen = 0
        for round in 0..<Self.killCount {
            let program = ChildProcess.productFolder + "/store-torture"
            let child = try ChildProcess([program, scratch.path, String(generator.next())])
            let steps = child.read(Int.random(in: 1...120, using: &generator))
            #expect(steps.allSatisfy { $0 == 0x2E }, "the child said \(String(decoding: steps, as: UTF8.self))")
            // Some way into what follows the last step.
            for _ in 0..<Int.random(in: 0...2_000, using: &generator) { sched_yield() }
            child.kill()
            for name in ["a", "b"] where round > 0 || !ScratchDirectory.names(scratch.path).isEmpty {
                seen += try await check(scratch.path + "/" + name, collect: round % 2 == 0)
            }
        }
        #expect(seen > 0, "no round left a snapshot to look at")
        print("\(Self.killCount) kills, \(seen) snapshots verified after them")
    }

    private func check(_ path: String, collect: Bool) async throws -> Int {
        let store = try DirectorySnapshotStore(path: path)
        var summaries = try await store.list()
        if collect {
            try await store.collectGarbage()
            for part in ["uploads", "temporary", "trash"] {
                #expect(ScratchDirectory.names(path + "/" + part) == [], "leftovers in \(part)")
            }
            #expect(try await store.list() == summaries)
            summaries = try await store.list()
        }
        for summary in summaries {
            #expect(summary.problem == nil)
            #expect(try await store.verify(summary.id) == [])
        }
        return summaries.count
    }
}
