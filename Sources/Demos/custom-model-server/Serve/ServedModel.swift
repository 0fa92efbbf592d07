/// What the server knows of its model when a request arrives.
struct ServedModel: Sendable {
    let name: String
    let tokenizer: Tokenizer
    /// Nil when the model's chat template is not known here.
    let template: ChatTemplate?
    let contextCount: Int
    let created_s: Int64

    /// - Throws: 404 for a variant, as `name:variant` asks for one; 400 with both numbers when the prompt does not fit.
    func request(_ call: CompletionCall) throws(CompletionCall.Refusal) -> GenerationRequest {
        let variant = call.model.flatMap { $0.split(separator: ":", maxSplits: 1).dropFirst().first.map { String($0) } }
        if let variant {
            throw .init(
                status: 404, message: "No variant \(variant) of \(name) here; GET /v1/models lists them.",
                param: "model",
                code: "model_not_found")
        }
        var prompt: [Int]
        switch call.input {
        case .prompt(let text): prompt = tokenizer.encode(text)
        case .messages(let messages):
            guard let template else {
                throw .init(
                    message: "The model's chat template is not known here; use /v1/completions.", param: "messages")
            }
            prompt = template.tokens(messages)
        }
        if let begin = tokenizer.tables.beginToken { prompt.insert(begin, at: 0) }
        guard !prompt.isEmpty else { throw .init(message: "The prompt is empty.", param: "prompt") }
        guard prompt.count < contextCount else {
            throw .init(
                message:
                    "The prompt has \(prompt.count) tokens and the context holds \(contextCount), answer included.",
                param: "messages", code: "context_length_exceeded")
        }
        let room = contextCount - prompt.count
        return GenerationRequest(
            prompt: prompt, tokenLimit: min(call.tokenLimit ?? room, room), temperature: call.temperature,
            topP: call.topP,
            seed: call.seed ?? .random(in: .min ... .max), stops: call.stops)
    }

    /// The answer of `/v1/models`.
    var list: String {
        #"{"object":"list","data":[{"id":\#(CompletionText.quoted(name)),"object":"model","created":\#(created_s),"#
            + #""owned_by":"gpuservekit"}]}"#
    }
}
