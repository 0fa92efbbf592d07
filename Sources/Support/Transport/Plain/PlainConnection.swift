import Glibc
import Wire

/// One connection to an upstream: being made, unused, or carrying one request.
///
/// `@unchecked Sendable`: confined to its engine's loop.
final class PlainConnection: EventHandler, DeadlineHandler, @unchecked Sendable {
    let engine: PlainEngine
    let host: PlainHost
    /// -1 once closed.
    var descriptor: Int32
    private var isConnected: Bool
    /// The request it carries, or for which it is being made.
    var transfer: PlainTransfer?
    private var timer = LazyDeadline()
    /// When the attempt to connect, or the time without a request, is over.
    private var limit_ns = UInt64.max

    // Input.
    /// The last receive may have left bytes in the kernel: an edge came, or the buffer was filled.
    var mayRead = false
    /// The peer's end, or an error, lies behind the bytes to read; no later edge will tell.
    var endIsNear = false
    var parser: ResponseHeadParser
    /// The bytes of a head that has not arrived in full.
    var partialHead: [UInt8] = []
    var body = PlainBody()
    var headDelivered = false
    var keepsAlive = false
    /// The upstream has begun to answer the current request.
    var sawAnswer = false

    // Output.
    var outbound = OutboundQueue()
    var sent_ns: UInt64 = 0
    /// An earlier request was answered on this connection.
    var isReused = false

    init(_ engine: PlainEngine, _ host: PlainHost, descriptor: Int32, isConnected: Bool) {
        self.engine = engine
        self.host = host
        self.descriptor = descriptor
        self.isConnected = isConnected
        parser = ResponseHeadParser(limits: engine.limits)
    }

    /// Makes sure that the socket is watched. False when epoll refuses.
    func register() -> Bool {
        do throws(TransportError) {
            try engine.loop.register(descriptor, for: [.readable, .writable, .peerClosed], self)
            return true
        } catch {
            return false
        }
    }

    /// Waits for the connection on behalf of `transfer`, until `limit_ns`.
    func awaitConnect(for transfer: PlainTransfer, until limit_ns: UInt64) {
        self.transfer = transfer
        self.limit_ns = limit_ns
        timer.want(limit_ns, engine.loop, self)
    }

    /// Stays unused for a while.
    func park() {
        isReused = true
        limit_ns = LazyDeadline.time_ns(engine.loop.now_ns, after_ms: engine.limits.upstreamIdle_ms)
        timer.want(limit_ns, engine.loop, self)
    }

    /// Closes the socket. Only `PlainEngine` calls this: it keeps the accounts.
    func close() {
        guard descriptor >= 0 else { return }
        timer.cancel(engine.loop)
        engine.loop.deregister(descriptor)
        Glibc.close(descriptor)
        descriptor = -1
        transfer = nil
        outbound.removeAll()
        partialHead = []
    }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        if !readiness.isDisjoint(with: [.readable, .peerClosed, .failed]) { mayRead = true }
        if !readiness.isDisjoint(with: [.peerClosed, .failed]) { endIsNear = true }
        guard let transfer else {
            // Nothing was asked: the peer closes, or it says what no one can be meant by.
            if mayRead { engine.discard(idle: self) }
            return
        }
        guard isConnected else {
            if !readiness.isDisjoint(with: [.writable, .failed]) { connectEnded(transfer) }
            return
        }
        if readiness.contains(.writable), !outbound.isEmpty { flush() }
        read()
    }

    private func connectEnded(_ transfer: PlainTransfer) {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        if getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0 { code = errno }
        guard code == 0 else { return engine.connectFailed(self, transfer, code) }
        isConnected = true
        engine.connected(self, transfer)
    }

    func deadlineReached(_ id: DeadlineID) {
        timer.fired()
        let now_ns = EventLoop.clock_ns()
        if let transfer, isConnected {
            switch transfer.verdict(now_ns) {
            case .later(let at_ns): timer.want(at_ns, engine.loop, self)
            case .due(let error): engine.abort(transfer, error)
            }
        } else if limit_ns > now_ns {
            timer.want(limit_ns, engine.loop, self)
        } else if let transfer {
            engine.connectFailed(self, transfer, ETIMEDOUT)
        } else {
            engine.discard(idle: self)
        }
    }

    /// Makes sure that the transfer's next time limit is noticed.
    func rearm(_ transfer: PlainTransfer) {
        timer.want(transfer.dueTime_ns, engine.loop, self)
    }
}
