/// What to generate, and how.
struct GenerationRequest: Sendable {
    var prompt: [Int]
    /// The most tokens to generate.
    var tokenLimit: Int
    var temperature = 1.0
    var topP = 1.0
    var seed: UInt64 = 0
    var stops: [String] = []
}

/// What happens to a generation, in order; `finished` is the last.
enum GenerationEvent: Sendable {
    case text(String)
    case finished(FinishReason, Usage)
}

enum FinishReason: String, Sendable { case stop, length }

/// Tokens read and made.
struct Usage: Sendable, Hashable {
    var promptTokens = 0
    var completionTokens = 0
}

/// A sequence in flight. The engine's thread alone touches it.
final class ActiveSequence {
    let request: GenerationRequest
    let slot: Int
    /// All tokens so far: the prompt, then what was generated.
    private(set) var tokens: [Int]
    /// How many of them the model has taken in.
    var takenCount = 0
    private var sampler: Sampler
    private var text: TextAssembler
    private let send: (GenerationEvent) -> Void

    init(_ request: GenerationRequest, slot: Int, send: @escaping (GenerationEvent) -> Void) {
        self.request = request
        self.slot = slot
        self.send = send
        tokens = request.prompt
        sampler = Sampler(temperature: request.temperature, topP: request.topP, seed: request.seed)
        text = TextAssembler(stops: request.stops)
    }

    var usage: Usage {
        Usage(promptTokens: request.prompt.count, completionTokens: tokens.count - request.prompt.count)
    }

    /// The next tokens to take in, at most `limit`; logits are wanted after the last of all.
    func steps(limit: Int) -> [Llama.Step] {
        let end = min(tokens.count, takenCount + limit)
        return (takenCount..<end).map {
            Llama.Step(token: tokens[$0], position: $0, slot: slot, wantsLogits: $0 == tokens.count - 1)
        }
    }

    /// Adds the next token and says whether the sequence goes on.
    func advance(_ logits: [Float], _ tokenizer: Tokenizer, contextCount: Int) -> Bool {
        let token = sampler.choose(logits)
        tokens.append(token)
        guard token != tokenizer.tables.endToken, tokenizer.tables.kind(token) != .control else { return finish(.stop) }
        let shown = text.append(tokenizer.bytes(token))
        if !shown.isEmpty { send(.text(shown)) }
        if text.isStopped { return finish(.stop) }
        guard usage.completionTokens < request.tokenLimit, tokens.count < contextCount else { return finish(.length) }
        return true
    }

    private func finish(_ reason: FinishReason) -> Bool {
        let rest = text.finish()
        if !rest.isEmpty { send(.text(rest)) }
        send(.finished(reason, usage))
        return false
    }
}
