import Wire

/// Who wrote a message.
enum Speaker {
    case system, human, assistant, tool
}

/// What one pass over a request's messages counts, and where the texts that may be classified lie.
struct Conversation {
    /// Messages, or items of a Responses `input`.
    private(set) var messageCount = 0
    /// Messages in which a human wrote text.
    private(set) var turns = 0
    /// Bytes of instructions, as written in the body.
    private(set) var systemBytes = 0
    /// Bytes of all other text: asks, answers, tool calls and their results, as written in the body.
    private(set) var textBytes = 0
    private(set) var imageCount = 0
    private(set) var audioCount = 0
    private(set) var fileCount = 0
    /// Whether the last message brings the result of a tool.
    private(set) var endsWithToolResult = false
    /// Whether some content is valid only at the provider that made it: signed thinking, encrypted reasoning,
    /// references to stored items.
    private(set) var hasProviderBoundState = false
    /// The last messages with text, oldest first.
    private(set) var recent: [Message] = []

    struct Message {
        let speaker: Speaker
        /// Where the content lies: a string, or an array of parts.
        let content: Range<Int>
    }

    /// How many messages are remembered; an ask further back than that is not worth inheriting from.
    private static let recentCount = 64

    /// Reads an array of messages or of Responses items, or a bare string, which a human wrote.
    mutating func readMessages(_ cursor: inout JSONCursor, in document: JSONDocument) {
        if cursor.kind == .string {
            messageCount += 1
            return readContent(&cursor, by: .human)
        }
        guard cursor.enterArray() else { return }
        while cursor.nextElement() { readMessage(&cursor, in: document) }
    }

    /// Reads a value that holds text of one speaker: a string, or an array of strings or parts.
    mutating func readContent(_ cursor: inout JSONCursor, by speaker: Speaker) {
        let start = cursor.offset
        let prose = readParts(&cursor)
        add(prose, by: speaker, content: start..<cursor.offset)
    }

    private mutating func readMessage(_ cursor: inout JSONCursor, in document: JSONDocument) {
        messageCount += 1
        endsWithToolResult = false
        guard cursor.enterObject() else { return }
        var role: Range<Int>?
        var type: Range<Int>?
        var content: (range: Range<Int>, prose: Int)?
        while cursor.nextKey() {
            if cursor.keyEquals("role") {
                role = cursor.stringRange()
            } else if cursor.keyEquals("type") {
                type = cursor.stringRange()
            } else if cursor.keyEquals("content") || cursor.keyEquals("output") {
                let start = cursor.offset
                let prose = readParts(&cursor)
                content = (start..<cursor.offset, prose)
            } else if cursor.keyEquals("tool_calls") || cursor.keyEquals("arguments") {
                textBytes += cursor.skipValue().count
            } else if cursor.keyEquals("encrypted_content"), cursor.kind == .string {
                hasProviderBoundState = true
            }
        }
        let json = document.bytes.span
        if let type, json.isString("item_reference", at: type) { hasProviderBoundState = true }
        guard let speaker = Self.speaker(role: role, type: type, in: json) else { return }
        if speaker == .tool { endsWithToolResult = true }
        if let content { add(content.prose, by: speaker, content: content.range) }
    }

    /// Who speaks in a message of that `role`, or else in a Responses item of that `type`; nil when nobody does.
    private static func speaker(role: Range<Int>?, type: Range<Int>?, in json: Span<UInt8>) -> Speaker? {
        if let role {
            if json.isString("user", at: role) { return .human }
            if json.isString("assistant", at: role) { return .assistant }
            if json.isString("system", at: role) || json.isString("developer", at: role) { return .system }
            return .tool
        }
        guard let type else { return nil }
        return json.isString(endingIn: "_output", at: type) ? .tool : nil
    }

    /// Reads content and returns the bytes of its own text; tool results inside it count as `textBytes` at once.
    private mutating func readParts(_ cursor: inout JSONCursor) -> Int {
        if let string = cursor.stringRange() { return string.count - 2 }
        guard cursor.enterArray() else { return 0 }
        var prose = 0
        while cursor.nextElement() {
            let part = ContentPart(&cursor)
            switch part.kind {
            case .text: prose += part.textBytes
            case .image: imageCount += 1
            case .audio: audioCount += 1
            case .file: fileCount += 1
            case .toolCall: textBytes += part.size
            case .toolResult:
                endsWithToolResult = true
                if var inner = part.content { textBytes += readParts(&inner) }
            case .providerBound: hasProviderBoundState = true
            case .token: textBytes += ContentPart.bytesPerToken
            case .unknown: break
            }
        }
        return prose
    }

    private mutating func add(_ prose: Int, by speaker: Speaker, content: Range<Int>) {
        guard speaker != .system else {
            systemBytes += prose
            return
        }
        textBytes += prose
        guard speaker != .tool, prose > 0 else { return }
        if speaker == .human { turns += 1 }
        if recent.count == 2 * Self.recentCount { recent.removeFirst(Self.recentCount) }
        recent.append(Message(speaker: speaker, content: content))
    }
}
