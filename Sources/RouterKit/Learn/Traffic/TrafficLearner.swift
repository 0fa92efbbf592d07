import Synchronization
import Transport
public import Wire

/// Keeps what can be learned from one's own traffic: takes feedback, compares answers in the shadow, writes rows.
///
/// Outlives reloads of the configuration, as the decision log does. Any thread.
public final class TrafficLearner: Sendable {
    /// Where the rows go.
    public let store: OutcomeStore
    private let asks: Lock<LatestRing<AnsweredAsk>>
    private let shadows: ShadowQueue
    private let limits: Limits

    /// A learner that writes to `store`.
    public init(_ store: OutcomeStore, limits: Limits = .standard) {
        self.store = store
        self.limits = limits
        asks = Lock(LatestRing(capacity: limits.feedbackAskCount))
        shadows = ShadowQueue(limits: limits)
    }

    /// Takes a feedback on an answer of this process, and leaves a row with the score of the model that answered.
    ///
    /// - Returns: that model.
    /// - Throws: when the request is unknown or has a feedback already, another model is meant, or the row finds no room.
    public func take(_ feedback: Feedback) throws(FeedbackError) -> String {
        let found = try asks.withLock { asks throws(FeedbackError) -> AnsweredAsk in
            guard let place = asks.position(where: { $0.requestID == feedback.requestID }) else {
                throw FeedbackError(
                    .unknownRequest,
                    "No answered request \"\(feedback.requestID)\" is remembered: feedback is taken "
                        + "for the latest \(limits.feedbackAskCount) answers since the gateway was started.",
                    "request_id")
            }
            let ask = asks[place]
            if let model = feedback.model, model != ask.model {
                throw FeedbackError(.invalid, "Not \"\(model)\" but \"\(ask.model)\" gave that answer.", "model")
            }
            guard !ask.hasFeedback else {
                throw FeedbackError(.repeated, "There is a feedback on that answer already.", "request_id")
            }
            asks[place].hasFeedback = true
            return ask
        }
        var row = OutcomeRow(
            id: found.requestID + OwnOutcomes.feedbackSuffix, source: OutcomeStore.source, prompt: found.prompt,
            scores: [found.model: feedback.score])
        row.note(found.usage, of: found.model)
        if !store.append(row) {
            asks.withLock { asks in
                if let place = asks.position(where: { $0.requestID == found.requestID }) {
                    asks[place].hasFeedback = false
                }
            }
            throw FeedbackError(.notStored, "The feedback could not be stored now; send it again later.")
        }
        return found.model
    }

    /// Called for every good answer, on the thread that served it.
    func finished(_ answered: AnsweredCall) {
        let prompt = answered.call.view.ask.decisiveBytes
        guard !prompt.isEmpty, let model = answered.decision.servedModel else { return }
        var ask = AnsweredAsk(
            requestID: answered.decision.requestID, model: model, prompt: prompt, usage: answered.usage)
        asks.withLock { $0.insert(&ask) }
        guard let shadow = answered.router.configuration.shadow,
            ShadowComparison.isWanted(answered.decision, answered.call.view, shadow)
        else { return }
        let comparison = ShadowComparison(answered, judge: shadow.judge, model: model, prompt: prompt)
        guard answered.answer != nil, answered.call.view.body.count <= limits.shadowBodyBytes,
            shadows.submit({ await self.run(comparison) })
        else { return comparison.report(.dropped) }
    }

    private func run(_ comparison: ShadowComparison) async {
        var (record, row) = await comparison.run()
        if let row, !store.append(row) { record.outcome = .lost }
        comparison.report(record)
    }

    /// Shadow comparisons that run or wait now.
    public var shadowsInFlightCount: Int { shadows.count }

    /// Cancels all shadow comparisons and takes no new ones. Feedback is still taken.
    public func stopShadows() { shadows.stop() }

    /// Returns when the comparisons that ``stopShadows()`` cancelled have been counted.
    public func shadowsEnded() async { await shadows.ended() }

    /// Cancels all shadow comparisons, writes what is left and ends the writer. Blocks its thread.
    public func close() {
        stopShadows()
        store.close()
    }
}

/// A request that got a good answer, as far as learning needs it.
struct AnsweredCall {
    let router: Router
    let call: RouterCall
    let decision: Decision
    let usage: TokenUsage?
    /// `nil` when it is not to be compared, or was too long to be kept for it.
    let answer: GivenAnswer?
}

/// An answer as the client got it.
enum GivenAnswer: Sendable {
    /// One JSON body.
    case body([UInt8])
    /// Server-sent events.
    case events([UInt8])
}

/// What a later feedback is about.
private struct AnsweredAsk: Sendable {
    let requestID: String
    let model: String
    let prompt: [UInt8]
    let usage: TokenUsage?
    var hasFeedback = false
}

extension OutcomeRow {
    /// Notes what `model`'s provider counted.
    mutating func note(_ usage: TokenUsage?, of model: String) {
        guard let usage else { return }
        inputTokens = inputTokens ?? usage.promptTokens
        outputTokens[model] = usage.completionTokens
    }
}
