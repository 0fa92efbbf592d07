import Glibc
import Wire

extension PlainConnection {
    /// Bodies up to this size are sent in one piece with their head; beyond it, copying costs more than a second vector.
    private static let joinedBodyBytes = 16 * 1024

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

    /// Whether a connection that died without an answer had in all likelihood been closed before it got the request: an
    /// earlier request was answered on it, and it died soon.
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

    func flush() {
        while !outbound.isEmpty {
            let sent = outbound.sendFirst { systemSend($0) }
            if sent == -Int(EAGAIN) { return }
            if sent < 0 { return sendFailed() }
        }
    }

    /// The peer takes no more. It may have answered all the same: what there is to read tells.
    private func sendFailed() {
        outbound.removeAll()
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
}
