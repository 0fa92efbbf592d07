import CPosix
import Glibc
import Wire

/// Accepts connections on one loop and hands them to the server's loops.
///
/// `@unchecked Sendable`: confined to its loop's thread between `start` and `stop`.
final class Listener: EventHandler, DeadlineHandler, @unchecked Sendable {
    /// How long accepting rests when not even the spare descriptor helps.
    private static let pause_ms = 100

    private let descriptor: Int32
    /// Called for each connection with a place taken; may hand over to another loop.
    private let deliver: (Int32, PeerAddress) -> Void
    /// The socket file to remove, with the identity it had when we made it.
    private let file: SocketFile?
    private unowned let server: ServerLoop
    private var isStarted = false
    /// Given up for a moment when descriptors run out, so that waiting connections can be accepted and closed. Without
    /// it they would stay in the backlog, and a level-triggered loop would spin on them.
    private var spare: Int32 = -1
    private var isPaused = false

    /// Owns `descriptor`, a bound socket that listens. `server` owns the listener.
    init(
        server: ServerLoop, descriptor: Int32, file: SocketFile? = nil,
        deliver: @escaping (Int32, PeerAddress) -> Void
    ) {
        self.server = server
        self.descriptor = descriptor
        self.file = file
        self.deliver = deliver
    }

    deinit { close(descriptor) }

    /// Begins to accept. Loop thread.
    func start() throws(TransportError) {
        spare = Self.openSpare()
        // Level-triggered: what one turn leaves in the backlog is seen again in the next.
        try server.loop.register(descriptor, for: .readable, levelTriggered: true, self)
        isStarted = true
    }

    /// Takes what is in the backlog, which may hold requests already, and ends. Loop thread.
    func stop() {
        guard isStarted else { return }
        isStarted = false
        for _ in 0..<server.limits.listenBacklogCount {
            guard case .accepted = acceptOne() else { break }
        }
        server.loop.deregister(descriptor)
        if spare >= 0 { close(spare) }
        file?.removeIfOurs()
    }

    func ready(_ readiness: Readiness) {
        for _ in 0..<server.limits.acceptsPerTurnCount {
            switch acceptOne() {
            case .accepted: continue
            case .empty: return
            case .exhausted: return pause()
            }
        }
    }

    func deadlineReached(_ id: DeadlineID) {
        guard isPaused, isStarted else { return }
        isPaused = false
        if spare < 0 { spare = Self.openSpare() }
        server.loop.modify(descriptor, for: .readable, levelTriggered: true)
    }

    // MARK: Accepting

    private enum Outcome { case accepted, empty, exhausted }

    private func acceptOne() -> Outcome {
        var peer = PeerAddress()
        let accepted = server.calls.accept(descriptor, &peer)
        if accepted >= 0 {
            take(accepted, peer)
            return .accepted
        }
        switch -accepted {
        case EAGAIN: return .empty
        case EMFILE, ENFILE: return refuseWithSpare()
        // The connection died in the backlog, or its network did (accept(2) lists these); the next one may be well.
        case ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
            EPERM:
            return .accepted
        default: return .exhausted
        }
    }

    private func take(_ accepted: Int32, _ peer: PeerAddress) {
        guard server.counters.takePlace(limit: server.limits.connectionCount) else {
            server.counters.add(.refusedOverLimit)
            return refuse(accepted, "the server has its \(server.limits.connectionCount) connections open")
        }
        deliver(accepted, peer)
    }

    /// Answers 503 without a place: one send and one receive, so that the request in the socket does not turn the close
    /// into a reset.
    private func refuse(_ accepted: Int32, _ message: String) {
        server.beginOutput()
        ErrorAnswer.append(
            status: 503, message: message, code: "overloaded", retryAfter_s: 1, date: server.date(), to: &server.output)
        _ = server.output.withUnsafeBytes { server.calls.send(accepted, $0) }
        shutdown(accepted, Int32(SHUT_WR))
        _ = server.calls.receive(accepted, server.scratch)
        close(accepted)
    }

    private func refuseWithSpare() -> Outcome {
        guard spare >= 0 else { return .exhausted }
        close(spare)
        var peer = PeerAddress()
        let accepted = server.calls.accept(descriptor, &peer)
        if accepted >= 0 {
            server.counters.add(.refusedWithoutDescriptor)
            refuse(accepted, "the server is out of descriptors")
        }
        spare = Self.openSpare()
        if accepted >= 0 { return .accepted }
        return accepted == -EAGAIN ? .empty : .exhausted
    }

    private func pause() {
        isPaused = true
        server.loop.modify(descriptor, for: [], levelTriggered: true)
        _ = server.loop.schedule(after_ms: Self.pause_ms, self)
    }

    private static func openSpare() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }
}

/// A Unix socket's file, known by device and inode, so that a file another process has put there is left alone.
struct SocketFile: Sendable {
    private let path: String
    private let device: UInt
    private let inode: UInt

    /// Nil when there is no file.
    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.path = path
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }

    func removeIfOurs() {
        guard let now = SocketFile(path), now.device == device, now.inode == inode else { return }
        unlink(path)
    }
}
