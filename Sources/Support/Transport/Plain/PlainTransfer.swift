import Synchronization
import Wire

/// One request on its way through a `PlainEngine`: what its connection fills and what `send` and `UpstreamBody` wait for.
///
/// `@unchecked Sendable`: `stream` locks itself; the members under "confined" are touched only on the engine's loop; the
/// rest never changes.
final class PlainTransfer: @unchecked Sendable, UpstreamBodySource, Settling, DeadlineHandler {
    enum Outcome: Sendable {
        case response(UpstreamResponse)
        case failed(TransportError)
        /// The URL is not one that the native client takes; nothing was sent.
        case notPlain
    }

    /// Where the request is. Those that are resolving or connecting hold one of their host's slots.
    enum Phase {
        case new
        case queued
        case resolving
        case connecting(PlainConnection)
        case active(PlainConnection)
        case over
    }

    // Any thread.
    let request: UpstreamRequest
    let stream: ByteStream
    private let engine: PlainEngine
    private let settlement = Settlement<Outcome>()

    // Confined to the engine's loop.
    var phase = Phase.new
    /// Where this stands in the engine's list of transfers.
    var index = -1
    private(set) var route: PlainRoute?
    /// Addresses not tried yet, the next one last.
    var addresses: [SocketAddress] = []
    /// The connection is made for this request because a kept one died.
    var isRepeat = false
    private(set) var isPaused = false
    private var headDelivered = false
    private var timer = LazyDeadline()
    private var start_ns: UInt64 = 0
    private var progress_ns: UInt64 = 0

    init(_ request: UpstreamRequest, engine: PlainEngine) {
        self.request = request
        self.engine = engine
        stream = ByteStream(highWaterBytes: engine.limits.upstreamBufferBytes, home: engine.home)
    }

    // MARK: The caller's side, any thread

    /// Waits for the response head. Nil: this request is not for the native client.
    nonisolated(nonsending)
        func response() async throws(TransportError) -> UpstreamResponse?
    {
        switch await settlement.outcome(of: self, on: engine.home) {
        case .response(let response): return response
        case .failed(let error): throw error
        case .notPlain: return nil
        }
    }

    func resume() {
        engine.loop.execute { [self] in
            guard isPaused, case .active(let connection) = phase else { return }
            isPaused = false
            progress_ns = engine.loop.now_ns
            connection.read()
        }
    }

    func abandon() {
        engine.loop.execute { [self] in engine.abort(self, PlainTransfer.cancelled) }
    }

    private static let cancelled = TransportError(.cancelled, "the caller cancelled the request")

    // MARK: The engine's side, confined

    func start() { engine.start(self) }

    func giveUp() {
        engine.abort(self, PlainTransfer.cancelled)
        settlement.settle(.failed(PlainTransfer.cancelled))
    }

    func began(_ route: PlainRoute) {
        self.route = route
        start_ns = engine.loop.now_ns
        progress_ns = start_ns
    }

    func notPlain() { settlement.settle(.notPlain) }

    /// The final head has arrived. The body bytes that came with it are in the stream already, so that the caller
    /// wakes up once.
    func deliver(_ head: ResponseHead) {
        headDelivered = true
        settlement.settle(
            .response(
                UpstreamResponse(
                    status: head.status, fields: head.fields,
                    httpVersion: head.minorVersion == 0 ? .http1_0 : .http1_1,
                    body: UpstreamBody(stream, source: self))))
    }

    /// Something came from the upstream.
    func progressed() { progress_ns = engine.loop.now_ns }

    /// The stream is full; `resume` goes on.
    func pause() { isPaused = true }

    /// The body is complete.
    func completed() {
        ended()
        stream.finish(.success(()))
    }

    /// The engine gives this transfer up.
    func failed(_ error: TransportError) {
        ended()
        stream.finish(.failure(error))
        settlement.settle(.failed(error))
    }

    private func ended() {
        phase = .over
        timer.cancel(engine.loop)
    }

    // MARK: Deadlines

    enum Verdict {
        case later(at_ns: UInt64)
        case due(TransportError)
    }

    /// Watches this transfer's own time limits while no connection does it.
    func watchTime() {
        timer.want(dueTime_ns, engine.loop, self)
    }

    /// The connection watches from here on.
    func stopWatchingTime() { timer.cancel(engine.loop) }

    func deadlineReached(_ id: DeadlineID) {
        timer.fired()
        switch verdict(EventLoop.clock_ns()) {
        case .later(let at_ns): timer.want(at_ns, engine.loop, self)
        case .due(let error): engine.abort(self, error)
        }
    }

    /// When the connection must be there; for splitting the time among addresses.
    var connectDeadline_ns: UInt64 { LazyDeadline.time_ns(start_ns, after_ms: request.timeouts.connect_ms) }

    /// When the nearest time limit passes; not before now.
    var dueTime_ns: UInt64 {
        let now_ns = engine.loop.now_ns
        if case .later(let at_ns) = verdict(now_ns) { return at_ns }
        return now_ns
    }

    /// The nearest time limit, and whether it has passed.
    func verdict(_ now_ns: UInt64) -> Verdict {
        let timeouts = request.timeouts
        var code = TransportError.Code.idleTimeout
        var limit_ms = timeouts.idle_ms
        var at_ns: UInt64
        if headDelivered {
            // A slow consumer is no fault of the upstream's.
            at_ns = LazyDeadline.time_ns(isPaused ? now_ns : progress_ns, after_ms: limit_ms)
        } else {
            code = .firstByteTimeout
            limit_ms = timeouts.firstByte_ms
            at_ns = LazyDeadline.time_ns(start_ns, after_ms: limit_ms)
            if connectDeadline_ns < at_ns, !isActive {
                code = .connectTimeout
                limit_ms = timeouts.connect_ms
                at_ns = connectDeadline_ns
            }
        }
        if let total_ms = timeouts.total_ms {
            let total_ns = LazyDeadline.time_ns(start_ns, after_ms: total_ms)
            if total_ns < at_ns {
                code = .totalTimeout
                limit_ms = total_ms
                at_ns = total_ns
            }
        }
        guard at_ns <= now_ns else { return .later(at_ns: at_ns) }
        return .due(TransportError(code, "\(origin): \(code.label) after \(limit_ms) ms"))
    }

    private var isActive: Bool { if case .active = phase { true } else { false } }

    /// Scheme, host and port, for error texts.
    var origin: String { CurlErrors.origin(request.url) }
}
