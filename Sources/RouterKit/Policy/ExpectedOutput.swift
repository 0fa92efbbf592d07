import Wire

/// How many completion tokens a cost estimate counts with, before the answer is known.
///
/// Only the ratio between models matters for the choice; the receipt's estimate is as good as these figures.
public struct ExpectedOutput: Sendable, Hashable {
    /// Tokens of a Chat Completions answer.
    public var chatCompletions: Int
    /// Tokens of a Responses answer.
    public var responses: Int
    /// Tokens of a Messages answer.
    public var messages: Int
    /// Tokens of a legacy completion.
    public var completions: Int
    /// A model that reasons first writes so many times as many tokens.
    public var reasoningFactor: Int

    /// Expectations in tokens. The defaults are round figures of the order of ordinary chat answers, not measured.
    public init(
        chatCompletions: Int = 400, responses: Int = 600, messages: Int = 400, completions: Int = 200,
        reasoningFactor: Int = 3
    ) {
        precondition(
            min(chatCompletions, responses, messages, completions) >= 0 && reasoningFactor >= 1,
            "expected tokens are 0 or more, the factor 1 or more")
        self.chatCompletions = chatCompletions
        self.responses = responses
        self.messages = messages
        self.completions = completions
        self.reasoningFactor = reasoningFactor
    }

    /// Tokens expected from `card`: what is `known` of it, else the dialect's figure; within the client's and the
    /// model's bounds.
    public func tokens(for requirements: Requirements, from card: borrowing ModelCard, known: Int? = nil) -> Int {
        let usual: Int
        switch requirements.dialect {
        case .chatCompletions: usual = chatCompletions
        case .responses: usual = responses
        case .messages: usual = messages
        case .completions: usual = completions
        case .embeddings: return 0
        }
        let written =
            known ?? (card.isReasoning ? usual.multipliedReportingOverflow(by: reasoningFactor).partialValue : usual)
        return min(written, requirements.maxOutputTokens ?? .max, card.maxOutputTokens ?? .max)
    }
}
