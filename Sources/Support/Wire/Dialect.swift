/// The request formats that are understood. Nothing is translated between them.
public enum Dialect: String, Sendable, Hashable, CaseIterable {
    /// OpenAI Chat Completions, `POST /v1/chat/completions`.
    case chatCompletions
    /// OpenAI Responses, `POST /v1/responses`.
    case responses
    /// Anthropic Messages, `POST /v1/messages`.
    case messages
    /// OpenAI legacy Completions, `POST /v1/completions`.
    case completions
    /// OpenAI Embeddings, `POST /v1/embeddings`.
    case embeddings
}
