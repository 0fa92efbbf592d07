import Wire

/// What a model said, read out of a whole JSON answer: for comparing, never for relaying.
struct ModelAnswer: Sendable, Hashable {
    /// The text, in UTF-8.
    var text: [UInt8]
    /// Mean natural logarithm of the tokens' probabilities, where the upstream gave them.
    var meanLogProbability: Double?
    /// Where the log-probabilities stand in the body.
    var logProbabilities: Range<Int>?

    init(text: [UInt8]) { self.text = text }

    /// Reads `body`; `nil` unless it is one finished answer in text: several choices, tool calls, refusals, and answers
    /// that were cut at a token limit cannot be compared.
    init?(_ body: [UInt8], dialect: Dialect, limits: Limits) {
        guard let tree = try? JSONValue.parse(body, limits: limits) else { return nil }
        switch dialect {
        case .chatCompletions, .completions: self.init(choices: tree, body, limits)
        case .messages: self.init(message: tree)
        case .responses: self.init(response: tree)
        case .embeddings: return nil
        }
    }

    private init?(choices tree: JSONValue, _ body: [UInt8], _ limits: Limits) {
        guard let choices = tree["choices"]?.elements, choices.count == 1, choices[0]["finish_reason"]?.string == "stop"
        else { return nil }
        let message = choices[0]["message"]
        guard message?["tool_calls"].map({ $0.elements?.isEmpty ?? $0.isNull }) ?? true,
            message?["refusal"]?.string == nil, let text = (message?["content"] ?? choices[0]["text"])?.string
        else { return nil }
        self.text = Array(text.utf8)
        guard let found = choices[0]["logprobs"], let tokens = found["content"]?.elements, !tokens.isEmpty else {
            return
        }
        let values = tokens.compactMap { $0["logprob"]?.double }
        if values.count == tokens.count { meanLogProbability = values.reduce(0, +) / Double(values.count) }
        if let document = try? JSONDocument(validating: body, limits: limits) {
            var cursor = JSONCursor(document, at: found.offset)
            logProbabilities = cursor.skipValue()
        }
    }

    private init?(message tree: JSONValue) {
        guard ["end_turn", "stop_sequence"].contains(tree["stop_reason"]?.string), let parts = tree["content"]?.elements
        else { return nil }
        self.init(parts: parts, type: "text")
    }

    init?(response tree: JSONValue) {
        guard tree["status"]?.string == "completed", let items = tree["output"]?.elements else { return nil }
        var parts: [JSONValue] = []
        for item in items where item["type"]?.string != "reasoning" {
            guard item["type"]?.string == "message", let content = item["content"]?.elements else { return nil }
            parts += content
        }
        self.init(parts: parts, type: "output_text")
    }

    private init?(parts: [JSONValue], type: String) {
        guard !parts.isEmpty else { return nil }
        text = []
        for part in parts {
            guard part["type"]?.string == type, let piece = part["text"]?.string else { return nil }
            text += Array(piece.utf8)
        }
    }
}
