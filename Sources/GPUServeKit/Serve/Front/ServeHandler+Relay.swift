internal import Transport
internal import Wire

/// Requests for a model.
extension ServeHandler {
    nonisolated(nonsending) func relay(
        _ request: ServerRequest, _ path: String, named: String?, _ key: String?, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        let body: [UInt8]
        do {
            body = try await request.body.collect(limitBytes: runtime.limits.bodyBytes)
        } catch {
            guard error.code == .bodyTooLarge else { throw error }
            let message = "The body is longer than \(runtime.limits.bodyBytes) bytes."
            return try await response.send(.failure(413, message, "body_too_large"))
        }
        let call: ServedCall
        do {
            // A path with the deployment's name in it needs no body.
            call = try ServedCall(
                body.isEmpty && named != nil ? Array("{}".utf8) : body, path: path, named: named,
                limits: runtime.limits)
        } catch {
            return try await response.send(.failure(400, error.message, error.code, param: error.param))
        }
        guard let deployment = runtime.deployment(call.name) else {
            let known = runtime.names.prefix(10).joined(separator: ", ")
            let message = "There is no deployment \"\(call.name)\" here" + (known.isEmpty ? "." : ": \(known).")
            return try await response.send(
                .failure(404, message, "model_not_found", dialect: call.dialect, param: "model"))
        }
        guard runtime.meter.isTaking else {
            let message =
                "Nothing is answered while the ledger cannot be written: free the disk of the state directory."
            return try await response.send(
                .failure(503, message, "ledger_unusable", dialect: call.dialect, retryAfter_ms: 1_000))
        }
        var relay = Relay(
            call, to: deployment, method: request.head.method, fields: request.head.fields,
            transport: runtime.transport, limits: runtime.limits)
        relay.hasBody = !body.isEmpty
        let bill = AnswerBill(id: RequestID.make(), call: call, key: key, deployment, runtime.meter)
        if call.isStream, request.head.fields["x-gpuserve-progress"] != nil {
            return try await answerWithProgress(relay, bill, response)
        }
        let answer = try await relay.answer { _ throws(TransportError) in }
        switch answer {
        case .whole(let status, let fields, let body, let usage):
            if status < 400 { await bill.keep(.complete, usage) }
            try await response.send(status: status, fields: passing(fields, relay.passage, bill.id), body: body)
        case .stream(let stream):
            let fields = passing(stream.fields, relay.passage, bill.id)
            let out = OpenStream(try await response.stream(status: stream.status, fields: fields))
            try await copy(stream, to: out, bill)
            try await out.finish()
        case .none(let refusal): try await response.send(refused(refusal, relay, bill.id))
        case .broken(let error):
            var answer = ServeAnswer.failure(
                502, "The engine of \(call.name) gave nothing, \(runtime.limits.upstreamAttemptCount) times: \(error).",
                "engine_failed", dialect: call.dialect)
            answer.fields = passing(answer.fields, relay.passage, bill.id)
            try await response.send(answer)
        case .cancelled: throw TransportError(.clientGone, "the client went away")
        }
    }

    private func refused(_ refusal: DeploymentFront.Refusal, _ relay: Relay, _ id: String) -> ServeAnswer {
        var answer = ServeAnswer(
            refusal, of: relay.call.name, relay.deployment.front.outlook, relay.call.dialect)
        answer.fields = passing(answer.fields, relay.passage, id)
        return answer
    }

    /// Copies an answer, and bills it before the piece that makes it whole.
    private nonisolated(nonsending) func copy(
        _ stream: RelayedStream, to out: OpenStream, _ bill: AnswerBill
    ) async throws(TransportError) {
        do {
            while let piece = try await stream.next() {
                if stream.isWhole { await bill.keep(.complete, stream.usage) }
                try await out.write(piece)
            }
        } catch {
            await bill.keep(stream.outcome ?? .clientGone, stream.usage)
            throw error
        }
        await bill.keep(stream.outcome ?? .complete, stream.usage)
    }

