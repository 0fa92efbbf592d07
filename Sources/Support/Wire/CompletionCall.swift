/// A request for text, as OpenAI's chat completions and completions write it, read by a server that makes the text itself.
package struct CompletionCall {
    /// What kept a request from being understood, in OpenAI's error shape.
    package struct Refusal: Error {
        package var status: Int
        package var message: String
        package var param: String?
        package var code: String

        package init(status: Int = 400, message: String, param: String? = nil, code: String = "invalid_request") {
            (self.status, self.message, self.param, self.code) = (status, message, param, code)
        }
    }

    /// A turn of a conversation.
    package struct Message: Sendable, Hashable {
        package var role: String
        package var content: String

        package init(role: String, content: String) { (self.role, self.content) = (role, content) }
    }

    package enum Input {
        case messages([Message])
        case prompt(String)
    }

    package var model: String?
    package var input: Input
    package var tokenLimit: Int?
    package var temperature = 1.0
    package var topP = 1.0
    package var seed: UInt64?
    package var stops: [String] = []
    package var isStream = false
    package var wantsUsage = false

    /// - Throws: 400 naming what cannot be understood.
    package init(_ body: [UInt8], isChat: Bool, limits: Limits) throws(Refusal) {
        let json: JSONValue
        do throws(WireError) {
            json = try JSONValue.parse(body, limits: limits)
        } catch {
            throw Refusal(message: "The body is not JSON: \(error)")
        }
        guard json.members != nil else { throw Refusal(message: "The body is \(json.kindName), not an object.") }
        input = isChat ? .messages(try Self.messages(json)) : .prompt(try Self.prompt(json))
        model = json["model"]?.string
        for key in ["max_completion_tokens", "max_tokens"] {
            if let limit = try Self.number(json, key, 1...Double(1 << 30)) { tokenLimit = tokenLimit ?? Int(limit) }
        }
        temperature = try Self.number(json, "temperature", 0...2) ?? 1
        topP = try Self.number(json, "top_p", 0...1) ?? 1
        if let value = json["seed"], !value.isNull {
            guard let number = value.int else { throw Refusal(message: "seed must be a whole number.", param: "seed") }
            seed = UInt64(bitPattern: Int64(number))
        }
        if let count = try Self.number(json, "n", 1...128), count != 1 {
            throw Refusal(message: "n is \(Int(count)); this server makes one choice a request.", param: "n")
        }
        switch json["stop"] {
        case nil, .null?: break
        case .string(let text, _)?: stops = [text]
        case .array(let list, _)? where list.count <= 4 && list.allSatisfy { $0.string != nil }:
            stops = list.compactMap(\.string)
        default: throw Refusal(message: "stop must be a string, or up to four of them.", param: "stop")
        }
        isStream = json["stream"]?.bool ?? false
        wantsUsage = json["stream_options"]?["include_usage"]?.bool ?? false
    }

    private static func messages(_ json: JSONValue) throws(Refusal) -> [Message] {
        guard let list = json["messages"]?.elements, !list.isEmpty else {
            throw Refusal(message: "messages must be a list of at least one message.", param: "messages")
        }
        var messages: [Message] = []
        for (index, item) in list.enumerated() {
            guard let role = item["role"]?.string, ["system", "developer", "user", "assistant", "tool"].contains(role)
            else {
                throw Refusal(message: "messages[\(index)].role must be system, user or assistant.", param: "messages")
            }
            var content = item["content"]?.string
            if let parts = item["content"]?.elements {
                guard parts.allSatisfy({ $0["type"]?.string == "text" && $0["text"]?.string != nil }) else {
                    throw Refusal(message: "messages[\(index)].content has a part that is no text.", param: "messages")
                }
                content = parts.compactMap { $0["text"]?.string }.joined(separator: "\n")
            }
            guard let content = content ?? (role == "assistant" ? "" : nil) else {
                throw Refusal(message: "messages[\(index)].content must be text.", param: "messages")
            }
            messages.append(Message(role: role == "developer" ? "system" : role, content: content))
        }
        return messages
    }

    private static func prompt(_ json: JSONValue) throws(Refusal) -> String {
        if let text = json["prompt"]?.string { return text }
        guard let list = json["prompt"]?.elements, list.count == 1, let text = list[0].string else {
            throw Refusal(message: "prompt must be one string.", param: "prompt")
        }
        return text
    }

    private static func number(
        _ json: JSONValue, _ key: String, _ range: ClosedRange<Double>
    ) throws(Refusal) -> Double? {
        guard let value = json[key], !value.isNull else { return nil }
        guard let number = value.double, range.contains(number) else {
            throw Refusal(
                message: "\(key) must be a number from \(Int(range.lowerBound)) to \(Int(range.upperBound)).",
                param: key)
        }
        return number
    }
}
