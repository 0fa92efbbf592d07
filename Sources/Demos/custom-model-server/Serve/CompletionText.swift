import Glibc
import Wire

/// Writes answers in OpenAI's shapes.
struct CompletionText {
    let id: String
    let created_s = Int64(time(nil))
    let model: String
    var isChat: Bool { id.hasPrefix("chat") }

    init(id: String, model: String) { (self.id, self.model) = (id, model) }

    func whole(_ text: String, _ reason: FinishReason, _ usage: TokenUsage) -> [UInt8] {
        let choice =
            isChat
            ? #""message":{"role":"assistant","content":\#(Self.quoted(text))}"# : #""text":\#(Self.quoted(text))"#
        return Array(
            (head(isChat ? "chat.completion" : "text_completion")
                + #""choices":[{"index":0,\#(choice),"logprobs":null,"finish_reason":"\#(reason.rawValue)"}],"#
                + Self.usage(usage) + "}").utf8)
    }

    /// An event of a stream; `first` names the role.
    func piece(_ text: String, isFirst: Bool = false, _ reason: FinishReason? = nil) -> [UInt8] {
        let role = isFirst ? #""role":"assistant","# : ""
        let content = reason == nil ? "\(role)\"content\":\(Self.quoted(text))" : ""
        let delta = isChat ? #""delta":{\#(content)}"# : #""text":\#(Self.quoted(text))"#
        let end = reason.map { "\"\($0.rawValue)\"" } ?? "null"
        return Self.event(
            head(isChat ? "chat.completion.chunk" : "text_completion")
                + #""choices":[{"index":0,\#(delta),"logprobs":null,"finish_reason":\#(end)}]}"#)
    }

    func usageEvent(_ usage: TokenUsage) -> [UInt8] {
        Self.event(
            head(isChat ? "chat.completion.chunk" : "text_completion") + #""choices":[],"# + Self.usage(usage) + "}")
    }

    static let done = event("[DONE]")

    static func event(_ data: String) -> [UInt8] { Array("data: \(data)\n\n".utf8) }

    static func quoted(_ text: String) -> String {
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
