internal import CPosix
internal import Glibc
internal import Transport

/// The thread that starts engines and sees them end.
///
/// One thread for the whole life of the program: an engine may have asked the kernel to end it when the thread that started
/// it ends (PR_SET_PDEATHSIG), and threads of a pool come and go.
public final class EngineHost: Sendable {
    let loop: EventLoop

    /// Starts the thread.
    ///
    /// - Throws: `cannotSpawn` when the process is out of descriptors.
    public init() throws(ReplicaFailure) {
        do throws(TransportError) {
            loop = try EventLoop(name: "engines")
        } catch {
            throw ReplicaFailure(.cannotSpawn, "no thread for engines: \(error)")
        }
        loop.start()
    }

    deinit { loop.abandon() }

    /// Runs `body` on the thread and waits for what it gives.
    func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: body()) }
        }
    }

    /// Waits; ends early, and says false, when the task is cancelled.
    @discardableResult
    static func pause(_ ms: Int) async -> Bool {
        (try? await Task.sleep(nanoseconds: UInt64(max(0, ms)) * 1_000_000)) != nil
    }
}

/// Calls back once when a process has ended. Confined to the host's loop but for its making.
final class ExitWatch: EventHandler, @unchecked Sendable {
    private let loop: EventLoop
    private let descriptor: Int32
    private let ended: @Sendable () -> Void

    /// Nil, with errno, when there is no such process. Loop thread.
    init?(_ pid: Int32, on loop: EventLoop, ended: @escaping @Sendable () -> Void) {
        descriptor = cposix_pidfd_open(pid)
        guard descriptor >= 0 else { return nil }
        self.loop = loop
        self.ended = ended
        do throws(TransportError) {
            // The loop holds the handler until it is taken off.
            try loop.register(descriptor, for: [.readable], self)
        } catch {
            close(descriptor)
            return nil
        }
    }

    func ready(_ readiness: Readiness) {
        loop.deregister(descriptor)
        close(descriptor)
        ended()
    }
}
