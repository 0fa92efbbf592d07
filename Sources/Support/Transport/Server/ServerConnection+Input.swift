import Glibc
import Wire

extension ServerConnection {
    /// What one receive brought.
    enum Received {
        /// This many bytes are in the loop's shared buffer.
        case bytes(Int)
        case nothing
        case end
    }

    /// Receives once into the loop's shared buffer.
    func receive() -> Received {
        guard descriptor >= 0 else { return .end }
        guard mayRead else { return peerClosed ? .end : .nothing }
        let count = server.calls.receive(descriptor, server.scratch)
        if count > 0 {
            // A short read means that the kernel had no more (epoll(7)); a later byte brings a new edge. After the peer's
            // FIN there is no later edge, so then only a read of zero ends it.
            if count < server.scratch.count, !peerClosed { mayRead = false }
            budget.spend(bytes: count)
            return .bytes(count)
        }
        if count == -Int(EAGAIN) {
            mayRead = false
            return .nothing
        }
        mayRead = false
        peerClosed = true
        return .end
    }

    // MARK: Heads

    /// The next complete head; nil when the connection is to end. A malformed head is answered here.
    nonisolated(nonsending) func nextHead() async -> RequestHead? {
        activity = input.isEmpty ? .idle : .readingHead
        readTimedOut = false
        let isFirst = served == 0
        let limit_ms = isFirst || !input.isEmpty ? server.limits.headTimeout_ms : server.limits.keepAliveIdle_ms
        timer.setRead(server.deadline(limit_ms), server.loop, self)
        do {
            if !input.isEmpty, let head = try parseInput() { return head }
            while failure == nil {
                switch receive() {
                case .bytes(let count):
                    if let head = try parseReceived(count) { return head }
                    if activity == .idle {
                        activity = .readingHead
                        // From the first byte on, the whole head has to come in time, however slowly it trickles.
                        if !isFirst { timer.setRead(server.deadline(server.limits.headTimeout_ms), server.loop, self) }
                    }
                    await yieldIfOverBudget()
                case .nothing:
                    if readTimedOut { return await headTimedOut() }
                    // A drain closes what has nothing to answer; the receive above saw that no request is waiting.
                    if server.isDraining, activity == .idle {
                        server.idleClosedByDrain += 1
                        return nil
                    }
                    await wait()
                case .end:
                    return nil
                }
            }
            return nil
        } catch {
            server.counters.add(.malformedRequests)
            await answer(status: error.httpStatus, message: error.description, code: error.code.label)
            return nil
        }
    }

    private func parseInput() throws(WireError) -> RequestHead? {
        let parsed = try input.withSpan { bytes throws(WireError) in try parser.parse(bytes) }
        guard let parsed else { return nil }
        input.consume(parsed.consumed)
        return parsed.head
    }

    private func parseReceived(_ count: Int) throws(WireError) -> RequestHead? {
        let bytes = server.received(count)
        guard input.isEmpty else {
            input.append(bytes.span)
            return try parseInput()
        }
        guard let parsed = try parser.parse(bytes.span) else {
            input.append(bytes.span)
            return nil
        }
        input.append(bytes.span.extracting(parsed.consumed..<count))
        return parsed.head
    }

    private nonisolated(nonsending) func headTimedOut() async -> RequestHead? {
        guard activity == .readingHead else { return nil }
        server.counters.add(.headTimeouts)
        await answer(
            status: 408, message: "the request head did not arrive within \(server.limits.headTimeout_ms) ms",
            code: "headTimeout")
        return nil
    }

    // MARK: Bodies

    nonisolated(nonsending) func nextBodyBytes(_ exchange: UInt64) async throws(TransportError) -> [UInt8]? {
        var bytes: [UInt8] = []
        try await readBody(exchange, into: &bytes)
        return bytes.isEmpty ? nil : bytes
    }

    nonisolated(nonsending) func collectBody(
        _ exchange: UInt64, limitBytes: Int
    ) async throws(TransportError) -> [UInt8] {
        var bytes: [UInt8] = []
        if let announced = inbound.announcedRemaining {
            guard announced <= limitBytes else { throw Self.tooLarge(limitBytes) }
            if announced > input.count { bytes.reserveCapacity(min(announced, server.scratch.count)) }
        }
        var count: Int
        repeat {
            count = bytes.count
            if let left = inbound.announcedRemaining, left > input.count {
                bytes.reserveCapacity(
                    InboundBody.capacity(
                        having: count, of: bytes.capacity, expecting: left, inPiecesOf: server.scratch.count))
            }
            try await readBody(exchange, into: &bytes)
            guard bytes.count <= limitBytes else { throw Self.tooLarge(limitBytes) }
        } while bytes.count > count
        return bytes
    }

    private static func tooLarge(_ limitBytes: Int) -> TransportError {
        TransportError(.bodyTooLarge, "the request body is longer than \(limitBytes) bytes")
    }

