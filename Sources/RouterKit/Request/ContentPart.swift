import Wire

/// One element of a content array, in any of the dialects.
struct ContentPart {
    /// What an element holds, as far as routing cares.
    enum Kind {
        case text, image, audio, file, toolCall, toolResult, providerBound, token, unknown
    }

    let kind: Kind
    /// Bytes of the whole element.
    let size: Int
    /// The string, quotes included, that holds a text part's text.
    private(set) var text: Range<Int>?
    /// A cursor at a tool result's content.
    private(set) var content: JSONCursor?

    /// What one number of a prompt given as token numbers counts in text bytes; see
    /// `RequestView.estimatedInputTokens`.
    static let bytesPerToken = 4

    /// The bytes between the quotes of `text`.
    var textBytes: Int { text.map { $0.count - 2 } ?? 0 }

    /// Reads the element at the cursor, moving past it: an object with a `type`, a bare string, or a token number.
    init(_ cursor: inout JSONCursor) {
        let start = cursor.offset
        if let string = cursor.stringRange() {
            kind = .text
            size = string.count
            text = string
            return
        }
        guard cursor.enterObject() else {
            kind = cursor.kind == .number ? .token : .unknown
            size = cursor.skipValue().count
            return
        }
        var kind = Kind.unknown
        while cursor.nextKey() {
            if cursor.keyEquals("type") {
                kind = cursor.string().map { Self.kind(ofType: $0) } ?? .unknown
            } else if cursor.keyEquals("text") {
                text = cursor.stringRange()
            } else if cursor.keyEquals("content") {
                content = cursor
            }
        }
        self.kind = kind
        size = cursor.offset - start
    }

    private static func kind(ofType type: String) -> Kind {
        switch type {
        case "text", "input_text", "output_text": .text
        case "image_url", "input_image", "image": .image
        case "input_audio", "audio": .audio
        case "file", "input_file", "document": .file
        case "tool_use", "server_tool_use", "mcp_tool_use": .toolCall
        case "thinking", "redacted_thinking": .providerBound
        default: type.hasSuffix("tool_result") ? .toolResult : .unknown
        }
    }
}

extension Span<UInt8> {
    /// Whether the JSON string at `range`, quotes included, is `text`.
    func isString(_ text: String, at range: Range<Int>) -> Bool {
        JSONText.equals(extracting(range), text)
    }

    /// Whether the JSON string at `range`, quotes included, ends in `suffix`, written without escapes.
    func isString(endingIn suffix: StaticString, at range: Range<Int>) -> Bool {
        let start = range.upperBound - 1 - suffix.utf8CodeUnitCount
        guard start > range.lowerBound else { return false }
        return suffix.withUTF8Buffer { wanted in
            for offset in 0..<wanted.count where self[start + offset] != wanted[offset] { return false }
            return true
        }
    }
}
