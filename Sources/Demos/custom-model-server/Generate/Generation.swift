import Tokens
import Wire

/// What to generate, and how.
struct GenerationRequest: Sendable {
    /// The answer's name, and the model's as it was asked for.
    var id: String
    var model: String
    /// In the store as long as the request lives.
    var weights: HeldWeights
    var prompt: [Int]
    /// The most tokens to generate.
    var tokenLimit: Int
    var temperature = 1.0
    var topP = 1.0
    var seed: UInt64 = 0
    var stops: [String] = []
    /// Where a saved generation goes on.
    var saved: SavedSequence?
}

/// A sequence between two passes: with its request, all that the next token depends on.
struct SavedSequence: Sendable, Equatable {
    /// The prompt, then what was generated.
    var tokens: [Int]
    /// How many of them the model has taken in, and its keys and values of those, as `KVCache.bytes` gives them.
    var takenCount: Int
    var cache: [UInt8]
    /// The sampler's state.
    var chance: UInt64
}

/// What happens to a generation, in order; `finished` or `failed` is the last.
enum GenerationEvent: Sendable {
    case text(String)
    case finished(FinishReason, TokenUsage)
    case failed(String)
}

enum FinishReason: String, Sendable { case stop, length }

/// A sequence in flight. The engine's thread alone touches it.
final class ActiveSequence {
    let request: GenerationRequest
    let slot: Int
    /// All tokens so far: the prompt, then what was generated.
    private(set) var tokens: [Int]
    /// How many of them the model has taken in.
    var takenCount: Int
    private var sampler: Sampler
    private var text: TextAssembler
    private let send: (GenerationEvent) -> Void

    /// A saved one sends its text so far again, and goes on.
    init(
        _ request: GenerationRequest, slot: Int, _ model: any PassRunner, _ tokenizer: Tokenizer,
        send: @escaping (GenerationEvent) -> Void
    ) throws {
        self.request = request
        self.slot = slot
        self.send = send
        tokens = request.saved?.tokens ?? request.prompt
        takenCount = request.saved?.takenCount ?? 0
        try model.putCached(request.saved?.cache ?? [], slot: slot, count: takenCount)
        let chance = request.saved?.chance ?? request.seed
        sampler = Sampler(temperature: request.temperature, topP: request.topP, seed: chance)
        text = TextAssembler(stops: request.stops)
        for token in tokens[request.prompt.count...] { show(token, tokenizer) }
    }

    /// The state, to go on from elsewhere.
    func saved(_ model: any PassRunner) throws -> GenerationRequest {
        var copy = request
        copy.saved = SavedSequence(
            tokens: tokens, takenCount: takenCount, cache: try model.cached(slot: slot, count: takenCount),
            chance: sampler.state)
        return copy
    }

    var usage: TokenUsage {
        TokenUsage(promptTokens: request.prompt.count, completionTokens: tokens.count - request.prompt.count)
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
        show(token, tokenizer)
        if text.isStopped { return finish(.stop) }
        guard usage.completionTokens < request.tokenLimit, tokens.count < contextCount else { return finish(.length) }
        return true
    }

    private func show(_ token: Int, _ tokenizer: Tokenizer) {
        let shown = text.append(tokenizer.bytes(token))
        if !shown.isEmpty { send(.text(shown)) }
    }

    private func finish(_ reason: FinishReason) -> Bool {
        let rest = text.finish()
        if !rest.isEmpty { send(.text(rest)) }
        send(.finished(reason, usage))
        return false
    }
}
