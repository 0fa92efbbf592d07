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
            let child = try Child(directory: scratch.path, seed: Int(generator.next() >> 2))
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

/// `store-torture`, running.
private final class Child {
    private let pid: pid_t
    private let output: Int32

    struct CannotStart: Error {
        let path: String
        let status: Int32
    }

    init(directory: String, seed: Int) throws {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let runner = String(decoding: buffer[..<max(count, 0)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = runner.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/store-torture"
        var ends: [Int32] = [0, 0]
        _ = pipe(&ends)
        // Or the other children of this process would keep it open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let words: [String] = [path, directory, String(seed)]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        let status = posix_spawn(&child, path, &actions, nil, &arguments, environ)
        close(ends[1])
        output = ends[0]
        pid = child
        guard status == 0 else { throw CannotStart(path: path, status: status) }
    }

    deinit { close(output) }

    /// Waits for that many bytes of output; what there was when it ended early.
    func read(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: count)
        while bytes.count < count {
            let got = Glibc.read(output, &piece, count - bytes.count)
            guard got > 0 else { break }
            bytes += piece[..<got]
        }
        return bytes
    }

    func kill() {
        Glibc.kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }
}
