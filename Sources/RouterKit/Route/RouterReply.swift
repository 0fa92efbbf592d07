public import Transport
public import Wire

/// An answer on its way to the client. Confined to the task that asked for it.
public struct RouterReply {
    /// How the body comes.
    public enum Body {
        /// All of it, known to be complete.
        case complete([UInt8])
        /// Piece by piece, as the model writes it.
        case stream(ReplyStream)
    }

    /// The upstream's status, unchanged.
    public let status: Int
    /// The upstream's end-to-end fields and the router's own: `x-request-id`, `x-router-model`, `x-router-reason`.
    public let fields: HTTPFields
    /// The body.
    public let body: Body
    /// The receipt as far as it is known now; under its request id the finished one can be looked up.
    public let decision: Decision
}

/// A streamed answer. Dropping it before its end cancels the upstream and counts the request as cancelled.
///
/// Confined to one task; not Sendable.
public final class ReplyStream {
    private let exchange: Exchange
    private let body: UpstreamBody
    private var lease: LeaseBox
    /// Nil for a body that is no event stream.
    private var inspector: StreamInspector?
    private var pending: [UInt8]
    private var isEnded = false
    /// What the client got so far, when it will be compared with answers of other models; `nil` once it is too long.
    private var given: [UInt8]?

    /// A stream that first gives `pending`, already inspected.
    init(
        _ exchange: Exchange, _ body: UpstreamBody, _ lease: LeaseBox, inspector: StreamInspector?, pending: [UInt8]
    ) {
        self.exchange = exchange
        self.body = body
        self.lease = lease
        self.pending = pending
        self.inspector = inspector
        if inspector != nil, exchange.isCompared { given = pending }
    }

    deinit {
        guard !isEnded else { return }
        takeUsage()
        body.cancel()
        lease.finish(.cancelled)
        exchange.settle(.cancelled)
    }

    /// The next piece of the body; nil at its end.
    ///
    /// When the upstream breaks off inside an event stream, an error event in the dialect's form is the last piece.
    ///
    /// - Throws: `upstreamFailed` when the upstream breaks off inside any other body: the connection to the client must
    ///   then be aborted, or a truncated answer would look whole; `cancelled` when the task was cancelled.
    nonisolated(nonsending) public func next() async throws(RouterError) -> [UInt8]? {
        while true {
            switch try take() {
            case .bytes(let bytes): return bytes
            case .ended: return nil
            case .nothing: await body.wait()
            }
        }
    }

    /// What there is of the body now, as ``next()`` gives it, without waiting.
    public func take() throws(RouterError) -> BodyPiece {
        if !pending.isEmpty {
            defer { pending = [] }
            return .bytes(pending)
        }
        if isEnded { return .ended }
        while true {
            do {
                switch try body.take() {
                case .nothing: return .nothing
                case .ended: return ended()
                case .bytes(let piece):
                    if inspector == nil { return .bytes(piece) }
                    let out = try inspected(piece)
                    if !out.isEmpty { return .bytes(out) }
                }
            } catch {
                return try brokeOff(error)
            }
        }
    }

    /// Calls `heard` whenever ``take()`` would find something new, on the transport's thread, until nil is given.
    public func listen(_ heard: (@Sendable () -> Void)?) { body.listen(heard) }

    private func inspected(_ piece: [UInt8]) throws(TransportError) -> [UInt8] {
        var out: [UInt8] = []
        do {
            try inspector?.consume(piece, into: &out)
        } catch {
            body.cancel()
            throw TransportError(.protocolError, error.description)
        }
        give(out)
        return out
    }

    private func ended() -> BodyPiece {
        isEnded = true
        var rest: [UInt8] = []
        var outcome = RequestOutcome.ok
        inspector?.finish(into: &rest)
        if let inspector {
            give(rest)
            exchange.answer = given.map { .events($0) }
            if inspector.hasError {
                outcome = .midStreamFailure
            } else if !inspector.isComplete {
                outcome = .incomplete
            }
        }
        takeUsage()
        lease.finish(outcome == .midStreamFailure ? .failure(.serverError, retryAfter_ms: nil) : .success)
        exchange.settle(outcome)
        return rest.isEmpty ? .ended : .bytes(rest)
    }

    private func give(_ bytes: [UInt8]) {
        guard let count = given?.count else { return }
        let isTooLong = count + bytes.count > exchange.router.configuration.limits.heldAnswerBytes
        if isTooLong { given = nil } else { given?.append(contentsOf: bytes) }
    }

    private func brokeOff(_ error: TransportError) throws(RouterError) -> BodyPiece {
        isEnded = true
        takeUsage()
        if error.code == .cancelled {
            lease.finish(.cancelled)
            exchange.settle(.cancelled)
            throw RouterError(.cancelled, "The client went away.", requestID: exchange.requestID)
        }
        lease.finish(.failure(LeaseOutcome.FailureKind(error.code), retryAfter_ms: nil))
        exchange.settle(.midStreamFailure)
        let message = "The model's stream broke off (\(error.code.label)). Request \(exchange.requestID)."
        guard inspector != nil else {
            throw RouterError(.upstreamFailed, message, mayRetry: false, requestID: exchange.requestID)
        }
        return .bytes(
            ErrorBody.event(dialect: exchange.call.view.dialect, message: message, code: error.code.label))
    }

    private func takeUsage() {
        guard let inspector else { return }
        if let usage = inspector.usage { exchange.usage = usage }
        if let id = inspector.responseID, let model = exchange.decision.servedModel {
            exchange.router.pins.remember(id, ResponsePins.Pin(model: model, deployment: lease.deploymentID))
        }
    }
}

/// Holds a lease in a class, which cannot hold one directly and give it away; finishes it once.
final class LeaseBox {
    let deploymentID: String
    private var lease: Lease?

    init(_ lease: consuming Lease) {
        deploymentID = lease.deployment.id
        self.lease = consume lease
    }

    func finish(_ outcome: LeaseOutcome) {
        guard let lease = lease.take() else { return }
        lease.finish(outcome, now_ns: EventLoop.clock_ns())
    }
}

extension LeaseOutcome.FailureKind {
    /// The failure that a transport error stands for.
    init(_ code: TransportError.Code) {
        switch code {
        case .connectRefused, .dnsFailure, .tlsFailure: self = .connect
        case .connectTimeout, .firstByteTimeout, .idleTimeout, .totalTimeout: self = .timeout
        case .truncated, .protocolError, .responseHeadTooLarge, .bodyTooLarge: self = .badResponse
        default: self = .reset
        }
    }
}
