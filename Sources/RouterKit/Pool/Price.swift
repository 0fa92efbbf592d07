/// What a model costs, in US dollars per 1,000,000 tokens.
public struct Price: Sendable, Hashable {
    /// USD per 1M prompt tokens. Zero is a real price (a machine already paid for), unlike an absent `Price`.
    public var inputPerMTok: Double

    /// USD per 1M completion tokens; reasoning tokens are completion tokens.
    public var outputPerMTok: Double

    /// USD per 1M prompt tokens served from the provider's prompt cache; `nil` means the full input price.
    public var cachedInputPerMTok: Double?

    /// A price in USD per 1M tokens.
    public init(inputPerMTok: Double, outputPerMTok: Double, cachedInputPerMTok: Double? = nil) {
        self.inputPerMTok = inputPerMTok
        self.outputPerMTok = outputPerMTok
        self.cachedInputPerMTok = cachedInputPerMTok
    }

    /// USD for one request.
    ///
    /// `cachedInputTokens` are part of `inputTokens`, as in the `usage` objects of OpenAI; a count above
    /// `inputTokens` is taken as `inputTokens`.
    public func cost_usd(inputTokens: Int, outputTokens: Int, cachedInputTokens: Int = 0) -> Double {
        let cached = min(cachedInputTokens, inputTokens)
        let fresh = inputTokens - cached
        let total =
            Double(fresh) * inputPerMTok + Double(cached) * (cachedInputPerMTok ?? inputPerMTok)
            + Double(outputTokens) * outputPerMTok
        return total / 1_000_000
    }
}
