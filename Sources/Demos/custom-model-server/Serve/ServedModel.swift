import Tokens
import Wire

/// What the server knows of its model when a request arrives. Keeps the model's memory alive.
struct ServedModel: Sendable {
    let name: String
    let loaded: LoadedModel
    let variants: VariantShelf
    let contextCount: Int

    /// The variant that `name:variant` asks for; nil for the base.
    static func variant(in model: String?) -> String? {
        model.flatMap { $0.split(separator: ":", maxSplits: 1).dropFirst().first.map { String($0) } }
    }

    /// - Throws: 400 with both numbers when the prompt does not fit.
    func request(
        _ call: CompletionCall, id: String, weights: HeldWeights
    ) throws(CompletionCall.Refusal) -> GenerationRequest {
        var prompt: [Int]
        switch call.input {
        case .prompt(let text): prompt = loaded.tokenizer.encode(text)
        case .messages(let messages):
            guard let template = loaded.template else {
                throw .init(
                    message: "The model's chat template is not known here; use /v1/completions.", param: "messages")
            }
            prompt = template.tokens(messages)
        }
        if let begin = loaded.tokenizer.tables.beginToken { prompt.insert(begin, at: 0) }
        guard !prompt.isEmpty else { throw .init(message: "The prompt is empty.", param: "prompt") }
        guard prompt.count < contextCount else {
            throw .init(
                message:
                    "The prompt has \(prompt.count) tokens and the context holds \(contextCount), answer included.",
                param: "messages", code: "context_length_exceeded")
        }
        let room = contextCount - prompt.count
        return GenerationRequest(
            id: id, model: call.model ?? name, weights: weights, prompt: prompt,
            tokenLimit: min(call.tokenLimit ?? room, room), temperature: call.temperature, topP: call.topP,
            seed: call.seed ?? .random(in: .min ... .max), stops: call.stops)
    }
}
