import Glibc
import Wire

/// The part of a server that lives on one loop: its connections, the buffers they share, and their orderly end.
///
/// `@unchecked Sendable`: confined to the loop's thread, but for the constants.
final class ServerLoop: DeadlineHandler, @unchecked Sendable {
    /// One receive buffer for all connections of the loop: bytes are parsed out of it at once, so that an idle
    /// connection needs none.
    private static let scratchBytes = 64 * 1024
    /// An output buffer that grew beyond this for one response is given back.
    private static let keptOutputBytes = 128 * 1024

    let loop: EventLoop
    let limits: Limits
    let calls: SocketCalls
    let counters: ServerCounters
    private let actor: LoopActor
    private let handler: any HTTPHandler

    let scratch: UnsafeMutableRawBufferPointer
    /// The bytes of one head or chunk on their way out; valid only between `beginOutput` and `push`, without a suspension.
    var output: [UInt8] = []

    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var listener: Listener?
    private var requestID: UInt64
    private var dateSecond: Int = .min
    private var dateText: [UInt8] = []

    // Drain.
    private(set) var isDraining = false
    var finishedDuringDrain = 0
    var idleClosedByDrain = 0
    private var drainWaiter: CheckedContinuation<Void, Never>?
    private var drainDeadline: DeadlineID?

    init(
        loop: EventLoop, index: Int, limits: Limits, calls: SocketCalls, counters: ServerCounters,
        handler: any HTTPHandler
    ) {
        self.loop = loop
        self.limits = limits
        self.calls = calls
        self.counters = counters
        self.handler = handler
        actor = LoopActor(loop)
        // The loop's number in the high bits keeps the loops' numbers apart without sharing a counter.
        requestID = UInt64(index) << 48
        scratch = .allocate(byteCount: Self.scratchBytes, alignment: 16)
    }

    deinit { scratch.deallocate() }

    // MARK: Connections

    /// Starts accepting. Loop thread.
    func listen(_ listener: Listener) throws(TransportError) {
        self.listener = listener
        try listener.start()
    }

    /// Takes over an accepted descriptor, for which a place was taken. Loop thread.
    func adopt(_ descriptor: Int32, peer: PeerAddress) {
        loop.assertCurrent()
        let connection = ServerConnection(server: self, descriptor: descriptor, peer: peer)
        do {
            try loop.register(descriptor, for: [.readable, .writable, .peerClosed], connection)
        } catch {
            close(descriptor)
            counters.returnPlace()
            return
        }
        counters.add(.accepted)
        connections[ObjectIdentifier(connection)] = connection
        connection.task = actor.spawn { [actor, handler] in await connection.serve(handler, isolation: actor) }
    }

    /// A connection's task is over.
    func ended(_ connection: ServerConnection) {
        connection.task = nil
        connections[ObjectIdentifier(connection)] = nil
        counters.returnPlace()
        if connections.isEmpty { finishDrainWait() }
    }

    /// Connections whose task still runs.
    var connectionCount: Int { connections.count }

    // MARK: Shared by the connections

    /// The first `count` bytes of the receive buffer. Valid until the next receive on this loop.
    func received(_ count: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: scratch.assumingMemoryBound(to: UInt8.self)[..<count])
    }

    /// Empties the output buffer for the next head or chunk.
    func beginOutput() {
        if output.capacity > Self.keptOutputBytes { output = [] } else { output.removeAll(keepingCapacity: true) }
    }

    func nextRequestID() -> UInt64 {
        requestID &+= 1
        return requestID
    }

    /// The monotonic time `after_ms` milliseconds after the start of this turn.
    func deadline(_ after_ms: Int) -> UInt64 { loop.now_ns &+ UInt64(after_ms) &* 1_000_000 }

    /// The value of `Date`, formatted once a second.
    func date() -> [UInt8] {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &now)
        if now.tv_sec != dateSecond {
            dateSecond = now.tv_sec
            dateText = HTTPDate.format(unixSeconds: Int64(now.tv_sec))
        }
        return dateText
    }

    // MARK: Drain

    /// Stops accepting, closes connections that have nothing to answer, and lets the others finish.
    func beginDrain() {
        loop.assertCurrent()
        guard !isDraining else { return }
        listener?.stop()
        listener = nil
        isDraining = true
        // Woken, an idle connection looks once more for a request before it closes.
        for connection in connections.values where connection.activity == .idle { connection.wake() }
    }

    /// Waits until no connection is left or the deadline is over. On the loop, where it is resumed: see `Settlement`.
    func waitUntilEmpty(deadline_ns: UInt64) async { await waitUntilEmpty(deadline_ns, on: actor) }

    private func waitUntilEmpty(_ deadline_ns: UInt64, on actor: isolated LoopActor) async {
        await withCheckedContinuation { continuation in
            precondition(drainWaiter == nil, "one drain at a time")
            drainWaiter = continuation
            if connections.isEmpty { return finishDrainWait() }
            drainDeadline = loop.schedule(at_ns: deadline_ns, self)
        }
    }

    func deadlineReached(_ id: DeadlineID) {
        drainDeadline = nil
        finishDrainWait()
    }

    private func finishDrainWait() {
        if let drainDeadline { loop.cancel(drainDeadline) }
        drainDeadline = nil
        drainWaiter?.resume()
        drainWaiter = nil
    }

    /// Ends every connection and cancels its handler; returns how many there were.
    func abortAll() -> Int {
        loop.assertCurrent()
        let open = connections.values.filter { $0.failure == nil }
        for connection in open { connection.fail(TransportError(.shuttingDown, "the drain limit is over")) }
        return open.count
    }
}