    /// Appends the next body bytes to `output`; nothing when the body is complete.
    private nonisolated(nonsending) func readBody(
        _ exchange: UInt64, into output: inout [UInt8]
    ) async throws(TransportError) {
        server.loop.assertCurrent()
        guard exchange == self.exchange else {
            throw TransportError(.cancelled, "the request this body belongs to is over")
        }
        if let bodyFault { throw bodyFault.error }
        let before = output.count
        while !inbound.isComplete, output.count == before {
            try checkUsable()
            try sendContinueIfOwed()
            try await receiveBody(into: &output)
        }
        timer.clearRead()
        bodyWindow.pause(now_ns: server.loop.now_ns)
    }

    /// One step: takes bytes that are here, or waits for some.
    private nonisolated(nonsending) func receiveBody(into output: inout [UInt8]) async throws(TransportError) {
        if !input.isEmpty {
            // The usual case: the whole body came with its head, and nothing behind it.
            if output.isEmpty, let left = inbound.announcedRemaining, let whole = input.takeWhole(left) {
                inbound.complete()
                output = whole
                return
            }
            let taken = try takeBody(from: nil, into: &output)
            input.consume(taken)
            return
        }
        switch receive() {
        case .bytes(let count):
            bodyWindow.add(count)
            let bytes = server.received(count)
            let taken = try takeBody(from: bytes, into: &output)
            if taken < count { input.append(bytes.span.extracting(taken..<count)) }
            await yieldIfOverBudget()
        case .nothing:
            if readTimedOut { try throwUnlessProgressing() }
            if timer.read_ns == ConnectionTimer.never {
                let end_ns = bodyWindow.resume(now_ns: server.loop.now_ns, limits: server.limits)
                timer.setRead(end_ns, server.loop, self)
            }
            await wait()
        case .end:
            fail(TransportError(.clientGone, "the client closed the connection inside its request body"))
            try checkUsable()
        }
    }

    private func takeBody(
        from received: UnsafeBufferPointer<UInt8>?, into output: inout [UInt8]
    ) throws(TransportError) -> Int {
        do throws(WireError) {
            if let received { return try inbound.take(received.span, into: &output) }
            return try input.withSpan { bytes throws(WireError) in try inbound.take(bytes, into: &output) }
        } catch {
            server.counters.add(.malformedRequests)
            let code: TransportError.Code = error.code == .bodyTooLarge ? .bodyTooLarge : .protocolError
            throw setBodyFault(
                BodyFault(
                    status: error.httpStatus, code: error.code.label,
                    error: TransportError(code, "request body: \(error.description)")))
        }
    }

    /// A window is over: enough came for another one, or the body is given up.
    private func throwUnlessProgressing() throws(TransportError) {
        readTimedOut = false
        if bodyWindow.renew(limits: server.limits) { return }
        server.counters.add(.bodyTimeouts)
        throw setBodyFault(
            BodyFault(
                status: 408, code: "bodyTimeout",
                error: TransportError(
                    .bodyTimeout,
                    "fewer than \(server.limits.bodyProgressBytes) body bytes in \(server.limits.bodyProgress_ms) ms")))
    }

    private func setBodyFault(_ fault: BodyFault) -> TransportError {
        bodyFault = fault
        response.closeAfterwards()
        return fault.error
    }

    private func sendContinueIfOwed() throws(TransportError) {
        guard owesContinue else { return }
        owesContinue = false
        // A client that has begun to send did not wait, and is owed nothing (RFC 9110 section 10.1.1).
        guard input.isEmpty, response.phase == .headDue else { return }
        server.beginOutput()
        ResponseWriter.appendContinue(to: &server.output)
        push()
        try checkUsable()
    }

    // MARK: After the response

    /// Reads what the handler left of the body so that the next request can be found; false when it is too much.
    nonisolated(nonsending) func dropUnreadBody() async -> Bool {
        guard bodyFault == nil else { return false }
        var dropped = 0
        var bytes: [UInt8] = []
        do throws(TransportError) {
            while !inbound.isComplete {
                if dropped + (inbound.announcedRemaining ?? 0) > server.limits.unreadBodyBytes { return false }
                bytes.removeAll(keepingCapacity: true)
                try await readBody(exchange, into: &bytes)
                dropped += bytes.count
            }
            return true
        } catch {
            return false
        }
    }

    /// Closes so that the client can still read the last answer: closing with unread input would send a reset, which can
    /// overtake that answer (RFC 9112 section 9.6).
    nonisolated(nonsending) func lingerAndClose() async {
        activity = .closing
        shutdown(descriptor, Int32(SHUT_WR))
        readTimedOut = false
        timer.clearWrite()
        timer.setRead(server.deadline(server.limits.linger_ms), server.loop, self)
        var dropped = 0
        while failure == nil, !readTimedOut, dropped < server.limits.lingerBytes {
            switch receive() {
            case .bytes(let count):
                dropped += count
                await yieldIfOverBudget()
            case .nothing: await wait()
            case .end: return closeDescriptor()
            }
        }
        closeDescriptor()
    }
}
