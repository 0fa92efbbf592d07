import Transport
import Wire

extension Router {
    /// Decides, calls the chosen model, fails over while the client has seen nothing, and returns the answer.
    ///
    /// An error status of the last upstream tried is an answer too: it comes back unmodified as a `RouterReply`.
    ///
    /// - Throws: `RouterError` when no upstream gave anything to relay, or `cancelled` when the task was cancelled.
    nonisolated(nonsending) public func respond(_ call: RouterCall) async throws(RouterError) -> RouterReply {
        let started_ns = EventLoop.clock_ns()
        let requestID = RequestID.make()
        let routed: Routed
        do {
            routed = try decide(call, requestID: requestID)
        } catch {
            configuration.observer?.refused(error)
            throw error
        }
        let exchange = Exchange(self, call, routed.decision, started_ns: started_ns)
        if let start = routed.cascade {
            switch try await askCheaply(exchange, start) {
            case .answered(let reply): return reply
            case .goUp: break
            case .cancelled:
                exchange.settle(.cancelled)
                throw RouterError(.cancelled, "The client went away.", requestID: requestID)
            }
        }
        let attemptBound = exchange.decision.attempts.count + configuration.limits.upstreamAttemptCount
        var failures = Failures()
        for candidate in routed.decision.plan.candidates {
            var tried = routed.pinnedDeployment.map { others(than: $0, of: candidate.model) } ?? []
            while exchange.decision.attempts.count < attemptBound {
                let lease: Lease
                do {
                    lease = try configuration.pool.lease(
                        model: candidate.model, excluding: tried, now_ns: EventLoop.clock_ns())
                } catch {
                    failures.noLease(error)
                    break
                }
                tried.insert(lease.deployment.id)
                switch await attempt(exchange, candidate.model, lease) {
                case .answered(let reply): return reply
                case .failed(let failure): failures.add(failure)
                case .cancelled:
                    exchange.settle(.cancelled)
                    throw RouterError(.cancelled, "The client went away.", requestID: requestID)
                }
            }
        }
        return try giveUp(exchange, failures)
    }

    /// Ids of the deployments of `model` other than `deployment`.
    private func others(than deployment: String, of model: String) -> Set<String> {
        let card = cards.first { $0.name == model }
        return Set((card?.deployments ?? []).map(\.id).filter { $0 != deployment })
    }

    /// After the last candidate: relays the last answer that an upstream gave, or says what went wrong.
    private func giveUp(_ exchange: Exchange, _ failures: Failures) throws(RouterError) -> RouterReply {
        let attempts = exchange.decision.attempts.count
        if let held = failures.lastAnswer {
            exchange.answered(by: held.model, status: held.status)
            exchange.usage = held.summary.usage
            exchange.settle(.upstreamError)
            var fields = held.fields
            if attempts > 1 { fields.add("x-should-retry", "false") }
            return try reply(exchange, status: held.status, fields: fields, .complete(held.body))
        }
        let error: RouterError
        if attempts == 0, let pool = failures.pool {
            error = RouterError(
                .unavailable, "\(pool)", retryAfter_ms: pool.retryAfter_ms ?? 1000, requestID: exchange.requestID)
        } else {
            let tried = exchange.decision.attempts.map { "\($0.model)/\($0.deployment): \($0.errorLabel ?? "failed")" }
            error = RouterError(
                failures.isTimeout ? .upstreamTimeout : .upstreamFailed,
                "No model answered (\(tried.joined(separator: "; "))).", mayRetry: attempts <= 1,
                requestID: exchange.requestID)
        }
        exchange.settle(.failed, status: error.code.httpStatus)
        throw error
    }

    // MARK: One attempt

    private enum AttemptResult {
        case answered(RouterReply)
        case failed(Failure)
        case cancelled
    }

    /// Asks one deployment. Returns as soon as the client may see something, or with the reason to go elsewhere.
    nonisolated(nonsending)
        private func attempt(_ exchange: Exchange, _ model: String, _ lease: consuming Lease) async -> AttemptResult
    {
        let started_ns = EventLoop.clock_ns()
        let deployment = lease.deployment
        let fields: HTTPFields
        do {
            fields = try ForwardedFields.upstream(from: exchange.call.fields, deployment: deployment, key: lease.key)
        } catch {
            lease.finish(.cancelled, now_ns: EventLoop.clock_ns())
            exchange.note(failed(model, deployment, nil, started_ns, "invalid_request"))
            return .failed(.transport(TransportError(.invalidRequest, error.description)))
        }
        let box = LeaseBox(lease)
        let view = exchange.call.view
        let injectsUsage = view.needsUsageRequest
        let request = UpstreamRequest(
            method: .post, url: deployment.baseURL + exchange.call.path, fields: fields,
            body: view.body(
                routedTo: deployment.upstreamModel, overrides: overrides(of: model), requestUsage: injectsUsage),
            unixSocketPath: deployment.unixSocketPath, timeouts: deployment.timeouts)
        let response: UpstreamResponse
        do {
            response = try await configuration.transport.send(request)
        } catch {
            return failedTransport(exchange, model, deployment, box, started_ns, error)
        }
        let verdict = AttemptVerdict.judging(status: response.status, fields: response.fields)
        if case .failOver(let label, let retryAfter_ms) = verdict {
            return await failedStatus(exchange, model, deployment, box, started_ns, response, label, retryAfter_ms)
        }
        let incoming = Incoming(
            exchange: exchange, model: model, deployment: deployment, lease: box, started_ns: started_ns,
            response: response)
        if response.isEventStream { return await relayEvents(incoming, stripsUsage: injectsUsage) }
        return await relayAnswer(incoming)
    }

