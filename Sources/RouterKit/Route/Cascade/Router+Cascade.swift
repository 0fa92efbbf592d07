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
        let answers = await withTaskGroup(of: OneAnswer.self) { group in
            for model in start.asked { group.addTask { await self.ask(model, call, cascade) } }
            var answers: [OneAnswer] = []
            for await answer in group { answers.append(answer) }
            return start.asked.compactMap { model in answers.first { $0.model == model } }
        }
        for answer in answers { if let attempt = answer.attempt { exchange.note(attempt) } }
        if answers.contains(where: \.isCancelled) || Task.isCancelled { return .cancelled }
        let (verdict, evidence) = judge(answers, cascade)
        exchange.decision.cascade = CascadeRecord(
            verdict: verdict,
            calls: answers.map { $0.call(cards) },
            evidence: evidence)
        let taken = verdict == .accepted ? answers.first { $0.model == start.best } : nil
        for answer in answers where answer.model != taken?.model { exchange.addCost(answer.call(cards).cost_usd) }
        guard let taken, let fields = taken.fields else { return .goUp }
        exchange.answered(by: taken.model, status: taken.status)
        exchange.usage = taken.usage
        if exchange.isCompared { exchange.answer = .body(taken.body) }
        if let pin = taken.pin { pins.remember(pin.id, pin.target) }
        exchange.settle(.ok)
        return .answered(try reply(exchange, status: taken.status, fields: fields, .complete(taken.body)))
    }

    private func judge(_ answers: [OneAnswer], _ cascade: Cascade) -> (CascadeRecord.Verdict, Double?) {
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

    private func ask(_ model: String, _ call: RouterCall, _ cascade: Cascade) async -> OneAnswer {
        var overrides: [ParameterOverride] = []
        if case .confidence = cascade.acceptance {
            overrides.append(ParameterOverride(key: "logprobs", json: Array("true".utf8)))
        }
        var result = await askOnce(model, call, overrides: overrides, timeout_ms: cascade.timeout_ms)
        result.body = hidingLogProbabilities(of: result.answer, in: result.body, call)
        return result
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