    /// A stream whose client wants to be told while it waits: its head goes out at once, and whatever goes wrong then is an
    /// event of the stream.
    private nonisolated(nonsending) func answerWithProgress(
        _ relay: Relay, _ bill: AnswerBill, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        var relay = relay
        var fields = HTTPFields()
        fields.add("Content-Type", "text/event-stream")
        let out = OpenStream(
            try await response.stream(status: 200, fields: passing(fields, relay.passage, bill.id)))
        let answer = try await relay.answer { outlook throws(TransportError) in
            let tier = outlook.tier.map { " from \($0.rawValue)" } ?? ""
            let left_ms = outlook.remaining_ms(at: EventLoop.clock_ns())
            try await out.write(Array(": gpuserve \(outlook.state)\(tier), about \(left_ms) ms more\n\n".utf8))
        }
        switch answer {
        case .stream(let stream) where stream.status == 200: try await copy(stream, to: out, bill)
        case .stream(let stream):
            throw TransportError(.truncated, "an answer of status \(stream.status) came when the head was sent")
        case .whole(let status, _, let body, let usage):
            if status < 400 { await bill.keep(.complete, usage) }
            try await out.write(Array("data: ".utf8) + body.filter { $0 != 0x0A && $0 != 0x0D } + Array("\n\n".utf8))
        case .none(let refusal):
            let text = refused(refusal, relay, bill.id)
            try await out.write(Array("data: ".utf8) + text.body + Array("\n\n".utf8))
        case .broken(let error):
            try await out.write(
                ErrorBody.event(
                    dialect: relay.call.dialect ?? .chatCompletions, message: "The engine gave nothing: \(error).",
                    code: "engine_failed"))
        case .cancelled: throw TransportError(.clientGone, "the client went away")
        }
        try await out.finish()
    }

    /// The engine's fields and how the request came through.
    private func passing(_ fields: HTTPFields, _ passage: Relay.Passage, _ id: String) -> HTTPFields {
        var fields = fields
        let outlook = passage.outlook
        fields.reserve(fields: 5, bytes: 192)
        try? fields.append("x-request-id", id)
        try? fields.append("x-gpuserve-state", outlook.state)
        try? fields.append("x-gpuserve-tier", (passage.tier ?? outlook.tier)?.rawValue ?? "awake")
        try? fields.append("x-gpuserve-wake-ms", "\(passage.waited_ms)")
        try? fields.append("x-gpuserve-predicted-ms", "\(outlook.predicted_ms)")
        return fields
    }
}

/// What one answer is billed as, once. Confined to one task.
private final class AnswerBill {
    let id: String
    private let call: ServedCall
    private let key: String?
    private let deployment: Deployment
    private let meter: Meter
    private var isKept = false

    init(id: String, call: ServedCall, key: String?, _ deployment: Deployment, _ meter: Meter) {
        self.id = id
        self.call = call
        self.key = key
        self.deployment = deployment
        self.meter = meter
    }

    /// Returns when it is durable.
    nonisolated(nonsending) func keep(_ outcome: MeteredRequest.Outcome, _ usage: TokenUsage?) async {
        guard !isKept else { return }
        isKept = true
        if let usage { deployment.front.count(prompt: usage.promptTokens, answer: usage.completionTokens) }
        await meter.record(id: id, call, outcome: outcome, key: key, usage)
    }
}

/// The body of a response that a closure writes to, too. Confined to one task.
private final class OpenStream {
    private var body: ResponseBody?

    init(_ body: consuming ResponseBody) { self.body = consume body }

    nonisolated(nonsending) func write(_ bytes: [UInt8]) async throws(TransportError) {
        try await body?.write(bytes)
    }

    nonisolated(nonsending) func finish() async throws(TransportError) {
        guard let body = body.take() else { return }
        try await body.finish()
    }
}
