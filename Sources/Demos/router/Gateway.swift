import DemoSupport
import RouterKit
import Synchronization
import Transport
import Wire

/// The gateway's HTTP face: takes requests in every dialect, hands them to the router, relays the answer.
final class Gateway: HTTPHandler {
    /// What a reload replaces as a whole, so that every request sees one configuration from start to end.
    struct State: Sendable {
        var router: Router
        var clients: ClientKeys
        var isDraining = false
    }

    private let state: Lock<State>
    let metrics: GatewayMetrics
    private let started_s: Int64

    init(_ state: State, metrics: GatewayMetrics, started_s: Int64) {
        self.state = Lock(state)
        self.metrics = metrics
        self.started_s = started_s
    }

    var current: State { state.withLock { $0 } }

    func replace(router: Router, clients: ClientKeys) {
        state.withLock {
            $0.router = router
            $0.clients = clients
        }
    }

    /// `/readyz` says no from now on, so that a balancer sends nothing new.
    func startDraining() { state.withLock { $0.isDraining = true } }

    nonisolated(nonsending) func handle(
        _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(HandlerError) {
        let endpoint = Endpoint(request.head)
        let state = current
        do {
            switch endpoint {
            case .health: try await response.send(status: 200, fields: .plainText, body: Array("ok\n".utf8))
            case .hello: try await response.send(status: 200, fields: HTTPFields(), body: [])
            case .readiness: try await answerReadiness(state, response)
            case .wrongMethod(let allowed):
                var fields = HTTPFields.json
                fields.set("Allow", allowed)
                let message = "\(request.head.method) is not allowed here; use \(allowed)."
                try await response.send(
                    status: 405, fields: fields,
                    body: ErrorBody.json(
                        dialect: nil, message: message, type: "invalid_request_error", code: "method_not_allowed"))
            case .unknown:
                let message = "Nothing is at \(request.head.path). Known: \(Endpoint.known.joined(separator: ", "))."
                try await response.send(
                    status: 404, fields: .json,
                    body: ErrorBody.json(
                        dialect: nil, message: message, type: "invalid_request_error", code: "unknown_path"))
            default: try await answerClient(endpoint, request, response, state)
            }
        } catch {
            throw HandlerError(error)
        }
    }

    /// Everything that needs a client key, if there are any.
    nonisolated(nonsending) private func answerClient(
        _ endpoint: Endpoint, _ request: ServerRequest, _ response: consuming ResponseStart, _ state: State
    ) async throws(TransportError) {
        let clientName: String?
        switch state.clients.verdict(request.head.fields) {
        case .open: clientName = nil
        case .client(let name): clientName = name
        case .missing:
            metrics.refused("missing_key")
            let message = "No API key. Send one as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"."
            try await response.send(.unauthorized(message, endpoint.dialect))
            return
        case .wrong:
            metrics.refused("wrong_key")
            try await response.send(.unauthorized("The API key is not known here.", endpoint.dialect))
            return
        }
        switch endpoint {
        case .model(let dialect, let path):
            try await relay(dialect, path, clientName, request, response, state.router)
        case .countTokens(let path):
            try await relay(.messages, path, clientName, request, response, state.router)
        case .models: try await response.send(status: 200, fields: .json, body: ModelList.json(state.router, started_s))
        case .modelCard(let name):
            guard let body = ModelList.json(of: name, state.router, started_s) else {
                try await response.send(.failure(404, "No model \"\(name)\" here.", "model_not_found", nil))
                return
            }
            try await response.send(status: 200, fields: .json, body: body)
        case .receipt(let id):
            guard let decision = state.router.configuration.receipts[id] else {
                let message = "No receipt \"\(id)\" here: receipts are kept for the latest requests only."
                try await response.send(.failure(404, message, "receipt_not_found", nil))
                return
            }
            try await response.send(status: 200, fields: .json, body: decision.json())
        case .feedback: try await takeFeedback(request, response, state.router)
        case .metrics:
            let text = metrics.text(state.router)
            try await response.send(status: 200, fields: .metrics, body: Array(text.utf8))
        default: preconditionFailure("answered before the key was asked for")
        }
    }

    nonisolated(nonsending) private func answerReadiness(
        _ state: State, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        let pool = state.router.configuration.pool.snapshot(now_ns: EventLoop.clock_ns())
        let ready = !state.isDraining && pool.models.contains(where: \.isAvailable)
        let text = ready ? "ready\n" : state.isDraining ? "draining\n" : "no model of the pool is available\n"
        try await response.send(status: ready ? 200 : 503, fields: .plainText, body: Array(text.utf8))
    }

    // MARK: Model requests

    nonisolated(nonsending) private func relay(
        _ dialect: Dialect, _ path: String, _ clientName: String?, _ request: ServerRequest,
        _ response: consuming ResponseStart, _ router: Router
    ) async throws(TransportError) {
        let limits = router.configuration.limits
        let body: [UInt8]
        do {
            body = try await request.body.collect(limitBytes: limits.bodyBytes)
        } catch {
            guard error.code == .bodyTooLarge else { throw error }
            metrics.refused("body_too_large")
            let message = "The body is longer than \(limits.bodyBytes) bytes."
            try await response.send(.failure(413, message, "body_too_large", dialect))
            return
        }
        let view: RequestView
        do {
            view = try RequestView(body, dialect: dialect, limits: limits)
        } catch {
            metrics.refused(error.code.label)
            try await response.send(Answer(error, dialect))
            return
        }
        var call = RouterCall(view, path: path, fields: request.head.fields, clientName: clientName)
        call.loop = request.loop
        if let text = request.head.fields["x-router-mode"] {
            guard let mode = RoutingMode(rawValue: text.lowercased()) else {
                let known = RoutingMode.allCases.map(\.rawValue).joined(separator: ", ")
                let message = "The header x-router-mode must be one of \(known)."
                try await response.send(.failure(400, message, "invalid_mode", dialect))
                return
            }
            call.mode = mode
        }
        let reply: RouterReply
        do {
            reply = try await router.respond(call)
        } catch {
            try await response.send(Answer(error, dialect))
            return
        }
        switch reply.body {
        case .complete(let body): try await response.send(status: reply.status, fields: reply.fields, body: body)
        case .stream(let stream): try await relay(stream, reply, response)
        }
    }

    nonisolated(nonsending) private func relay(
        _ stream: ReplyStream, _ reply: RouterReply, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        var out = try await response.stream(status: reply.status, fields: reply.fields, length: nil)
        try await out.relay(from: ReplySource(stream))
        try await out.finish()
    }
}

/// A router's answer as the body of a response.
private final class ReplySource: BodySource {
    private let stream: ReplyStream

    init(_ stream: ReplyStream) { self.stream = stream }

    func take() throws(TransportError) -> BodyPiece {
        do {
            return try stream.take()
        } catch {
            // The unfinished body aborts the connection: the client must not take it for a whole answer.
            throw TransportError(error.code == .cancelled ? .clientGone : .truncated, error.message)
        }
    }

    func listen(_ heard: (@Sendable () -> Void)?) { stream.listen(heard) }
}
