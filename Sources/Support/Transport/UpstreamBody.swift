/// What stands behind an `UpstreamBody` and can be told to go on or to stop. Called on the consumer's thread.
public protocol UpstreamBodySource: AnyObject, Sendable {
    /// The consumer has made room after `ByteStream.append` answered `full`.
    func resume()
    /// The consumer wants no more; nothing will be read again.
    func abandon()
}

/// What a body has at the moment.
public enum BodyPiece: Sendable, Equatable {
    /// Bytes, never empty.
    case bytes([UInt8])
    /// Its clean end.
    case ended
    /// Nothing yet.
    case nothing
}

/// The body of an upstream response: a stream of byte arrays with one consumer.
///
/// Dropping it before its end abandons the transfer, so that an upstream never works for a client that has left.
public final class UpstreamBody: Sendable {
    private let stream: ByteStream
    private let source: (any UpstreamBodySource)?

    /// A body that reads `stream`, which `source` fills.
    public init(_ stream: ByteStream, source: (any UpstreamBodySource)? = nil) {
        self.stream = stream
        self.source = source
    }

    /// A complete body, for fakes and for answers made here.
    public convenience init(bytes: [UInt8]) {
        let stream = ByteStream(highWaterBytes: max(1, bytes.count))
        _ = stream.append(bytes.span)
        stream.finish(.success(()))
        self.init(stream)
    }

    deinit {
        if stream.cancel() { source?.abandon() }
    }

    /// The most bytes that ever waited here for the consumer.
    public var peakBufferedBytes: Int { stream.peakBytes }

    /// Everything that has arrived since the last call, in one piece; waits when nothing has. Nil at the clean end.
    ///
    /// Throws `reset`, `truncated`, `idleTimeout`, ... when the upstream broke off, after all bytes before the break;
    /// `cancelled` when the task was cancelled or `cancel` was called. One consumer at a time.
    nonisolated(nonsending)
        public func next() async throws(TransportError) -> [UInt8]?
    {
        while true {
            switch try take() {
            case .bytes(let bytes): return bytes
            case .ended: return nil
            case .nothing: await wait()
            }
        }
    }

    /// Everything that has arrived since the last call, in one piece; does not wait. Throws as `next`.
    public func take() throws(TransportError) -> BodyPiece {
        switch stream.take() {
        case .bytes(let bytes, let resumesProducer):
            if resumesProducer { source?.resume() }
            return .bytes(bytes)
        case .ended: return .ended
        case .failed(let error): throw error
        case .nothing: return .nothing
        }
    }

    /// Waits until `take` finds something. A cancelled task cancels the body.
    nonisolated(nonsending) public func wait() async {
        await stream.wait()
        if Task.isCancelled { cancel() }
    }

    /// Calls `heard` whenever `take` would find something new, on the thread where it arrived, until nil is given; in place
    /// of `wait`, for a consumer that needs no task of its own. It may take from inside.
    public func listen(_ heard: (@Sendable () -> Void)?) { stream.listen(heard) }

    /// The whole body in one array.
    ///
    /// Throws `bodyTooLarge` when it is longer than `limitBytes` (the rest is abandoned), or what `next` throws.
    nonisolated(nonsending)
        public func collect(limitBytes: Int) async throws(TransportError) -> [UInt8]
    {
        var whole: [UInt8] = []
        while let piece = try await next() {
            guard whole.count + piece.count <= limitBytes else {
                cancel()
                throw TransportError(.bodyTooLarge, "the upstream's body is longer than \(limitBytes) bytes")
            }
            // The usual answer comes in one piece: keep it without a copy.
            if whole.isEmpty { whole = piece } else { whole.append(contentsOf: piece) }
        }
        return whole
    }

    /// Abandons the rest of the body. Any thread; harmless after the end.
    public func cancel() {
        if stream.cancel() { source?.abandon() }
    }
}
