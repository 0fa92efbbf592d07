import Wire

extension RequestView {
    /// Messages looked at for instructions: clients put them first.
    private static let systemMessageCount = 16

    /// The beginning of the instructions to the model: `system`, `instructions`, and messages of the roles `system` and
    /// `developer` among the first 16. At most about `mostBytes` bytes of UTF-8, parts joined by newlines.
    ///
    /// Walks the body again: for policies that need it, not for every request.
    func systemText(mostBytes: Int) -> [UInt8] {
        var text: [UInt8] = []
        var cursor = JSONCursor(document)
        guard cursor.enterObject() else { return text }
        while cursor.nextKey() {
            if cursor.keyEquals("system") || cursor.keyEquals("instructions") {
                append(contentAt: cursor.offset, to: &text, mostBytes)
            } else if cursor.keyEquals("messages") || cursor.keyEquals("input") {
                // A copy of the cursor, so that the walk can stop early.
                var messages = cursor
                guard messages.kind == .array, messages.enterArray() else { continue }
                var seen = 0
                while seen < Self.systemMessageCount, messages.nextElement() {
                    seen += 1
                    appendInstructions(messageAt: messages.offset, to: &text, mostBytes)
                }
            }
        }
        return text
    }

    private func appendInstructions(messageAt start: Int, to text: inout [UInt8], _ mostBytes: Int) {
        var message = JSONCursor(document, at: start)
        guard message.kind == .object, message.enterObject() else { return }
        var isInstruction = false
        var content: Int?
        while message.nextKey() {
            if message.keyEquals("role") {
                let role = message.string()
                isInstruction = role == "system" || role == "developer"
            } else if message.keyEquals("content") {
                content = message.offset
            }
        }
        if isInstruction, let content { append(contentAt: content, to: &text, mostBytes) }
    }

    /// A string, or an array of parts of text.
    private func append(contentAt start: Int, to text: inout [UInt8], _ mostBytes: Int) {
        var cursor = JSONCursor(document, at: start)
        if let range = cursor.stringRange() { return append(string: range, to: &text, mostBytes) }
        guard cursor.enterArray() else { return }
        while cursor.nextElement() {
            let part = ContentPart(&cursor)
            if part.kind == .text, let range = part.text { append(string: range, to: &text, mostBytes) }
        }
    }

    private func append(string: Range<Int>, to text: inout [UInt8], _ mostBytes: Int) {
        guard text.count < mostBytes else { return }
        if !text.isEmpty { text.append(UInt8(ascii: "\n")) }
        JSONText.decodeString(document.bytes.span.extracting(string), into: &text, maxBytes: mostBytes - text.count)
    }
}
