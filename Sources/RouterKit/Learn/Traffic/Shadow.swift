/// Asking the other models too, for a share of the traffic, after the client has its answer.
///
/// What comes of it is agreement with the strongest model's answer, not correctness: where that one is wrong, a cheap
/// answer that is right counts as bad.
public struct Shadow: Sendable, Hashable {
    /// Who compares answers.
    public enum Judge: Sendable, Hashable {
        /// A rule, without a model.
        case rule(AnswerMatch.Rule)
        /// A model of the pool that speaks Chat Completions, by name: it is shown the question and both answers.
        case model(String)
    }

    /// Share of the requests that are compared, 0...1.
    public var share: Double
    /// Who compares.
    public var judge: Judge
    /// Whether requests that the strongest tier answered are compared too. Without them nothing is learned about prompts
    /// that were thought to be hard, and a promise is tested on easier prompts than those that are served.
    public var includesStrong: Bool

    /// A shadow; see the properties.
    public init(share: Double, judge: Judge = .rule(.auto), includesStrong: Bool = false) {
        self.share = share
        self.judge = judge
        self.includesStrong = includesStrong
    }

    /// Whether the request of that name is among the share: the last digits of an id are random.
    func takes(_ requestID: String) -> Bool {
        guard let bits = UInt32(requestID.suffix(8), radix: 16) else { return false }
        return Double(bits) < share * 0x1p32
    }
}

/// What became of one shadow comparison.
public struct ShadowRecord: Sendable, Hashable {
    /// How it ended, a small closed set.
    public enum Outcome: String, Sendable, Hashable, CaseIterable {
        /// A row was left for the store.
        case compared
        /// Too many were waiting, or the request was too long to be kept for it.
        case dropped
        /// The strongest model did not answer, or none of the others did.
        case failed
        /// An answer was no whole text: cut at a limit, a tool call, a refusal.
        case incomparable
        /// The judging model failed, or answered anything but a number from 0 to 10.
        case unjudged
        /// The gateway was stopping.
        case cancelled
        /// The row found no room in the store's queue.
        case lost

        /// Stable and bounded.
        public var label: String { rawValue }
    }

    /// The request whose answer was compared.
    public var requestID: String
    /// How it ended.
    public var outcome: Outcome
    /// Calls made for it, the judge's included.
    public var calls: [CascadeRecord.Call] = []
    /// Agreement with the strongest model's answer by model, 0...1.
    public var scores: [String: Double] = [:]

    /// What all calls cost; `nil` when one of them is unknown.
    public var cost_usd: Double? {
        calls.reduce(0.0) { sum, call in sum.flatMap { sum in call.cost_usd.map { sum + $0 } } }
    }
}
