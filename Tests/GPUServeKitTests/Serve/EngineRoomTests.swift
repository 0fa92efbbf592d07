import Glibc
import Testing

@testable import GPUServeKit

/// What engines have to themselves so that images of them can be restored. Needs root, or CAP_SYS_ADMIN.
@Suite struct EngineRoomTests {
    private let host: EngineHost
    private let scratch: ScratchDirectory

    init() throws {
        host = try EngineHost()
        scratch = try ScratchDirectory()
    }

    /// Nil, and said, where none can be made.
    private func room(_ kind: EngineRoom.Kind, above last: Int32 = 0) async throws -> EngineRoom? {
        do throws(ReplicaFailure) {
            return try await EngineRoom.make(kind, environment: ["A": "b"], above: last, on: host)
        } catch {
            guard error.code == .notPermitted else { throw error }
            print("not tested without the right to make namespaces: \(error)")
            return nil
        }
    }

    /// What a script in a room printed.
    private func run(_ script: String, in room: EngineRoom) async throws -> String {
        let log = "\(scratch.path)/log-\(RandomName.make())"
        let process = try await EngineProcess.start(
            program: "/bin/sh", arguments: ["-c", script], environment: ["PATH": "/usr/bin:/bin"], logPath: log,
            directory: scratch.path, in: room, on: host)
        #expect(await process.waitForEnd(limit_ms: 60_000))
        #expect(process.ending?.text == "exit status 0")
        return String(decoding: ScratchDirectory.read(log), as: UTF8.self)
    }

    @Test func `it has numbers and files in memory of its own, and goes with the last who leaves`() async throws {
        guard let room = try await room(.numbersAndMemory) else { return }
        let name = RandomName.make()
        let first = try await run("echo $$; echo hello > /dev/shm/\(name); ls /proc | grep -c '^[0-9]'", in: room)
        let numbers = first.split(separator: "\n").compactMap { Int($0) }
        #expect(numbers.first == 2, "the keeper is the first one: \(first)")
        #expect(numbers.last ?? 99 <= 5, "nobody else is seen: \(first)")
        #expect(access("/dev/shm/\(name)", F_OK) != 0)
        #expect(access("\(room.memoryPath)/\(name)", F_OK) == 0)
        // The next one finds what the one before left, also what it left running in a session of its own.
        let second = try await run("cat /dev/shm/\(name); setsid sleep 1000 > /dev/null 2>&1 & ", in: room)
        #expect(second == "hello\n")
        let left = ProcessStat.all.filter { pid in
            let words = String(decoding: ProcessStat.read("/proc/\(pid)/cmdline", limit: 64) ?? [], as: UTF8.self)
            return words == "sleep\u{0}1000\u{0}" && ProcessStat.innerNumber(of: pid) != pid
        }
        room.leave()
        #expect(await room.keeper.waitForEnd(limit_ms: 60_000))
        #expect(room.keeper.ending?.text == "killed by signal 9")
        for pid in left { #expect(ProcessStat(pid: pid) == nil, "the kernel ends all that was in it") }
    }

    @Test func `numbers can be left free, and children are found by them`() async throws {
        guard let room = try await room(.numbers, above: 4_000) else { return }
        defer { room.leave() }
        let printed = try await run("echo $$", in: room)
        #expect(Int32(printed.prefix { $0.isNumber }) == 4_001)
        let process = try await EngineProcess.start(
            program: "/bin/sleep", arguments: ["1000"], environment: [:], logPath: scratch.path + "/log",
            directory: scratch.path, in: room, on: host)
        let inner = try #require(ProcessStat.innerNumber(of: process.identity.pid))
        #expect(inner > 4_001 && inner != process.identity.pid)
        #expect(await room.child(inner, on: host) == process.identity.pid)
        #expect(await room.child(4_000, on: host) == nil)
        // Those of whoever made the room get numbers as before.
        let outside = try await EngineProcess.start(
            program: "/bin/sleep", arguments: ["1000"], environment: [:], logPath: scratch.path + "/log",
            directory: scratch.path, on: host)
        #expect(ProcessStat.innerNumber(of: outside.identity.pid) == outside.identity.pid)
        for one in [process, outside] { await one.end(grace_ms: 0) }
    }

    @Test func `one that a program left is found again by the next`() async throws {
        guard let room = try await room(.numbers) else { return }
        let found = try #require(await EngineRoom.adopt(.numbers, room.keeper.identity, on: host))
        let process = try await EngineProcess.start(
            program: "/bin/sleep", arguments: ["1000"], environment: [:], logPath: scratch.path + "/log",
            directory: scratch.path, in: found, on: host)
        await process.end(grace_ms: 0)
        #expect(await found.keeper.waitForEnd(limit_ms: 60_000), "who was in it has left")
        #expect(await EngineRoom.adopt(.numbers, room.keeper.identity, on: host) == nil)
    }

    @Test func `a program that cannot be run in it is named, and leaves it`() async throws {
        guard let room = try await room(.numbers) else { return }
        await #expect {
            _ = try await EngineProcess.start(
                program: "/no/such/program", arguments: [], environment: [:], logPath: scratch.path + "/log",
                directory: scratch.path, in: room, on: host)
        } throws: {
            ($0 as? ReplicaFailure)?.code == .programMissing
        }
        room.leave()
        #expect(await room.keeper.waitForEnd(limit_ms: 60_000))
        await #expect {
            _ = try await EngineProcess.start(
                program: "/bin/true", arguments: [], environment: [:], logPath: scratch.path + "/log",
                directory: scratch.path, in: room, on: host)
        } throws: {
            ($0 as? ReplicaFailure)?.code == .cannotSpawn && "\($0)".contains("the room of /bin/true is gone")
        }
    }
}
