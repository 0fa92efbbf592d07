import Wire

/// Where a response's body comes from, piece by piece. Confined to the thread of the response's loop.
public protocol BodySource: AnyObject {
    /// What there is now, without waiting.
    ///
    /// - Throws: what kept the body from being complete; the response is aborted then.
    func take() throws(TransportError) -> BodyPiece
    /// Calls `heard` whenever `take` would find something new, on whatever thread it came; nil ends that.
    func listen(_ heard: (@Sendable () -> Void)?)
}

/// A body on its way from its source to the client.
struct BodyRelay {
    let source: any BodySource
    /// The client has not taken enough of what was sent before.
    var isHeld = false
    /// How the source ended.
    var end: Result<Void, TransportError>?
}

/// A streamed answer is relayed without its task: what the upstream sends goes to the client from inside the event that
/// brought it, and the task is woken at the end only. Waking it for each of a model's tokens would cost more than to parse and
/// send them. What one turn can bring is bounded by the producer's own share of the turn.
extension ServerConnection {
    nonisolated(nonsending) func relayBody(
        _ exchange: UInt64, from source: any BodySource
    ) async throws(TransportError) {
        try checkStreaming(exchange)
        relay = BodyRelay(source: source)
        source.listen { [self] in
            if server.loop.isCurrent { relayTurn() } else { server.loop.execute { [self] in relayTurn() } }
        }
        defer {
            source.listen(nil)
            relay = nil
        }
        relayTurn()
        while failure == nil, relay?.end == nil { await wait() }
        try checkUsable()
        try relay?.end?.get()
    }

    /// Sends what the source has, unless the client is behind.
    func relayTurn() {
        guard let source = relay?.source, relay?.end == nil else { return }
        while failure == nil, mayRelay() {
            do throws(TransportError) {
                switch try source.take() {
                case .nothing: return
                case .bytes(let bytes): try put(bytes)
                case .ended: return endRelay(.success(()))
                }
            } catch {
                return endRelay(.failure(error))
            }
        }
    }

    /// Held back beyond the mark, a relay goes on when half of it is gone.
    private func mayRelay() -> Bool {
        let mark = server.limits.outboundHighWaterBytes
        let isHeld = outbound.byteCount > (relay?.isHeld == true ? mark / 2 : mark)
        relay?.isHeld = isHeld
        return !isHeld
    }

    private func endRelay(_ end: Result<Void, TransportError>) {
        relay?.end = end
        wake()
    }
}
