internal import CPosix
internal import Glibc
internal import Synchronization
internal import Transport

/// What an engine has to itself besides its memory, so that an image of its processes can be brought back at any time: numbers of
/// processes that nobody else is given, and files in memory (`/dev/shm`) that nobody else makes or removes.
///
/// A keeper, a process that does nothing, holds it (pid_namespaces(7), mount_namespaces(7)). When the last of those who are in it has
/// ended the keeper is killed, and the kernel ends whatever else is left there. It outlives this program as engines do. Any thread.
final class EngineRoom: Sendable {
    /// What of it is its own.
    enum Kind: String, Sendable, Hashable {
        /// Numbers of processes.
        case numbers
        /// Those, and `/dev/shm`.
        case numbersAndMemory = "numbers-and-memory"
    }

    let kind: Kind
    let keeper: EngineProcess
    private let guestCount: Lock<Int>

    private init(_ kind: Kind, _ keeper: EngineProcess, guestCount: Int) {
        (self.kind, self.keeper) = (kind, keeper)
        self.guestCount = Lock(guestCount)
    }

    /// Makes one, which the caller has entered.
    ///
    /// - Parameters:
    ///   - environment: of the keeper; see `StrayEngines`.
    ///   - last: processes in it get numbers above this one; 0 for the first ones.
    /// - Throws: `notPermitted` without CAP_SYS_ADMIN, `cannotSpawn` for anything else.
    static func make(
        _ kind: Kind, environment: [String: String], above last: Int32 = 0, on host: EngineHost
    ) async throws(ReplicaFailure) -> EngineRoom {
        // The one program that every system has for it.
        let program = try ProgramFinder.find(["sleep"])
        let keeper: Result<EngineProcess, ReplicaFailure> = await host.run {
            let pid = EngineProcess.withWords(program, ["\(Int32.max)"], environment) { words, variables in
                cposix_make_room(
                    program, words, variables, kind == .numbers ? 0 : Int32(CPOSIX_OWN_SHARED_MEMORY), last)
            }
            if pid > 0 { return .success(EngineProcess.watched(pid, nil, host)) }
            let why = String(cString: strerror(-pid))
            return .failure(
                ReplicaFailure(
                    pid == -EPERM ? .notPermitted : .cannotSpawn,
                    "no numbers of its own for the engine's processes: \(why)"
                        + (pid == -EPERM ? "; that needs root, or CAP_SYS_ADMIN" : "")))
        }
        return EngineRoom(kind, try keeper.get(), guestCount: 1)
    }

    /// Finds one again that an earlier run of this program made, which nobody has entered; nil when it is gone.
    static func adopt(_ kind: Kind, _ keeper: EngineProcess.Identity, on host: EngineHost) async -> EngineRoom? {
        guard let keeper = await EngineProcess.adopt(keeper, in: nil, on: host) else { return nil }
        return EngineRoom(kind, keeper, guestCount: 0)
    }

    func enter() { guestCount.withLock { $0 += 1 } }

    /// The last one ends it.
    func leave() {
        let isEmpty = guestCount.withLock { count in
            count -= 1
            return count == 0
        }
        if isEmpty { keeper.kill() }
    }

    /// Where its files in memory are, seen from outside.
    var memoryPath: String { "/proc/\(keeper.identity.pid)/root/dev/shm" }

    /// The child of this program that has a number in the room.
    ///
    /// - Parameter number: as those in the room see it.
    func child(_ number: Int32, on host: EngineHost) async -> Int32? {
        let own = space(keeper.identity.pid)
        // Children belong to the thread that started them.
        return await host.run {
            let children = ProcessStat.read("/proc/thread-self/children", limit: 1 << 20) ?? []
            return String(decoding: children, as: UTF8.self).split(separator: " ").compactMap { Int32($0) }.first {
                child in
                ProcessStat.innerNumber(of: child) == number && own != nil && self.space(child) == own
            }
        }
    }

    private func space(_ pid: Int32) -> UInt? {
        var info = stat()
        return stat("/proc/\(pid)/ns/pid", &info) == 0 ? UInt(info.st_ino) : nil
    }
}
