import Wire

/// One request on its way to being asked of the other models, and compared.
struct ShadowComparison: Sendable {
    private let router: Router
    private let call: RouterCall
    private let requestID: String
    private let prompt: [UInt8]
    private let judge: Shadow.Judge
    /// The model that answered, and its answer.
    private let model: String
    private let given: GivenAnswer?
    private let usage: TokenUsage?
    private let strong: String
    private let others: [String]

    /// Whether an answer is to be compared: the router chose its model, it is text that another model can give too, and
    /// the lot fell on it. Decided before the answer is given, so that only such streams are kept.
    static func isWanted(_ decision: Decision, _ view: RequestView, _ shadow: Shadow) -> Bool {
        guard shadow.takes(decision.requestID), decision.difficulty != nil, view.toolCount == 0,
            view.previousResponseID == nil, view.dialect != .embeddings, let model = decision.servedModel
        else { return false }
        let plan = decision.plan
        // What a guard keeps from weaker models is not sent to them behind its back.
        guard !plan.rejected.contains(where: \.reason.isGuards) else { return false }
        let tier = (plan.candidates + plan.rejected).first { $0.model == model }?.tier
        guard shadow.includesStrong || tier.map({ $0 < plan.alwaysStrong.tier }) == true else { return false }
        return !others(than: model, plan).isEmpty
    }

    /// Who else can be asked: whoever can take the request, the strongest even when it is busy.
    private static func others(than model: String, _ plan: Plan) -> [String] {
        let strong = plan.alwaysStrong.model
        var others = plan.candidates.map(\.model)
        if !others.contains(strong) { others.append(strong) }
        return others.filter { $0 != model }
    }

    /// A comparison of an answer that is wanted.
    init(_ answered: AnsweredCall, judge: Shadow.Judge, model: String, prompt: [UInt8]) {
        router = answered.router
        call = answered.call
        requestID = answered.decision.requestID
        self.judge = judge
        usage = answered.usage
        strong = answered.decision.plan.alwaysStrong.model
        others = Self.others(than: model, answered.decision.plan)
        self.model = model
        given = answered.answer
        self.prompt = prompt
    }

