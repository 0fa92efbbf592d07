import Glibc
import Wire

extension PlainConnection {
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
}
