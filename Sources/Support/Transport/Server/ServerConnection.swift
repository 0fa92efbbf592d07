import Glibc
import Wire

/// One accepted connection: what the kernel said about it, what waits to be parsed or sent, and the one task that serves
/// its requests in order.
///
/// `@unchecked Sendable`: confined to its loop's thread. The kernel's events, the loop's deadlines and the serving task
/// all run there; `SerialExecutor` isolation of the task is what keeps it so, and `wait` is its only suspension.
final class ServerConnection: EventHandler, DeadlineHandler, @unchecked Sendable {
    /// What the serving task is doing, as far as events need to know.
    enum Activity {
        case idle, readingHead, handling, closing
    }

    let server: ServerLoop
    let peer: PeerAddress
    /// -1 once closed.
    var descriptor: Int32
    var task: Task<Void, Never>?
    var activity = Activity.idle

    // Input.
    var parser: RequestParser
    var input = InputBuffer()
    var inbound: InboundBody
    /// The last receive may have left bytes in the kernel: an edge came, or the buffer was filled.
    var mayRead = true
    var peerClosed = false
    /// The body broke a rule or did not come; nothing after it can be trusted.
    var bodyFault: BodyFault?
    var bodyWindow = BodyWindow()
    /// The wait to read took too long; set by the timer, taken by whoever waits.
    var readTimedOut = false

    // Output.
    var outbound = OutboundQueue()
    var response: ResponseState
    /// What is being copied into the response's body.
    var relay: BodyRelay?
    /// `100 Continue` was asked for and not sent.
    var owesContinue = false

    // The exchange.
    /// Names the current request; a body or response kept beyond its handler is told apart by it.
    var exchange: UInt64 = 0
    /// Requests handed to the handler so far.
    var served = 0
    /// The server itself gave the last answer of this connection.
    var hasAnswered = false
    var timer = ConnectionTimer()
    var budget: TurnBudget
    /// Why nothing more can be done with this connection.
    private(set) var failure: TransportError?
    private var waiter: UnsafeContinuation<Void, Never>?

    init(server: ServerLoop, descriptor: Int32, peer: PeerAddress) {
        self.server = server
        self.descriptor = descriptor
        self.peer = peer
        parser = RequestParser(limits: server.limits)
        inbound = InboundBody(.none, limits: server.limits)
        response = ResponseState(isHead: false, minorVersion: 1, keepAlive: true)
        budget = TurnBudget(server.limits)
    }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        if readiness.contains(.readable) { mayRead = true }
        if readiness.contains(.peerClosed) { peerClosed = true }
        if readiness.contains(.failed) {
            fail(TransportError(.clientGone, "the client reset the connection"))
            return
        }
        if readiness.contains(.writable), !outbound.isEmpty { flush() }
        if peerClosed, activity == .handling, response.phase != .finished || !outbound.isEmpty {
            fail(TransportError(.clientGone, "the client closed the connection before the response was complete"))
            return
        }
        if relay != nil { relayTurn() }
        wake()
    }

    func deadlineReached(_ id: DeadlineID) {
        switch timer.fired(now_ns: EventLoop.clock_ns()) {
        case .later(let next):
            if next != nil { timer.arm(server.loop, self) }
        case .readDue:
            readTimedOut = true
            timer.arm(server.loop, self)
            wake()
        case .writeDue:
            server.counters.add(.writeStalls)
            fail(TransportError(.idleTimeout, "the client took nothing for \(server.limits.writeStall_ms) ms"))
        }
    }

    /// Suspends the serving task until the kernel or the timer says something new.
    nonisolated(nonsending) func wait() async {
        budget.refill()
        await withUnsafeContinuation { continuation in
            precondition(waiter == nil, "one wait at a time")
            waiter = continuation
        }
    }

    /// Resumes the serving task if it waits.
    func wake() {
        guard let continuation = waiter else { return }
        waiter = nil
        continuation.resume()
    }

    /// Lets other connections of this loop run when this one had its share of the turn.
    nonisolated(nonsending) func yieldIfOverBudget() async {
        guard budget.isSpent else { return }
        budget.refill()
        await Task.yield()
    }

    // MARK: End

    /// Ends the connection now. A handler whose response is not complete is cancelled, unless it failed by its own doing.
    func fail(_ error: TransportError, cancelsHandler: Bool = true) {
        guard failure == nil else { return }
        failure = error
        if activity == .handling, response.phase != .finished || !outbound.isEmpty {
            if error.code == .clientGone { server.counters.add(.clientsGone) }
            // Where only the end of the connection ends the body, an orderly close would make it look whole.
            if response.endsByClosing { resetOnClose() }
            response.abort()
            if cancelsHandler { task?.cancel() }
        }
        closeDescriptor()
        wake()
    }

    func checkUsable() throws(TransportError) {
        if let failure { throw failure }
    }

    /// Closes the socket; the serving task, where it still runs, finds `descriptor` at -1.
    func closeDescriptor() {
        guard descriptor >= 0 else { return }
        timer.cancel(server.loop)
        server.loop.deregister(descriptor)
        close(descriptor)
        descriptor = -1
        outbound.removeAll()
        input.removeAll()
    }

    private func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
}

/// A body that broke a rule: how the server answers when the handler does not.
struct BodyFault {
    let status: Int
    let code: String
    let error: TransportError
}

/// Holds a body to a least speed. The clock runs only while the handler waits for bytes: what it does between two reads is
/// not the client's fault.
struct BodyWindow {
    /// Bytes received in this window.
    private(set) var bytes = 0
    private var end_ns: UInt64?
    private var paused_ns: UInt64?

    /// A wait begins: gives the time at which it becomes too long.
    mutating func resume(now_ns: UInt64, limits: Limits) -> UInt64 {
        let length_ns = UInt64(limits.bodyProgress_ms) &* 1_000_000
        let pause_ns = paused_ns.map { now_ns > $0 ? now_ns - $0 : 0 } ?? 0
        paused_ns = nil
        let end = end_ns.map { $0 + pause_ns } ?? now_ns + length_ns
        end_ns = end
        return end
    }

    /// The wait is over.
    mutating func pause(now_ns: UInt64) { if end_ns != nil, paused_ns == nil { paused_ns = now_ns } }

    /// Bytes came.
    mutating func add(_ count: Int) { bytes += count }

    /// The window's end came: true when enough arrived for another one to begin.
    mutating func renew(limits: Limits) -> Bool {
        guard bytes >= limits.bodyProgressBytes else { return false }
        self = BodyWindow()
        return true
    }
}

/// How much one connection may do before others get their turn.
struct TurnBudget {
    private let bytes: Int
    private let requests: Int
    private var bytesLeft: Int
    private var requestsLeft: Int

    init(_ limits: Limits) {
        bytes = limits.turnBytes
        requests = limits.turnRequestCount
        bytesLeft = bytes
        requestsLeft = requests
    }

    var isSpent: Bool { bytesLeft <= 0 || requestsLeft <= 0 }
    mutating func spend(bytes count: Int) { bytesLeft -= count }
    mutating func spendRequest() { requestsLeft -= 1 }
    mutating func refill() {
        bytesLeft = bytes
        requestsLeft = requests
    }
}
