/// Tokens of one exchange, as the provider counted them.
public struct TokenUsage: Sendable, Hashable {
    /// Prompt tokens, those from the provider's cache included (Anthropic counts them apart: add them up).
    public var promptTokens: Int
    /// Completion tokens, reasoning included.
    public var completionTokens: Int
    /// Prompt tokens served from the provider's cache; part of `promptTokens`.
    public var cachedTokens: Int
    /// Reasoning tokens; part of `completionTokens`.
    public var reasoningTokens: Int

    /// Counts, each 0 or more.
    public init(promptTokens: Int, completionTokens: Int, cachedTokens: Int = 0, reasoningTokens: Int = 0) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cachedTokens = cachedTokens
        self.reasoningTokens = reasoningTokens
    }
}