    private func overrides(of model: String) -> [ParameterOverride] {
        cards.first { $0.name == model }?.overrides ?? []
    }

    /// What an attempt knows once a response head is there.
    private struct Incoming {
        let exchange: Exchange
        let model: String
        let deployment: Deployment
        let lease: LeaseBox
        let started_ns: UInt64
        let response: UpstreamResponse
    }

    /// Waits for the first event before the client sees anything, so that a stream that dies at once can fail over.
    nonisolated(nonsending)
        private func relayEvents(_ incoming: Incoming, stripsUsage: Bool) async -> AttemptResult
    {
        let exchange = incoming.exchange
        var inspector = StreamInspector(
            dialect: exchange.call.view.dialect, stripsUsage: stripsUsage, limits: configuration.limits)
        var pending: [UInt8] = []
        do {
            while pending.isEmpty {
                guard let piece = try await incoming.response.body.next() else {
                    throw TransportError(.truncated, "the stream ended before its first event")
                }
                do {
                    try inspector.consume(piece, into: &pending)
                } catch {
                    throw TransportError(.protocolError, error.description)
                }
            }
        } catch let error as TransportError {
            return failedTransport(
                exchange, incoming.model, incoming.deployment, incoming.lease, incoming.started_ns, error)
        } catch {
            preconditionFailure("only transport errors are thrown above")
        }
        if inspector.hasError, inspector.eventCount <= 1 {
            incoming.response.body.cancel()
            return failedAnswer(incoming, label: "error_event", body: pending)
        }
        exchange.note(succeeded(incoming))
        exchange.answered(by: incoming.model, status: incoming.response.status)
        let stream = ReplyStream(
            exchange, incoming.response.body, incoming.lease, inspector: inspector, pending: pending)
        return answered(incoming, .stream(stream))
    }

    /// Takes a whole JSON answer in before the client sees its head: useless to the client in parts, and an error
    /// behind a good status or a broken connection can then still fail over. Longer ones are streamed on.
    nonisolated(nonsending) private func relayAnswer(_ incoming: Incoming) async -> AttemptResult {
        let exchange = incoming.exchange
        var held: [UInt8] = []
        do {
            while let piece = try await incoming.response.body.next() {
                if held.isEmpty { held = piece } else { held.append(contentsOf: piece) }
                guard held.count <= configuration.limits.heldAnswerBytes else {
                    exchange.note(succeeded(incoming))
                    exchange.answered(by: incoming.model, status: incoming.response.status)
                    let stream = ReplyStream(
                        exchange, incoming.response.body, incoming.lease, inspector: nil, pending: held)
                    return answered(incoming, .stream(stream))
                }
            }
        } catch {
            return failedTransport(
                exchange, incoming.model, incoming.deployment, incoming.lease, incoming.started_ns, error)
        }
        let status = incoming.response.status
        let summary = UsageReader.summary(ofAnswer: held)
        if status < 400, summary.isErrorInDisguise {
            return failedAnswer(incoming, label: "error_body", body: held)
        }
        exchange.note(succeeded(incoming))
        exchange.answered(by: incoming.model, status: status)
        exchange.usage = summary.usage
        if exchange.call.view.dialect == .responses, let id = summary.id {
            pins.remember(id, ResponsePins.Pin(model: incoming.model, deployment: incoming.deployment.id))
        }
        incoming.lease.finish(.success)
        if exchange.isCompared { exchange.answer = .body(held) }
        exchange.settle(status < 400 ? .ok : .clientError)
        return answered(incoming, .complete(held))
    }

    // MARK: Results

    private func answered(_ incoming: Incoming, _ body: RouterReply.Body) -> AttemptResult {
        do {
            let fields = try ForwardedFields.downstream(from: incoming.response.fields)
            return .answered(try reply(incoming.exchange, status: incoming.response.status, fields: fields, body))
        } catch {
            // Fields that arrived through the transport's own parser and still cannot be sent on.
            return .failed(.transport(TransportError(.protocolError, "\(error)")))
        }
    }