    /// Asks, compares, and makes the row.
    func run() async -> (record: ShadowRecord, row: OutcomeRow?) {
        var record = ShadowRecord(requestID: requestID, outcome: .cancelled)
        guard !Task.isCancelled else { return (record, nil) }
        record.outcome = .incomparable
        guard let own = ownAnswer else { return (record, nil) }
        let answers = await askOthers()
        record.calls = answers.filter { $0.attempt != nil }.map { $0.call(router.cards) }
        if answers.contains(where: \.isCancelled) || Task.isCancelled {
            record.outcome = .cancelled
            return (record, nil)
        }
        var row = OutcomeRow(id: requestID, source: OutcomeStore.source, prompt: prompt, scores: [strong: 1])
        row.note(usage, of: model)
        var texts = [model: own.text]
        for answer in answers {
            row.note(answer.usage, of: answer.model)
            texts[answer.model] = answer.answer?.text
        }
        guard let reference = texts.removeValue(forKey: strong), !texts.isEmpty else {
            let isThere = answers.contains { $0.fields != nil && ($0.model == strong || model == strong) }
            record.outcome = isThere ? .incomparable : .failed
            return (record, nil)
        }
        for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
            guard let score = await score(text, reference, &record) else {
                record.outcome = Task.isCancelled ? .cancelled : .unjudged
                record.scores = [:]
                return (record, nil)
            }
            record.scores[name] = score
            row.scores[name] = score
        }
        record.outcome = .compared
        return (record, row)
    }

    private var ownAnswer: ModelAnswer? {
        let (dialect, limits) = (call.view.dialect, router.configuration.limits)
        return switch given {
        case .body(let bytes): ModelAnswer(bytes, dialect: dialect, limits: limits)
        case .events(let bytes): ModelAnswer(events: bytes, dialect: dialect, limits: limits)
        case nil: nil
        }
    }

    private func askOthers() async -> [OneAnswer] {
        let (router, limits) = (router, router.configuration.limits)
        var call = call
        guard let whole = try? call.view.unstreamed(limits: limits) else { return [] }
        call.view = whole
        // A response that is kept for a later `previous_response_id` is the client's wish, not ours.
        let overrides =
            whole.dialect == .responses ? [ParameterOverride(key: "store", json: Array("false".utf8))] : []
        return await withTaskGroup(of: OneAnswer.self) { group in
            for other in others {
                group.addTask { [call] in
                    await router.askOnce(other, call, overrides: overrides, timeout_ms: limits.shadowTimeout_ms)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// How well `text` could stand in for `reference`, 0...1; `nil` when the judge does not say.
    private func score(_ text: [UInt8], _ reference: [UInt8], _ record: inout ShadowRecord) async -> Double? {
        switch judge {
        case .rule(let rule): return AnswerMatch.compare(text, reference, rule: rule).similarity
        case .model(let name):
            let limits = router.configuration.limits
            let question = ShadowJudge.question(ask: prompt, reference: reference, answer: text, limits: limits)
            guard let view = try? RequestView(asking: question, limits: limits) else { return nil }
            let answer = await router.askOnce(
                name, RouterCall(view), overrides: [], timeout_ms: limits.shadowTimeout_ms)
            if answer.attempt != nil { record.calls.append(answer.call(router.cards)) }
            return answer.answer.flatMap { ShadowJudge.score($0.text) }
        }
    }

    /// Tells the observer, and the log of all but what was never begun.
    func report(_ record: ShadowRecord) {
        // In this order: whoever has seen the observer told may look for the line.
        _ = router.configuration.log?.append(line: record.line(time_unix_ms: WallClock.now_ms()))
        router.configuration.observer?.compared(record)
    }

    /// The record of a comparison that was not begun.
    func report(_ outcome: ShadowRecord.Outcome) {
        router.configuration.observer?.compared(ShadowRecord(requestID: requestID, outcome: outcome))
    }
}

extension Reason {
    /// Whether a guard kept the model from the request.
    fileprivate var isGuards: Bool { if case .belowFloor = self { true } else { false } }
}

extension ShadowRecord {
    /// The record as a line of the decision log, its line feed included. `kind` tells it from those of requests.
    func line(time_unix_ms: Int64) -> [UInt8] {
        var line: [UInt8] = []
        ByteText.append(#"{"v":1,"kind":"shadow","time_ms":"#, to: &line)
        ByteText.append(time_unix_ms, to: &line)
        ByteText.append(#","request_id":"#, to: &line)
        ByteText.appendQuoted(requestID, to: &line)
        ByteText.append(#","outcome":"#, to: &line)
        ByteText.appendQuoted(outcome.label, to: &line)
        ByteText.append(#","cost_usd":"#, to: &line)
        ByteText.appendFixedOrNull(cost_usd, decimals: 9, to: &line)
        ByteText.append(#","calls":["#, to: &line)
        for (place, call) in calls.enumerated() {
            ByteText.append(place == 0 ? #"{"model":"# : #",{"model":"#, to: &line)
            ByteText.appendQuoted(call.model, to: &line)
            ByteText.append(#","cost_usd":"#, to: &line)
            ByteText.appendFixedOrNull(call.cost_usd, decimals: 9, to: &line)
            ByteText.append("}", to: &line)
        }
        ByteText.append(#"],"scores":{"#, to: &line)
        for (place, score) in scores.sorted(by: { $0.key < $1.key }).enumerated() {
            if place > 0 { ByteText.append(",", to: &line) }
            ByteText.appendQuoted(score.key, to: &line)
            ByteText.append(":", to: &line)
            ByteText.appendFixed(score.value, decimals: 4, to: &line)
        }
        ByteText.append("}}\n", to: &line)
        return line
    }
}
