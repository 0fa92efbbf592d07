/// What a deployment costs whoever is billed for it. What has no price is shown as unknown, never as 0.
///
/// Dollars with at most six (tokens) or nine (seconds) digits after the point are kept exactly.
public struct Price: Sendable, Hashable {
    /// Millionths of a dollar for a million prompt tokens: picodollars for one.
    public var promptTokenPicodollars: Int?
    /// The same for prompt tokens that came from the engine's cache; nil charges them as other prompt tokens.
    public var cachedTokenPicodollars: Int?
    /// The same for tokens of the answer.
    public var answerTokenPicodollars: Int?
    /// Billionths of a dollar for a second in a residency state: picodollars for a millisecond.
    public var residency: [ResidencyState: Int]

    /// Prices in dollars: per million tokens, and per second in each residency state.
    ///
    /// Nil when one of them is negative, no number, or over 1,000,000 dollars.
    public init?(
        promptPerMillion: Double? = nil, cachedPerMillion: Double? = nil, answerPerMillion: Double? = nil,
        perSecond: [ResidencyState: Double] = [:]
    ) {
        var known = true
        func exact(_ dollars: Double?, _ scale: Double) -> Int? {
            guard let dollars else { return nil }
            guard dollars >= 0, dollars <= 1e6 else {
                known = false
                return nil
            }
            return Int((dollars * scale).rounded())
        }
        promptTokenPicodollars = exact(promptPerMillion, 1e6)
        cachedTokenPicodollars = exact(cachedPerMillion, 1e6)
        answerTokenPicodollars = exact(answerPerMillion, 1e6)
        residency = perSecond.compactMapValues { exact($0, 1e9) }
        if !known { return nil }
    }

    init(prompt: Int?, cached: Int?, answer: Int?, residency: [ResidencyState: Int]) {
        promptTokenPicodollars = prompt
        cachedTokenPicodollars = cached
        answerTokenPicodollars = answer
        self.residency = residency
    }

    /// The cost of one request; nil when a price or a count that it needs is unknown.
    func cost(of usage: MeteredTokens?) -> Money? {
        guard let usage, let prompt = promptTokenPicodollars, let answer = answerTokenPicodollars else { return nil }
        let cached = min(usage.cachedCount, usage.promptCount)
        let fresh = usage.promptCount - cached
        return Money(
            picodollars: Int128(fresh) * Int128(prompt)
                + Int128(cached) * Int128(cachedTokenPicodollars ?? prompt)
                + Int128(usage.answerCount) * Int128(answer))
    }

    /// The cost of some time in a state; nil when that state has no price.
    func cost(of state: ResidencyState, _ duration_ms: Int) -> Money? {
        residency[state].map { Money(picodollars: Int128($0) * Int128(duration_ms)) }
    }
}

/// What a replica holds while the clock of its bill runs.
public enum ResidencyState: String, Sendable, Hashable, CaseIterable {
    /// On the device, ready or getting there.
    case awake
    /// In the engine's own sleep: the process lives, part of its memory is kept.
    case inPlace
    /// Frozen, device memory moved to the host.
    case suspended
    /// Kept as a snapshot only.
    case snapshot

    /// Stable and bounded.
    public var label: String { rawValue }
}

/// Tokens of one request as the engine reported them.
public struct MeteredTokens: Sendable, Hashable {
    /// Tokens of the prompt, cached ones among them.
    public var promptCount: Int
    /// Those of the prompt that came from the engine's cache.
    public var cachedCount: Int
    /// Tokens of the answer.
    public var answerCount: Int

    /// Counts as reported; negative ones count as 0.
    public init(promptCount: Int, cachedCount: Int = 0, answerCount: Int) {
        self.promptCount = max(0, promptCount)
        self.cachedCount = max(0, cachedCount)
        self.answerCount = max(0, answerCount)
    }
}