    func reply(
        _ exchange: Exchange, status: Int, fields: HTTPFields, _ body: RouterReply.Body
    ) throws(RouterError) -> RouterReply {
        var fields = fields
        do {
            fields.reserve(fields: 3, bytes: 256)
            try fields.add("x-request-id", text: exchange.requestID)
            try fields.add("x-router-model", text: exchange.decision.servedModel ?? exchange.decision.chosenModel)
            try fields.add("x-router-reason", text: exchange.decision.reason)
        } catch {
            throw RouterError(.upstreamFailed, error.description, requestID: exchange.requestID)
        }
        return RouterReply(status: status, fields: fields, body: body, decision: exchange.decision)
    }

    private func failedTransport(
        _ exchange: Exchange, _ model: String, _ deployment: Deployment, _ lease: LeaseBox, _ started_ns: UInt64,
        _ error: TransportError
    ) -> AttemptResult {
        if error.code == .cancelled {
            lease.finish(.cancelled)
            return .cancelled
        }
        lease.finish(.failure(LeaseOutcome.FailureKind(error.code), retryAfter_ms: nil))
        exchange.note(failed(model, deployment, nil, started_ns, error.code.label))
        return .failed(.transport(error))
    }

    nonisolated(nonsending) private func failedStatus(
        _ exchange: Exchange, _ model: String, _ deployment: Deployment, _ lease: LeaseBox, _ started_ns: UInt64,
        _ response: UpstreamResponse, _ label: String, _ retryAfter_ms: Int?
    ) async -> AttemptResult {
        let body: [UInt8]
        do {
            body = try await response.body.collect(limitBytes: configuration.limits.heldAnswerBytes)
        } catch {
            return failedTransport(exchange, model, deployment, lease, started_ns, error)
        }
        if let kind = LeaseOutcome.FailureKind(status: response.status) {
            lease.finish(.failure(kind, retryAfter_ms: retryAfter_ms))
        } else {
            lease.finish(.success)
        }
        exchange.note(failed(model, deployment, response.status, started_ns, label))
        return held(response, model, body)
    }

    private func failedAnswer(_ incoming: Incoming, label: String, body: [UInt8]) -> AttemptResult {
        incoming.lease.finish(.failure(.serverError, retryAfter_ms: nil))
        incoming.exchange.note(
            failed(incoming.model, incoming.deployment, incoming.response.status, incoming.started_ns, label))
        return held(incoming.response, incoming.model, body)
    }

    private func held(_ response: UpstreamResponse, _ model: String, _ body: [UInt8]) -> AttemptResult {
        guard let fields = try? ForwardedFields.downstream(from: response.fields) else {
            return .failed(.transport(TransportError(.protocolError, "a response field cannot be relayed")))
        }
        return .failed(
            .answer(
                HeldAnswer(
                    model: model, status: response.status, fields: fields, body: body,
                    summary: UsageReader.summary(ofAnswer: body))))
    }

    private func succeeded(_ incoming: Incoming) -> Decision.Attempt {
        Decision.Attempt(
            model: incoming.model, deployment: incoming.deployment.id, status: incoming.response.status,
            latency_ms: Exchange.milliseconds(from: incoming.started_ns, to: EventLoop.clock_ns()), errorLabel: nil)
    }

    private func failed(
        _ model: String, _ deployment: Deployment, _ status: Int?, _ started_ns: UInt64, _ label: String
    ) -> Decision.Attempt {
        Decision.Attempt(
            model: model, deployment: deployment.id, status: status,
            latency_ms: Exchange.milliseconds(from: started_ns, to: EventLoop.clock_ns()), errorLabel: label)
    }
}

/// An answer with an error in it, kept in case no other upstream does better.
private struct HeldAnswer {
    let model: String
    let status: Int
    let fields: HTTPFields
    let body: [UInt8]
    let summary: AnswerSummary
}

private enum Failure {
    case transport(TransportError)
    case answer(HeldAnswer)
}

/// What went wrong so far, over all attempts of one request.
private struct Failures {
    private(set) var lastAnswer: HeldAnswer?
    private(set) var pool: PoolError?
    private(set) var isTimeout = false

    mutating func add(_ failure: Failure) {
        switch failure {
        case .answer(let answer): lastAnswer = answer
        case .transport(let error):
            isTimeout = [.connectTimeout, .firstByteTimeout, .idleTimeout, .totalTimeout].contains(error.code)
        }
    }

    /// Running out of deployments after tries is no news; having none from the start is.
    mutating func noLease(_ error: PoolError) {
        if error.code != .exhausted { pool = error }
    }
}

extension UpstreamResponse {
    /// Whether the body is a stream of server-sent events.
    fileprivate var isEventStream: Bool {
        fields["content-type"]?.lowercased().hasPrefix("text/event-stream") ?? false
    }
}
