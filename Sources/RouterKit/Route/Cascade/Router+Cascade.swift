import Transport
import Wire

extension Router {
    /// How asking cheap models first ended.
    enum CascadeResult {
        case answered(RouterReply)
        /// Nothing was accepted: on with the plan.
        case goUp
        case cancelled
    }

    /// Asks the cheap models at once, waits for all of them, and takes the best one's answer when it convinces.
    ///
    /// Every call that is made is waited for, at most `Cascade.timeout_ms`, so that its cost is known and counted.
    nonisolated(nonsending)
        func askCheaply(_ exchange: Exchange, _ start: Cascade.Start) async throws(RouterError) -> CascadeResult
    {
        guard let cascade = configuration.cascade, !start.asked.isEmpty else { return .goUp }
        let call = exchange.call
        let answers = await withTaskGroup(of: CheapAnswer.self) { group in
            for model in start.asked { group.addTask { await self.ask(model, call, cascade) } }
            var answers: [CheapAnswer] = []
            for await answer in group { answers.append(answer) }
            return start.asked.compactMap { model in answers.first { $0.model == model } }
        }
        for answer in answers { if let attempt = answer.attempt { exchange.note(attempt) } }
        if answers.contains(where: \.isCancelled) || Task.isCancelled { return .cancelled }
        let (verdict, evidence) = judge(answers, cascade)
        exchange.decision.cascade = CascadeRecord(
            verdict: verdict,
            calls: answers.map { .init(model: $0.model, usage: $0.usage, cost_usd: cost_usd(of: $0)) },
            evidence: evidence)
        let taken = verdict == .accepted ? answers.first { $0.model == start.best } : nil
        for answer in answers where answer.model != taken?.model { exchange.addCost(cost_usd(of: answer)) }
        guard let taken, let fields = taken.fields else { return .goUp }
        exchange.answered(by: taken.model, status: taken.status)
        exchange.usage = taken.usage
        if let pin = taken.pin { pins.remember(pin.id, pin.target) }
        exchange.settle(.ok)
        return .answered(try reply(exchange, status: taken.status, fields: fields, .complete(taken.body)))
    }

    private func judge(_ answers: [CheapAnswer], _ cascade: Cascade) -> (CascadeRecord.Verdict, Double?) {
        guard answers.count == cascade.askCount, answers.allSatisfy({ $0.fields != nil }) else { return (.failed, nil) }
        switch cascade.acceptance {
        case .agreement(let rule, let minimum):
            guard let first = answers[0].answer, let second = answers[1].answer else { return (.disagreed, nil) }
            let similarity = AnswerMatch.compare(first.text, second.text, rule: rule).similarity
            return (similarity > 0 && similarity >= minimum ? .accepted : .disagreed, similarity)
        case .confidence(let minimum):
            guard let mean = answers[0].answer?.meanLogProbability else { return (.unsure, nil) }
            return (mean >= minimum ? .accepted : .unsure, mean)
        }
    }

    /// A call that got no answer is taken to be free: no provider bills what it did not give.
    private func cost_usd(of answer: CheapAnswer) -> Double? {
        guard answer.fields != nil else { return 0 }
        guard let usage = answer.usage else { return nil }
        return cards.first { $0.name == answer.model }?.price?.cost_usd(usage)
    }

    // MARK: One call

    /// What a cheap model gave.
    private struct CheapAnswer: Sendable {
        let model: String
        var attempt: Decision.Attempt?
        var isCancelled = false
        var status = 0
        /// Set when the answer is whole and good.
        var fields: HTTPFields?
        var body: [UInt8] = []
        var answer: ModelAnswer?
        var usage: TokenUsage?
        /// Which deployment holds the state of a Responses answer.
        var pin: (id: String, target: ResponsePins.Pin)?
    }

    /// One try at one deployment: a cheap model that cannot answer at once is no saving.
    private func ask(_ model: String, _ call: RouterCall, _ cascade: Cascade) async -> CheapAnswer {
        var result = CheapAnswer(model: model)
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
                try request(model, call, cascade, deployment, key: key))
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
            result.body = hidingLogProbabilities(of: result.answer, in: body, call)
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
        _ model: String, _ call: RouterCall, _ cascade: Cascade, _ deployment: Deployment, key: APIKey?
    ) throws(TransportError) -> UpstreamRequest {
        let fields: HTTPFields
        do {
            fields = try ForwardedFields.upstream(from: call.fields, deployment: deployment, key: key)
        } catch {
            throw TransportError(.invalidRequest, error.description)
        }
        var overrides = cards.first { $0.name == model }?.overrides ?? []
        if case .confidence = cascade.acceptance {
            overrides.append(ParameterOverride(key: "logprobs", json: Array("true".utf8)))
        }
        var timeouts = deployment.timeouts
        timeouts.total_ms = min(timeouts.total_ms ?? .max, cascade.timeout_ms)
        return UpstreamRequest(
            method: .post, url: deployment.baseURL + call.path, fields: fields,
            body: call.view.body(routedTo: deployment.upstreamModel, overrides: overrides),
            unixSocketPath: deployment.unixSocketPath, timeouts: timeouts)
    }

    /// A client that did not ask for log-probabilities does not get those that the cascade asked for.
    private func hidingLogProbabilities(of answer: ModelAnswer?, in body: [UInt8], _ call: RouterCall) -> [UInt8] {
        guard let range = answer?.logProbabilities, call.view.document.firstMember("logprobs")?.kind != .true else {
            return body
        }
        var splice = JSONSplice()
        splice.replace(range, with: Array("null".utf8))
        return splice.apply(to: body)
    }
}
