package import Wire

/// Turns a conversation into tokens as the model was trained to read it.
///
/// Only ChatML is known: the file's Jinja template is recognised by its marks, not run, and its default system message is taken
/// from it.
package struct ChatTemplate: Sendable {
    private let tokenizer: Tokenizer
    private let start: Int
    private let end: Int
    private let defaultSystem: String?

    /// Nil when the template is no ChatML.
    package init?(_ template: String, _ tokenizer: Tokenizer) {
        let (startMark, endMark) = ("<|im_start|>", "<|im_end|>")
        guard template.contains(startMark), let start = tokenizer.control(startMark),
            let end = tokenizer.control(endMark)
        else { return nil }
        (self.tokenizer, self.start, self.end) = (tokenizer, start, end)
        defaultSystem =
            Self.between("\(startMark)system\n", endMark, in: template)
            ?? Self.between("\(startMark)system\\n", endMark, in: template)
    }

    /// The conversation, and the beginning of the assistant's turn.
    package func tokens(_ messages: [CompletionCall.Message]) -> [Int] {
        var messages = messages
        if let defaultSystem, messages.first?.role != "system" {
            messages.insert(CompletionCall.Message(role: "system", content: defaultSystem), at: 0)
        }
        var tokens: [Int] = []
        for message in messages {
            tokens.append(start)
            tokens += tokenizer.encode("\(message.role)\n\(message.content)")
            tokens.append(end)
            tokens += tokenizer.encode("\n")
        }
        tokens.append(start)
        return tokens + tokenizer.encode("assistant\n")
    }

    private static func between(_ before: String, _ after: String, in text: String) -> String? {
        guard let start = text.firstRange(of: before)?.upperBound else { return nil }
        guard let end = text[start...].firstRange(of: after)?.lowerBound else { return nil }
        return String(text[start..<end])
    }
}
