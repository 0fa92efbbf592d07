import Transport
import Wire

/// What one try at one deployment gave, taken in whole and read.
struct OneAnswer: Sendable {
    let model: String
    var attempt: Decision.Attempt?
    var isCancelled = false
    var status = 0
    /// Set when the answer is whole and good.
    var fields: HTTPFields?
    var body: [UInt8] = []
    var answer: ModelAnswer?
    var usage: TokenUsage?
    /// The id of a Responses answer, and the deployment that holds its state.
    var pin: (id: String, target: ResponsePins.Pin)?

    /// The call for a receipt; one that got no answer is taken to be free: no provider bills what it did not give.
    func call(_ cards: [ModelCard]) -> CascadeRecord.Call {
        var cost_usd: Double? = 0
        if fields != nil {
            let price = cards.first { $0.name == model }?.price
            cost_usd = usage.flatMap { usage in price.map { $0.cost_usd(usage) } }
        }
        return CascadeRecord.Call(model: model, usage: usage, cost_usd: cost_usd)
    }
}

extension Router {
    /// One try at one deployment of `model`, for answers that are compared before anybody sees them.
    ///
    /// - Parameters:
    ///   - overrides: beside those of the model's card.
    ///   - timeout_ms: longest wait for the whole answer.
    func askOnce(
        _ model: String, _ call: RouterCall, overrides: [ParameterOverride], timeout_ms: Int
    ) async -> OneAnswer {
        var result = OneAnswer(model: model)
        let started_ns = EventLoop.clock_ns()
        guard let lease = try? configuration.pool.lease(model: model, excluding: [], now_ns: started_ns) else {
            return result
        }
        let deployment = lease.deployment
        let key = lease.key
        let box = LeaseBox(lease)
        func attempt(_ status: Int?, _ label: String?) -> Decision.Attempt {
            Decision.Attempt(
                model: model, deployment: deployment.id, status: status,
                latency_ms: Exchange.milliseconds(from: started_ns, to: EventLoop.clock_ns()), errorLabel: label)
        }
        do throws(TransportError) {
            let response = try await configuration.transport.send(
                try request(model, call, overrides, timeout_ms, deployment, key: key))
            let body = try await response.body.collect(limitBytes: configuration.limits.heldAnswerBytes)
            result.status = response.status
            let summary = UsageReader.summary(ofAnswer: body)
            guard response.status == 200, !summary.isErrorInDisguise,
                let fields = try? ForwardedFields.downstream(from: response.fields)
            else {
                let kind = LeaseOutcome.FailureKind(status: response.status)
                box.finish(
                    kind.map { .failure($0, retryAfter_ms: RetryAfter.milliseconds(response.fields)) } ?? .success)
                result.attempt = attempt(
                    response.status, response.status == 200 ? "error_body" : "status_\(response.status)")
                return result
            }
            box.finish(.success)
            result.usage = summary.usage
            result.answer = ModelAnswer(body, dialect: call.view.dialect, limits: configuration.limits)
            if call.view.dialect == .responses, let id = summary.id {
                result.pin = (id, ResponsePins.Pin(model: model, deployment: deployment.id))
            }
            result.body = body
            result.fields = fields
            result.attempt = attempt(response.status, nil)
        } catch {
            result.isCancelled = error.code == .cancelled
            box.finish(
                result.isCancelled ? .cancelled : .failure(LeaseOutcome.FailureKind(error.code), retryAfter_ms: nil))
            result.attempt = result.isCancelled ? nil : attempt(nil, error.code.label)
        }
        return result
    }

    private func request(
        _ model: String, _ call: RouterCall, _ overrides: [ParameterOverride], _ timeout_ms: Int,
        _ deployment: Deployment, key: APIKey?
    ) throws(TransportError) -> UpstreamRequest {
        let fields: HTTPFields
        do {
            fields = try ForwardedFields.upstream(from: call.fields, deployment: deployment, key: key)
        } catch {
            throw TransportError(.invalidRequest, error.description)
        }
        var timeouts = deployment.timeouts
        timeouts.total_ms = min(timeouts.total_ms ?? .max, timeout_ms)
        return UpstreamRequest(
            method: .post, url: deployment.baseURL + call.path, fields: fields,
            body: call.view.body(
                routedTo: deployment.upstreamModel,
                overrides: (cards.first { $0.name == model }?.overrides ?? []) + overrides),
            unixSocketPath: deployment.unixSocketPath, timeouts: timeouts)
    }
}
