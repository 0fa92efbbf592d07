import Transport
import Wire

/// One request from its decision to its end: collects what the log line needs and writes it exactly once.
///
/// Confined to the task that serves the request.
final class Exchange {
    let router: Router
    let call: RouterCall
    let started_ns: UInt64
    var decision: Decision
    var usage: TokenUsage?
    /// What the client got, for comparing it afterwards; `nil` when nobody wants to, or it was too long.
    var answer: GivenAnswer?
    /// What calls cost whose answers the client did not get; nil once one of them is unknown.
    private var otherCost_usd: Double? = 0
    private var firstByte_ns: UInt64?
    private var isSettled = false
    private var status: Int?

    init(_ router: Router, _ call: RouterCall, _ decision: Decision, started_ns: UInt64) {
        self.router = router
        self.call = call
        self.decision = decision
        self.started_ns = started_ns
    }

    var requestID: String { decision.requestID }

    func note(_ attempt: Decision.Attempt) { decision.attempts.append(attempt) }

    /// A call whose answer the client does not get; nil when nobody knows what it cost.
    func addCost(_ cost_usd: Double?) {
        otherCost_usd = otherCost_usd.flatMap { sum in cost_usd.map { sum + $0 } }
    }

    /// The client is about to get an answer with this status from this model.
    func answered(by model: String, status: Int) {
        decision.servedModel = model
        self.status = status
        if firstByte_ns == nil { firstByte_ns = EventLoop.clock_ns() }
    }

    /// Whether the answer that is about to be given will be compared with those of other models.
    var isCompared: Bool {
        let configuration = router.configuration
        guard configuration.learner != nil, let shadow = configuration.shadow else { return false }
        return ShadowComparison.isWanted(decision, call.view, shadow)
    }

    /// Keeps the receipt, and the log line soon. Later calls do nothing: the first outcome is the true one.
    func settle(_ outcome: RequestOutcome, status: Int? = nil) {
        guard !isSettled else { return }
        isSettled = true
        let now_ns = EventLoop.clock_ns()
        let record = LogRecord(
            decision: decision, status: status ?? self.status, outcome: outcome.rawValue, stream: call.view.stream,
            client: call.clientName, usage: usage, cost_usd: totalCost_usd,
            baseline_usd: cost_usd(of: decision.plan.alwaysStrong.model),
            latency_ms: Exchange.milliseconds(from: started_ns, to: now_ns),
            firstByte_ms: firstByte_ns.map { Exchange.milliseconds(from: started_ns, to: $0) },
            prompt: router.configuration.logsPrompts ? call.view.ask.text : nil)
        // The client may ask for the receipt as soon as it has the answer.
        router.configuration.receipts.insert(decision)
        let answered =
            outcome == .ok && router.configuration.learner != nil
            ? AnsweredCall(router: router, call: call, decision: decision, usage: usage, answer: answer) : nil
        if let loop = call.loop {
            loop.execute { [router] in router.keepBooks(record, answered) }
        } else {
            router.keepBooks(record, answered)
        }
    }

    /// What all calls of this exchange cost; nil when one of them is unknown. Without an answer, what was spent in vain.
    private var totalCost_usd: Double? {
        guard let other = otherCost_usd else { return nil }
        if let own = cost_usd(of: decision.servedModel) { return own + other }
        return decision.servedModel == nil && other > 0 ? other : nil
    }

    /// What this exchange's tokens cost at a model's price; nil when either is unknown.
    private func cost_usd(of model: String?) -> Double? {
        guard let usage, let model, let card = router.cards.first(where: { $0.name == model }) else { return nil }
        return card.price?.cost_usd(usage)
    }

    static func milliseconds(from start_ns: UInt64, to end_ns: UInt64) -> Double {
        Double(end_ns &- start_ns) / 1_000_000
    }
}

extension Router {
    /// What is done about a finished request besides its receipt.
    fileprivate func keepBooks(_ record: LogRecord, _ answered: AnsweredCall?) {
        configuration.log?.append(record)
        configuration.observer?.finished(record)
        if let answered { configuration.learner?.finished(answered) }
    }
}
