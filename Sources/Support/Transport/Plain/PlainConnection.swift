import CPosix
import Glibc
import Wire

/// One connection to an upstream: being made, unused, or carrying one request.
///
/// `@unchecked Sendable`: confined to its engine's loop.
final class PlainConnection: EventHandler, DeadlineHandler, @unchecked Sendable {
    /// Bodies up to this size are sent in one piece with their head; beyond it, copying costs more than a second vector.
    private static let joinedBodyBytes = 16 * 1024

    private let engine: PlainEngine
    let host: PlainHost
    /// -1 once closed.
    private var descriptor: Int32
    private var isConnected: Bool
    /// The request it carries, or for which it is being made.
    private var transfer: PlainTransfer?
    private var timer = LazyDeadline()
    /// When the attempt to connect, or the time without a request, is over.
    private var limit_ns = UInt64.max

    // Input.
    /// The last receive may have left bytes in the kernel: an edge came, or the buffer was filled.
    private var mayRead = false
    /// The peer's end, or an error, lies behind the bytes to read; no later edge will tell.
    private var endIsNear = false
    private var parser: ResponseHeadParser
    /// The bytes of a head that has not arrived in full.
    private var partialHead: [UInt8] = []
    private var body = PlainBody()
    private var headDelivered = false
    private var keepsAlive = false
    /// The upstream has begun to answer the current request.
    private var sawAnswer = false

    // Output.
    private var outbound = OutboundQueue()
    private var sent_ns: UInt64 = 0
    /// An earlier request was answered on this connection.
    private var isReused = false

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

    // MARK: Output

    /// Sends `transfer`'s request now, as far as the kernel takes it, and waits for the answer.
    func begin(_ transfer: PlainTransfer, _ route: PlainRoute) {
        self.transfer = transfer
        let isHead = transfer.request.method == .head
        parser = ResponseHeadParser(limits: engine.limits, isHeadAnswer: isHead)
        headDelivered = false
        sawAnswer = false
        sent_ns = engine.loop.now_ns
        rearm(transfer)
        send(transfer.request, route)
    }

    /// Whether a connection that died without an answer had surely been closed before it got the request: an earlier
    /// request was answered on it, and it died soon.
    func wasStale(_ now_ns: UInt64) -> Bool {
        isReused && !sawAnswer && now_ns < LazyDeadline.time_ns(sent_ns, after_ms: engine.limits.upstreamResend_ms)
    }

    private func send(_ request: UpstreamRequest, _ route: PlainRoute) {
        let body = request.body
        let joins = body.count <= Self.joinedBodyBytes
        let sent = engine.withOutput { output -> Int in
            PlainRequestHead.append(request, route, to: &output)
            if joins { output.append(contentsOf: body) }
            let sent =
                joins
                ? output.withUnsafeBytes { systemSend($0) }
                : output.withUnsafeBytes { head in body.withUnsafeBytes { systemSend(head, $0) } }
            guard sent >= 0 || sent == -Int(EAGAIN) else { return sent }
            let taken = max(0, sent)
            if taken < output.count { outbound.append(Array(output[taken...])) }
            if !joins { outbound.append(body, from: max(0, taken - output.count)) }
            return taken
        }
        if sent < 0 { sendFailed() }
    }

    private func flush() {
        while !outbound.isEmpty {
            let sent = outbound.sendFirst { systemSend($0) }
            if sent == -Int(EAGAIN) { return }
            if sent < 0 { return sendFailed() }
        }
    }

    /// The peer takes no more. It may have answered all the same: what there is to read tells.
    private func sendFailed() {
        outbound.removeAll()
        keepsAlive = false
        mayRead = true
        endIsNear = true
        // Later, not from inside `begin`: what follows may end the transfer that the caller is still setting up.
        engine.loop.execute { [self] in read() }
    }

