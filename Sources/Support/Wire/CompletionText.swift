/// Writes answers in OpenAI's shapes.
package struct CompletionText: Sendable {
    /// The answer's name; chats are those that begin with `chat`.
    package let id: String
    package let model: String
    private let created_s: Int64
    private var isChat: Bool { id.hasPrefix("chat") }

    package init(id: String, model: String, created_s: Int64) {
        (self.id, self.model, self.created_s) = (id, model, created_s)
    }

    package func whole(_ text: String, _ reason: String, _ usage: TokenUsage) -> [UInt8] {
        let choice =
            isChat
            ? #""message":{"role":"assistant","content":\#(Self.quoted(text))}"# : #""text":\#(Self.quoted(text))"#
        return Array(
            (head(isChat ? "chat.completion" : "text_completion")
                + #""choices":[{"index":0,\#(choice),"logprobs":null,"finish_reason":"\#(reason)"}],"#
                + Self.usage(usage) + "}").utf8)
    }

    /// An event of a stream; `first` names the role.
    package func piece(_ text: String, isFirst: Bool = false, _ reason: String? = nil) -> [UInt8] {
        let role = isFirst ? #""role":"assistant","# : ""
        let content = reason == nil ? "\(role)\"content\":\(Self.quoted(text))" : ""
        let delta = isChat ? #""delta":{\#(content)}"# : #""text":\#(Self.quoted(text))"#
        let end = reason.map { "\"\($0)\"" } ?? "null"
        return Self.event(
            head(isChat ? "chat.completion.chunk" : "text_completion")
                + #""choices":[{"index":0,\#(delta),"logprobs":null,"finish_reason":\#(end)}]}"#)
    }

    package func usageEvent(_ usage: TokenUsage) -> [UInt8] {
        Self.event(
            head(isChat ? "chat.completion.chunk" : "text_completion") + #""choices":[],"# + Self.usage(usage) + "}")
    }

    package static let done = event("[DONE]")

    package static func event(_ data: String) -> [UInt8] { Array("data: \(data)\n\n".utf8) }

    package static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        JSONText.appendQuoted(text, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func head(_ object: String) -> String {
        #"{"id":"\#(id)","object":"\#(object)","created":\#(created_s),"model":\#(Self.quoted(model)),"#
    }

    private static func usage(_ usage: TokenUsage) -> String {
        let (prompt, completion) = (usage.promptTokens, usage.completionTokens)
        return #""usage":{"prompt_tokens":\#(prompt),"completion_tokens":\#(completion),"#
            + #""total_tokens":\#(prompt + completion)}"#
    }
}
