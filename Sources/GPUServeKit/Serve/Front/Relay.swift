internal import Transport
internal import Wire

/// One request on its way: held while its deployment wakes, sent, and sent again while nothing of an answer was there.
struct Relay {
    /// What became of it.
    enum Answer {
        /// A whole answer.
        case whole(status: Int, fields: HTTPFields, body: [UInt8], TokenUsage?)
        /// The beginning of a streamed answer; the rest follows.
        case stream(RelayedStream)
        /// None, and why.
        case none(DeploymentFront.Refusal)
        /// An engine was asked and gave nothing, as often as it is tried.
        case broken(TransportError)
        /// The client went away.
        case cancelled
    }

    /// How the request came through, for its header fields.
    struct Passage {
        var outlook: DeploymentFront.Outlook
        var waited_ms = 0
        /// What the replica came back from meanwhile, for a request that was held.
        var tier: SleepTier?
    }

    let call: ServedCall
    let deployment: Deployment
    let method: HTTPMethod
    let fields: HTTPFields
    let transport: any UpstreamTransport
    let limits: Limits
    let deadline_ns: UInt64
    /// Whether there is a body to send.
    var hasBody = true
    /// How it came through so far.
    var passage: Passage

    init(
        _ call: ServedCall, to deployment: Deployment, method: HTTPMethod, fields: HTTPFields,
        transport: any UpstreamTransport, limits: Limits
    ) {
        self.call = call
        self.deployment = deployment
        self.method = method
        self.fields = fields
        self.transport = transport
        self.limits = limits
        var longest_ms = limits.heldRequest_ms
        if let text = fields["x-gpuserve-max-wait-ms"], let asked = Int(text), asked >= 0 {
            longest_ms = min(longest_ms, asked)
        }
        deadline_ns = EventLoop.clock_ns() + UInt64(longest_ms) * 1_000_000
        passage = Passage(outlook: deployment.front.outlook)
    }

    /// Waits for a ready replica and asks it.
    ///
    /// - Parameter progress: told, now and then, how the wait goes.
    nonisolated(nonsending) mutating func answer(
        progress: nonisolated(nonsending) (DeploymentFront.Outlook) async throws(TransportError) -> Void
    ) async throws(TransportError) -> Answer {
        let front = deployment.front
        let body = hasBody ? call.body(servedAs: deployment.servedModel) : []
        let wantsProgress = fields["x-gpuserve-progress"] != nil
        var lastError = TransportError(.reset, "no replica was asked")
        for attempt in 0..<limits.upstreamAttemptCount {
            let entry = front.enter(
                bytes: body.count, deadline_ns: deadline_ns, wantsProgress: wantsProgress, isAgain: attempt > 0)
            let ticket: Ticket
            switch entry {
            case .ticket(let given): ticket = given
            case .refused(let refusal): return .none(refusal)
            case .held(let id):
                let begun_ns = EventLoop.clock_ns()
                waiting: while true {
                    switch await front.wait(id) {
                    case .ticket(let given):
                        ticket = given
                        // Of those who waited for their turn only, nobody was woken.
                        if passage.outlook.state != "ready" { passage.tier = given.tier }
                        break waiting
                    case .progress(let outlook): try await progress(outlook)
                    case .refused(let refusal): return .none(refusal)
                    case .cancelled: return .cancelled
                    }
                }
                passage.waited_ms += Int((EventLoop.clock_ns() - begun_ns) / 1_000_000)
            }
            do {
                return try await ask(ticket, body)
            } catch {
                if error.code == .cancelled {
                    ticket.finish(.cancelled)
                    return .cancelled
                }
                ticket.finish(.failed)
                lastError = error
            }
        }
        return .broken(lastError)
    }

