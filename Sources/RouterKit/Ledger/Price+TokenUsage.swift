public import Wire

extension Price {
    /// USD for an exchange whose tokens were counted.
    public func cost_usd(_ usage: TokenUsage) -> Double {
        cost_usd(
            inputTokens: usage.promptTokens, outputTokens: usage.completionTokens,
            cachedInputTokens: usage.cachedTokens)
    }
}
