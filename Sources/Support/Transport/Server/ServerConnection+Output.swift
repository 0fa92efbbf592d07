import Glibc
import Wire

extension ServerConnection {
    /// Bytes copied next to a head or chunk frame so that they leave in one send. More than this is sent from where it is.
    private static let joinBytes = 32 * 1024

    // MARK: Responses

    nonisolated(nonsending) func sendResponse(
        _ exchange: UInt64, status: Int, fields: HTTPFields, body: [UInt8]
    ) async throws(TransportError) {
        try beginResponse(exchange, status: status, fields: fields, length: body.count)
        if response.encoding == .suppressed {
            push()
        } else {
            pushOutput(followedBy: body)
        }
        try checkUsable()
        try response.write(body.count)
        try response.finish()
        try await drainQueue(to: 0)
    }

    nonisolated(nonsending) func startResponse(
        _ exchange: UInt64, status: Int, fields: HTTPFields, length: Int?
    ) async throws(TransportError) {
        try beginResponse(exchange, status: status, fields: fields, length: length)
        push()
        try checkUsable()
    }

    /// Leaves the head in the loop's output buffer.
    private func beginResponse(
        _ exchange: UInt64, status: Int, fields: HTTPFields, length: Int?
    ) throws(TransportError) {
        server.loop.assertCurrent()
        precondition(status >= 200, "a final status is 200 or more")
        guard exchange == self.exchange else {
            throw TransportError(.cancelled, "the request this response belongs to is over")
        }
        try checkUsable()
        if server.isDraining || mustCloseForUnreadBody { response.closeAfterwards() }
        let framing = response.begin(status: status, length: length)
        server.beginOutput()
        ResponseWriter.appendHead(
            status: status, fields: fields, framing: framing, keepAlive: response.keepAlive, date: server.date(),
            to: &server.output)
    }

    /// Whether it is known before the head goes out that the body will not be read to its end.
    private var mustCloseForUnreadBody: Bool {
        if inbound.isComplete { return false }
        // A client that still waits for 100 may or may not send its body now (RFC 9110 section 10.1.1).
        if owesContinue { return true }
        return (inbound.announcedRemaining ?? 0) > server.limits.unreadBodyBytes
    }

    nonisolated(nonsending) func writeBody(_ exchange: UInt64, _ bytes: [UInt8]) async throws(TransportError) {
        try checkStreaming(exchange)
        try put(bytes)
        if budget.isSpent { await yieldIfOverBudget() }
        if outbound.byteCount > server.limits.outboundHighWaterBytes {
            try await drainQueue(to: server.limits.outboundHighWaterBytes / 2)
        }
    }

    func checkStreaming(_ exchange: UInt64) throws(TransportError) {
        server.loop.assertCurrent()
        try checkUsable()
        guard exchange == self.exchange else {
            throw TransportError(.cancelled, "the request this response belongs to is over")
        }
    }

    /// Sends body bytes, or queues what the kernel does not take.
    func put(_ bytes: [UInt8]) throws(TransportError) {
        guard !bytes.isEmpty else { return }
        try response.write(bytes.count)
        switch response.encoding {
        case .suppressed: return
        case .plain:
            server.beginOutput()
            pushOutput(followedBy: bytes)
        case .chunked:
            pushChunk(bytes)
        }
        try checkUsable()
    }

    nonisolated(nonsending) func finishBody(_ exchange: UInt64) async throws(TransportError) {
        try checkStreaming(exchange)
        do {
            try response.finish()
        } catch {
            fail(error, cancelsHandler: false)
            throw error
        }
        if response.encoding == .chunked {
            server.beginOutput()
            ChunkedEncoder.appendEnd(to: &server.output)
            push()
        }
        try await drainQueue(to: 0)
    }

    /// A response body went out of scope; if it was not finished, the client must see a failure.
    func bodyDropped(_ exchange: UInt64) {
        guard exchange == self.exchange, response.phase == .streaming else { return }
        server.loop.assertCurrent()
        server.counters.add(.abortedResponses)
        fail(TransportError(.cancelled, "the handler gave up its response in the middle"), cancelsHandler: false)
    }

    // MARK: The queue

    /// Sends the loop's output buffer: now what the kernel takes, the rest through the queue.
    func push() {
        let sent = outbound.isEmpty ? sendNow(server.output, from: 0) : 0
        if sent < server.output.count { enqueue(Array(server.output[sent...])) }
    }

    /// Sends the loop's output buffer and then `bytes`, in one send where they are small.
    private func pushOutput(followedBy bytes: [UInt8]) {
        let joined = min(bytes.count, Self.joinBytes)
        if joined == bytes.count {
            server.output.append(contentsOf: bytes)
        } else {
            server.output.append(contentsOf: bytes[..<joined])
        }
        push()
        guard joined < bytes.count, failure == nil else { return }
        let sent = outbound.isEmpty ? sendNow(bytes, from: joined) : joined
        if sent < bytes.count { enqueue(bytes, from: sent) }
    }

    private func pushChunk(_ bytes: [UInt8]) {
        server.beginOutput()
        guard bytes.count > Self.joinBytes else {
            ChunkedEncoder.append(chunk: bytes, to: &server.output)
            return push()
        }
        ChunkedEncoder.appendSize(bytes.count, to: &server.output)
        pushOutput(followedBy: bytes)
        server.beginOutput()
        server.output.append(0x0D)
        server.output.append(0x0A)
        push()
    }

    /// Sends once or until the kernel is full; returns the index of the first byte not sent.
    private func sendNow(_ bytes: [UInt8], from start: Int) -> Int {
        var index = start
        while index < bytes.count, descriptor >= 0 {
            let count = bytes.withUnsafeBytes {
                server.calls.send(descriptor, UnsafeRawBufferPointer(rebasing: $0[index...]))
            }
            guard count >= 0 else {
                sendFailed(count)
                return index
            }
            index += count
            budget.spend(bytes: count)
        }
        return index
    }

    private func enqueue(_ bytes: [UInt8], from offset: Int = 0) {
        guard failure == nil else { return }
        if outbound.isEmpty { restartWriteTimer() }
        outbound.append(bytes, from: offset)
    }

    /// Sends from the queue until the kernel is full.
    func flush() {
        let before = outbound.byteCount
        while !outbound.isEmpty, descriptor >= 0 {
            let count = outbound.sendFirst { server.calls.send(descriptor, $0) }
            guard count >= 0 else {
                sendFailed(count)
                break
            }
        }
        guard failure == nil else { return }
        if outbound.isEmpty {
            timer.clearWrite()
        } else if outbound.byteCount < before {
            restartWriteTimer()
        }
    }

    private func sendFailed(_ result: Int) {
        if result == -Int(EAGAIN) { return }
        fail(TransportError(.clientGone, "send: errno \(-result)"))
    }

    private func restartWriteTimer() {
        timer.setWrite(server.deadline(server.limits.writeStall_ms), server.loop, self)
    }

    /// Waits until at most `mark` bytes are queued.
    nonisolated(nonsending) func drainQueue(to mark: Int) async throws(TransportError) {
        while outbound.byteCount > mark, failure == nil { await wait() }
        try checkUsable()
    }
}