    private func systemSend(_ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return count }
            let code = errno
            if code != EINTR { return -Int(code) }
        }
    }

    private func systemSend(_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer) -> Int {
        // The kernel only reads through these pointers, and only during the call.
        var vectors = (
            iovec(iov_base: UnsafeMutableRawPointer(mutating: head.baseAddress), iov_len: head.count),
            iovec(iov_base: UnsafeMutableRawPointer(mutating: body.baseAddress), iov_len: body.count)
        )
        return withUnsafeMutableBytes(of: &vectors) { vectors in
            var message = msghdr()
            message.msg_iov = vectors.baseAddress?.assumingMemoryBound(to: iovec.self)
            message.msg_iovlen = 2
            while true {
                let count = sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
                if count >= 0 { return count }
                let code = errno
                if code != EINTR { return -Int(code) }
            }
        }
    }

    // MARK: Input

    /// Reads until the kernel has no more, the consumer is full, or this connection had its share of the turn.
    func read() {
        var budget = engine.limits.turnBytes
        while let transfer, mayRead, !transfer.isPaused {
            if headDelivered {
                switch transfer.stream.admits() {
                case .taken: break
                case .full: return transfer.pause()
                // The consumer is gone; its word to the engine is under way.
                case .closed: return
                }
            }
            guard budget > 0 else { return engine.loop.execute { [self] in read() } }
            let count = receive()
            switch count {
            case 1...:
                if count < engine.input.count, !endIsNear { mayRead = false }
                budget -= count
                take(UnsafeRawBufferPointer(rebasing: engine.input[..<count]), transfer)
            case -Int(EAGAIN):
                mayRead = false
            case 0:
                return endOfStream(transfer)
            default:
                return broke(transfer, Int32(truncatingIfNeeded: -count))
            }
        }
    }

    private func receive() -> Int {
        while true {
            let count = recv(descriptor, engine.input.baseAddress, engine.input.count, 0)
            if count >= 0 { return count }
            let code = errno
            if code != EINTR { return -Int(code) }
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer, _ transfer: PlainTransfer) {
        sawAnswer = true
        transfer.progressed()
        let bytes = bytes.assumingMemoryBound(to: UInt8.self)
        if headDelivered {
            return act(on: body.feed(bytes.span, into: transfer.stream, scratch: &engine.decoded), transfer)
        }
        do throws(WireError) {
            if partialHead.isEmpty {
                guard let parsed = try parser.parse(bytes.span) else {
                    partialHead.append(contentsOf: bytes)
                    return
                }
                takeHead(parsed, rest: bytes.span.extracting(parsed.consumed..<bytes.count), transfer)
            } else {
                partialHead.append(contentsOf: bytes)
                guard let parsed = try parser.parse(partialHead.span) else { return }
                let whole = partialHead
                partialHead = []
                takeHead(parsed, rest: whole.span.extracting(parsed.consumed..<whole.count), transfer)
            }
        } catch {
            let isTooLarge = error.code == .headTooLarge || error.code == .tooManyFields
            fail(transfer, isTooLarge ? .responseHeadTooLarge : .protocolError, error.detail)
        }
    }

    private func takeHead(_ parsed: ResponseHeadParser.Parsed, rest: Span<UInt8>, _ transfer: PlainTransfer) {
        headDelivered = true
        keepsAlive = parsed.head.keepAlive
        body = PlainBody(parsed.head.framing, limits: engine.limits)
        let outcome = body.feed(rest, into: transfer.stream, scratch: &engine.decoded)
        if case .ended = outcome {
            // Everything is settled before the caller hears of the response: it wakes up once and finds the end.
            act(on: outcome, transfer)
            transfer.deliver(parsed.head)
        } else {
            transfer.deliver(parsed.head)
            rearm(transfer)
            act(on: outcome, transfer)
        }
    }

    private func act(on outcome: PlainBody.Outcome, _ transfer: PlainTransfer) {
        switch outcome {
        case .more: break
        case .ended(let leftover):
            self.transfer = nil
            // Bytes behind the answer were asked for by no one: whose would they be?
            let isReusable = keepsAlive && leftover == 0 && outbound.isEmpty && !endIsNear && hasNothingToRead()
            engine.completed(transfer, self, isReusable: isReusable)
        case .broken(let error): fail(transfer, .protocolError, error.detail)
        }
    }

    /// The last receive may have filled the buffer to the byte; then only another one tells.
    private func hasNothingToRead() -> Bool {
        guard mayRead else { return true }
        mayRead = false
        return receive() == -Int(EAGAIN)
    }

    private func endOfStream(_ transfer: PlainTransfer) {
        if !headDelivered {
            diedEarly(
                transfer, "the upstream closed the connection without \(sawAnswer ? "a whole head" : "an answer")")
        } else if body.endsByClose {
            self.transfer = nil
            engine.completed(transfer, self, isReusable: false)
        } else {
            fail(transfer, .truncated, "the upstream closed the connection inside the body")
        }
    }

    private func broke(_ transfer: PlainTransfer, _ code: Int32) {
        diedEarly(transfer, "the connection broke: \(String(cString: strerror(code)))")
    }

    private func diedEarly(_ transfer: PlainTransfer, _ detail: String) {
        if !transfer.isRepeat, wasStale(EventLoop.clock_ns()) { return engine.repeatRequest(transfer, self) }
        fail(transfer, .reset, detail)
    }

    private func fail(_ transfer: PlainTransfer, _ code: TransportError.Code, _ detail: String) {
        engine.abort(transfer, TransportError(code, "\(transfer.origin): \(detail)"))
    }

    private func rearm(_ transfer: PlainTransfer) {
        timer.want(transfer.dueTime_ns, engine.loop, self)
    }
}
