internal import CCurl
import Synchronization
import Wire

/// One request on its way: what libcurl's callbacks fill and what `send` and `UpstreamBody` wait for.
///
/// `@unchecked Sendable`: `stream` locks itself; the members under "confined" are touched only on the engine's thread;
/// the rest never changes.
final class CurlTransfer: @unchecked Sendable, UpstreamBodySource, Settling, DeadlineHandler {
    // Any thread.
    let request: UpstreamRequest
    let stream: ByteStream
    private let engine: CurlEngine
    private let settlement = Settlement<Result<UpstreamResponse, TransportError>>()

    // Confined to the engine's thread.
    /// The handle that carries this transfer; nil before submission and after the end.
    var handle: CurlHandle?
    private var head: CurlResponseHead
    private var headDelivered = false
    /// Why a callback stopped libcurl, which then only reports "write error".
    private var failure: TransportError?
    private var paused = false
    private var deadline: DeadlineID?
    private var start_ns: UInt64 = 0
    private var progress_ns: UInt64 = 0
    private var sent_ns: UInt64?

    init(_ request: UpstreamRequest, engine: CurlEngine) {
        self.request = request
        self.engine = engine
        stream = ByteStream(highWaterBytes: engine.limits.upstreamBufferBytes, home: engine.home)
        head = CurlResponseHead(limits: engine.limits, isHeadAnswer: request.method == .head)
    }

    // MARK: The caller's side, any thread

    /// Waits for the response head.
    nonisolated(nonsending)
        func response() async throws(TransportError) -> UpstreamResponse
    {
        try await settlement.outcome(of: self, on: engine.home).get()
    }

    func resume() { engine.onLoop { $0.unpause(self) } }

    func abandon() { engine.onLoop { $0.abort(self, CurlTransfer.cancelled) } }

    private static let cancelled = TransportError(.cancelled, "the caller cancelled the request")

    // MARK: The engine's side, confined

    func start() { engine.start(self) }

    func giveUp() {
        engine.abort(self, CurlTransfer.cancelled)
        settlement.settle(.failure(CurlTransfer.cancelled))
    }

    func started() {
        start_ns = engine.loop.now_ns
        progress_ns = start_ns
        deadline = engine.loop.schedule(after_ms: timeLeft_ms(EventLoop.clock_ns()).least, self)
    }

    /// Asked before the request goes out, again when libcurl wants to repeat it because a kept-alive connection died
    /// without an answer. Soon after sending, the connection was surely stale; later the upstream may have died at work,
    /// and repeating the work is not ours to decide.
    func maySend() -> Bool {
        let now_ns = engine.loop.now_ns
        guard let sent_ns else {
            self.sent_ns = now_ns
            return true
        }
        let after_ms = elapsed_ms(since: sent_ns, now_ns)
        guard after_ms >= engine.limits.upstreamResend_ms else { return true }
        failure = TransportError(
            .reset, "\(CurlErrors.origin(request.url)): the connection died without an answer after \(after_ms) ms")
        return false
    }

    /// One line of a response head or trailer. False makes libcurl stop.
    func receive(headerLine line: Span<UInt8>) -> Bool {
        guard !headDelivered else { return true }
        do throws(TransportError) {
            guard let (head, version) = try head.append(line: line) else { return true }
            headDelivered = true
            progress_ns = engine.loop.now_ns
            rearm()
            settlement.settle(
                .success(
                    UpstreamResponse(
                        status: head.status, fields: head.fields, httpVersion: version,
                        body: UpstreamBody(stream, source: self))))
            return true
        } catch {
            failure = error
            return false
        }
    }

    /// A piece of the body.
    func receive(body: Span<UInt8>) -> ByteStream.Appended {
        let appended = stream.append(body)
        switch appended {
        case .taken: progress_ns = engine.loop.now_ns
        case .full: paused = true
        case .closed: break
        }
        return appended
    }

    /// The consumer made room; the idle clock starts again.
    func unpaused() {
        paused = false
        progress_ns = engine.loop.now_ns
    }

    var isPaused: Bool { paused }

    /// libcurl is done with this transfer.
    func completed(_ result: CURLcode, systemErrno: Int32, note: String) {
        guard result == CURLE_OK, headDelivered else {
            let code = result == CURLE_OK ? CURLE_GOT_NOTHING : result
            return failed(
                failure
                    ?? CurlErrors.error(
                        code, systemErrno: systemErrno, headComplete: headDelivered, url: request.url, note: note))
        }
        finished()
        stream.finish(.success(()))
    }

    /// The engine gives this transfer up.
    func failed(_ error: TransportError) {
        finished()
        stream.finish(.failure(error))
        settlement.settle(.failure(error))
    }

    private func finished() {
        if let deadline { engine.loop.cancel(deadline) }
        deadline = nil
    }

    // MARK: Deadlines

    func deadlineReached(_ id: DeadlineID) {
        deadline = nil
        let (left, code) = timeLeft_ms(EventLoop.clock_ns())
        guard left <= 0 else {
            deadline = engine.loop.schedule(after_ms: left, self)
            return
        }
        let limit_ms: Int
        switch code {
        case .firstByteTimeout: limit_ms = request.timeouts.firstByte_ms
        case .idleTimeout: limit_ms = request.timeouts.idle_ms
        default: limit_ms = request.timeouts.total_ms ?? 0
        }
        engine.abort(
            self, TransportError(code, "\(CurlErrors.origin(request.url)): \(code.label) after \(limit_ms) ms"))
    }

    private func rearm() {
        let left = timeLeft_ms(EventLoop.clock_ns()).least
        if let deadline, engine.loop.reschedule(deadline, after_ms: left) { return }
        deadline = engine.loop.schedule(after_ms: left, self)
    }

    /// Milliseconds, rounded up, until the nearest time limit, and which one that is. Pieces of the body only note the
    /// time they came: the deadline looks at it when it fires, so a stream does not touch the heap per piece.
    private func timeLeft_ms(_ now_ns: UInt64) -> (least: Int, code: TransportError.Code) {
        let timeouts = request.timeouts
        var left: Int
        var code: TransportError.Code
        if headDelivered {
            // A slow consumer is no fault of the upstream's.
            left = paused ? timeouts.idle_ms : timeouts.idle_ms - elapsed_ms(since: progress_ns, now_ns)
            code = .idleTimeout
        } else {
            left = timeouts.firstByte_ms - elapsed_ms(since: start_ns, now_ns)
            code = .firstByteTimeout
        }
        if let total_ms = timeouts.total_ms {
            let totalLeft = total_ms - elapsed_ms(since: start_ns, now_ns)
            if totalLeft < left {
                left = totalLeft
                code = .totalTimeout
            }
        }
        return (left, code)
    }

    private func elapsed_ms(since start_ns: UInt64, _ now_ns: UInt64) -> Int {
        now_ns > start_ns ? Int((now_ns - start_ns) / 1_000_000) : 0
    }
}