    /// Sends the request to one engine; returns once there is something that the client may see.
    private nonisolated(nonsending) func ask(
        _ ticket: Ticket, _ body: [UInt8]
    ) async throws(TransportError) -> Answer {
        let request = UpstreamRequest(
            method: method, url: ticket.url + call.path,
            fields: RelayedFields.request(fields, ownPrefix: "x-gpuserve-"), body: body,
            timeouts: UpstreamTimeouts(connect_ms: 2_000))
        let response = try await transport.send(request)
        let fields = RelayedFields.response(response.fields, ownPrefix: "x-gpuserve-") { _ in false }
        if response.isEventStream, let dialect = call.dialect {
            var inspector = StreamInspector(dialect: dialect, stripsUsage: call.asksForUsage, limits: limits)
            var first: [UInt8] = []
            while first.isEmpty {
                guard let piece = try await response.body.next() else {
                    throw TransportError(.truncated, "the stream ended before its first event")
                }
                do {
                    try inspector.consume(piece, into: &first)
                } catch {
                    throw TransportError(.protocolError, error.description)
                }
            }
            try await trust(ticket, response)
            return .stream(
                RelayedStream(
                    status: response.status, fields: fields, dialect: dialect, body: response.body, ticket: ticket,
                    inspector: inspector, pending: first))
        }
        var held: [UInt8] = []
        while let piece = try await response.body.next() {
            if held.isEmpty { held = piece } else { held.append(contentsOf: piece) }
            guard held.count <= limits.heldAnswerBytes else {
                try await trust(ticket, response)
                return .stream(
                    RelayedStream(
                        status: response.status, fields: fields, dialect: nil, body: response.body, ticket: ticket,
                        inspector: nil, pending: held))
            }
        }
        try await trust(ticket, response)
        ticket.finish(.answered)
        let usage = call.dialect == nil ? nil : UsageReader.summary(ofAnswer: held).usage
        return .whole(status: response.status, fields: fields, body: held, usage)
    }
}

extension Relay {
    /// Returns when what the engine said may be given away.
    private nonisolated(nonsending) func trust(
        _ ticket: Ticket, _ response: UpstreamResponse
    ) async throws(TransportError) {
        guard await ticket.isTrusted() else {
            response.body.cancel()
            throw TransportError(.reset, "the replica that was asked on trial failed its canary")
        }
    }
}

extension UpstreamResponse {
    /// Whether the body is a stream of server-sent events.
    var isEventStream: Bool {
        fields["content-type"]?.lowercased().hasPrefix("text/event-stream") ?? false
    }
}

/// A streamed answer on its way to the client. Confined to one task; dropped before its end, it counts as cancelled.
final class RelayedStream {
    let status: Int
    let fields: HTTPFields
    private let dialect: Dialect?
    private let body: UpstreamBody
    private let ticket: Ticket
    private var inspector: StreamInspector?
    private var pending: [UInt8]
    /// How it ended; nil while it has not.
    private(set) var outcome: MeteredRequest.Outcome?

    init(
        status: Int, fields: HTTPFields, dialect: Dialect?, body: UpstreamBody, ticket: Ticket,
        inspector: StreamInspector?, pending: [UInt8]
    ) {
        self.status = status
        self.fields = fields
        self.dialect = dialect
        self.body = body
        self.ticket = ticket
        self.inspector = inspector
        self.pending = pending
    }

    /// Whether the last event of the answer was seen; what `next` returned last may hold it.
    var isWhole: Bool { inspector?.isComplete ?? false }

    /// Tokens, as far as they are known.
    var usage: TokenUsage? { inspector?.usage }

    /// The next piece; nil at the end. When the engine breaks off inside an event stream, an error event is the last piece.
    ///
    /// - Throws: when it breaks off inside anything else, or the client is gone: the connection must then be aborted.
    nonisolated(nonsending) func next() async throws(TransportError) -> [UInt8]? {
        if !pending.isEmpty {
            defer { pending = [] }
            return pending
        }
        if outcome != nil { return nil }
        while true {
            let piece: [UInt8]?
            do {
                piece = try await body.next()
            } catch {
                return try brokeOff(error)
            }
            guard let piece else {
                outcome = .complete
                ticket.finish(.answered)
                var rest: [UInt8] = []
                inspector?.finish(into: &rest)
                return rest.isEmpty ? nil : rest
            }
            guard inspector != nil else { return piece }
            var out: [UInt8] = []
            do {
                try inspector?.consume(piece, into: &out)
            } catch {
                body.cancel()
                return try brokeOff(TransportError(.protocolError, error.description))
            }
            if !out.isEmpty { return out }
        }
    }

    private func brokeOff(_ error: TransportError) throws(TransportError) -> [UInt8]? {
        guard error.code != .cancelled else {
            outcome = .clientGone
            ticket.finish(.cancelled)
            throw error
        }
        outcome = .engineFailed
        ticket.finish(.failed)
        guard let dialect, inspector != nil else { throw error }
        let message = "The engine's stream broke off (\(error.code.label)); ask again."
        return ErrorBody.event(dialect: dialect, message: message, code: "engine_failed")
    }
}
