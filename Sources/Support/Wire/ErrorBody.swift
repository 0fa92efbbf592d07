/// Error bodies in the shape that each dialect's SDK reads.
public enum ErrorBody {
    /// A whole JSON error body: OpenAI's `{"error": {...}}`, or Anthropic's `{"type": "error", "error": {...}}`.
    ///
    /// - Parameters:
    ///   - type: the error's class, for example `invalid_request_error`.
    ///   - code: a stable identifier such as `model_not_found`; OpenAI's shape only.
    ///   - param: the request member at fault; OpenAI's shape only.
    public static func json(
        dialect: Dialect?, message: String, type: String, code: String?, param: String? = nil
    ) -> [UInt8] {
        var out: [UInt8] = []
        if dialect == .messages {
            out.append(contentsOf: #"{"type":"error","error":{"type":"#.utf8)
            JSONText.appendQuoted(type, to: &out)
            out.append(contentsOf: #","message":"#.utf8)
            JSONText.appendQuoted(message, to: &out)
            out.append(contentsOf: "}}".utf8)
            return out
        }
        out.append(contentsOf: #"{"error":{"message":"#.utf8)
        JSONText.appendQuoted(message, to: &out)
        out.append(contentsOf: #","type":"#.utf8)
        JSONText.appendQuoted(type, to: &out)
        append(param, named: "param", to: &out)
        append(code, named: "code", to: &out)
        out.append(contentsOf: "}}".utf8)
        return out
    }

    /// A server-sent event that ends a stream which failed after its first byte, in the form the dialect's SDK raises.
    package static func event(dialect: Dialect, message: String, code: String) -> [UInt8] {
        var out: [UInt8] = []
        switch dialect {
        case .messages:
            out.append(contentsOf: "event: error\ndata: ".utf8)
            out.append(contentsOf: json(dialect: .messages, message: message, type: "api_error", code: code))
        case .responses:
            out.append(contentsOf: #"event: error\#ndata: {"type":"error","code":"#.utf8)
            JSONText.appendQuoted(code, to: &out)
            out.append(contentsOf: #","message":"#.utf8)
            JSONText.appendQuoted(message, to: &out)
            out.append(contentsOf: #","param":null}"#.utf8)
        case .chatCompletions, .completions, .embeddings:
            out.append(contentsOf: "data: ".utf8)
            out.append(contentsOf: json(dialect: dialect, message: message, type: "upstream_error", code: code))
        }
        out.append(contentsOf: "\n\n".utf8)
        return out
    }

    private static func append(_ text: String?, named name: String, to out: inout [UInt8]) {
        out.append(contentsOf: ",\"\(name)\":".utf8)
        if let text { JSONText.appendQuoted(text, to: &out) } else { out.append(contentsOf: "null".utf8) }
    }
}
