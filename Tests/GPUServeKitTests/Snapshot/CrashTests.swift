import GPUServeKit
import Glibc
import Testing
import Transport

/// Stores whose writers are killed at any moment keep every committed snapshot whole and show no partial one.
@Suite(.serialized) struct CrashTests {
    /// 20 kills, or as many as SNAPSHOT_KILLS says: `make test-all` sets it to 200.
    static let killCount = getenv("SNAPSHOT_KILLS").flatMap { Int(String(cString: $0)) } ?? 20

    /// What the killed program says it is doing.
    static let verbs: [Character: String] = [
        "c": "create", "m": "copy", "p": "push", "l": "pull", "d": "delete", "g": "gc",
    ]

    @Test func `committed snapshots survive kill -9 at any moment`() async throws {
        let scratch = try ScratchDirectory()
        let server = try ObjectServer(.moto)
        let transport = try LoopTransport()
        let bucket = try server?.store("torture", over: transport)
        var generator = SplitMix(UInt64(getpid()))
        var seen = 0
        var killed: [String: Int] = [:]
        for round in 0..<Self.killCount {
            let last = try kill(scratch.path, server, &generator)
            if let last, let verb = Self.verbs[last] { killed[verb, default: 0] += 1 }
            for name in ["a", "b"] where round > 0 || !ScratchDirectory.names(scratch.path).isEmpty {
                seen += try await check(scratch.path + "/" + name, collect: round % 2 == 0)
            }
            // Less often: each chunk is a request.
            if let bucket, round % 4 == 3 || round == Self.killCount - 1 { seen += try await check(bucket) }
        }
        #expect(seen > 0, "no round left a snapshot to look at")
        if Self.killCount >= 200, server != nil {
            for verb in Self.verbs.values { #expect(killed[verb, default: 0] > 0, "nothing was killed during \(verb)") }
        }
        let tally = killed.sorted { $0.key < $1.key }.map { "\($0.value) during \($0.key)" }.joined(separator: ", ")
        print("\(Self.killCount) kills (\(tally)), \(seen) snapshots verified after them")
        await transport.shutDown()
    }

    /// Starts the program, kills it somewhere, and returns what it said last.
    private func kill(_ path: String, _ server: ObjectServer?, _ generator: inout SplitMix) throws -> Character? {
        var words = [ChildProcess.productFolder + "/store-torture", path, String(generator.next())]
        var environment: [String: String] = [:]
        if let server {
            words += [server.endpoint, server.bucket]
            environment = ["AWS_ACCESS_KEY_ID": server.accessKey, "AWS_SECRET_ACCESS_KEY": server.secretKey]
        }
        let child = try ChildProcess(words, environment: environment)
        let steps = child.read(Int.random(in: 1...120, using: &generator)).map { Character(UnicodeScalar($0)) }
        #expect(steps.allSatisfy { Self.verbs[$0] != nil }, "the child said \(String(steps))")
        // Some way into what follows the last step.
        for _ in 0..<Int.random(in: 0...2_000, using: &generator) { sched_yield() }
        child.kill()
        return steps.last
    }

    private func check(_ path: String, collect: Bool) async throws -> Int {
        let store = try DirectorySnapshotStore(path: path)
        let summaries = try await store.list()
        if collect {
            try await store.collectGarbage()
            for part in ["uploads", "temporary", "trash"] {
                #expect(ScratchDirectory.names(path + "/" + part) == [], "leftovers in \(part)")
            }
            #expect(try await store.list() == summaries)
        }
        return try await check(store)
    }

    private func check(_ store: any SnapshotStore) async throws -> Int {
        let summaries = try await store.list()
        for summary in summaries {
            #expect(summary.problem == nil)
            #expect(try await store.verify(summary.id) == [])
        }
        return summaries.count
    }
}
