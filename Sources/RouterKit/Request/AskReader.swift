import Wire

/// Finds and decodes the human's last ask among the remembered messages.
struct AskReader {
    let limits: Limits
    /// Holds one decoded message at a time; its storage becomes the ask's.
    private var text: [UInt8] = []

    init(limits: Limits) {
        self.limits = limits
    }

    /// The last human message that still says something once reminders are gone, and for a bare one its context.
    mutating func read(_ messages: [Conversation.Message], in document: JSONDocument) -> HumanAsk {
        var ask = HumanAsk()
        guard let last = lastText(of: .human, before: messages.count, messages, in: document) else { return ask }
        ask.isCut = PromptText.cut(&text, to: limits.classifiedTextBytes)
        ask.isBare = HumanAsk.isBare(text.span)
        swap(&ask.bytes, &text)
        guard ask.isBare, last > 0 else { return ask }
        if lastText(of: .assistant, before: last, messages, in: document) != nil {
            _ = PromptText.cut(&text, to: limits.classifiedTextBytes)
            swap(&ask.lastAnswer, &text)
        }
        var earlier = last
        while let index = lastText(of: .human, before: earlier, messages, in: document) {
            _ = PromptText.cut(&text, to: limits.classifiedTextBytes)
            if !HumanAsk.isBare(text.span) {
                swap(&ask.inherited, &text)
                break
            }
            earlier = index
        }
        return ask
    }

    /// Decodes into `text` the last message of `speaker` before index `end` that is not empty; returns its index.
    private mutating func lastText(
        of speaker: Speaker, before end: Int, _ messages: [Conversation.Message], in document: JSONDocument
    ) -> Int? {
        var index = end
        while index > 0 {
            index -= 1
            guard messages[index].speaker == speaker else { continue }
            text.removeAll(keepingCapacity: true)
            decode(content: messages[index].content, in: document)
            if speaker == .human { PromptText.removeReminders(from: &text) }
            PromptText.trim(&text)
            if !text.isEmpty { return index }
        }
        return nil
    }

    /// Appends the text of a content: of the string, or of all text parts joined by newlines.
    private mutating func decode(content: Range<Int>, in document: JSONDocument) {
        let json = document.bytes.span
        if json[content.lowerBound] == UInt8(ascii: "\"") { return decode(string: content, in: json) }
        var cursor = JSONCursor(document, at: content.lowerBound)
        guard cursor.enterArray() else { return }
        while cursor.nextElement() {
            let part = ContentPart(&cursor)
            guard part.kind == .text, let range = part.text else { continue }
            if !text.isEmpty { text.append(UInt8(ascii: "\n")) }
            decode(string: range, in: json)
        }
    }

    /// Appends a decoded JSON string; of a long one only both ends are looked at, so that the cost of reading an ask
    /// does not grow with a pasted file. Where reminders may have to be cut out, the ends are taken much longer.
    private mutating func decode(string range: Range<Int>, in json: Span<UInt8>) {
        let needed = 2 * limits.classifiedTextBytes
        let scanned = range.count <= needed || holdsReminder(json.extracting(range)) ? limits.askScanBytes : needed
        let window = scanned / 2
        guard range.count > scanned else {
            JSONText.decodeString(json.extracting(range), into: &text, maxBytes: range.count)
            return
        }
        JSONText.decodeString(json.extracting(range), into: &text, maxBytes: window)
        guard let tail = json.characterStart(from: range.upperBound - 1 - window, to: range.upperBound - 1) else {
            return
        }
        // The tail gets quotes of its own, because only whole JSON strings can be decoded.
        var quoted: [UInt8] = [UInt8(ascii: "\"")]
        quoted.reserveCapacity(window + 2)
        json.extracting(tail..<range.upperBound).withUnsafeBufferPointer { quoted.append(contentsOf: $0) }
        text.append(UInt8(ascii: "\n"))
        JSONText.decodeString(quoted.span, into: &text, maxBytes: quoted.count)
    }

    /// Whether a JSON string may hold a reminder's tag. JSON writers escape neither letters nor the hyphen.
    private func holdsReminder(_ string: Span<UInt8>) -> Bool {
        string.contains("system-reminder", rare: 6)
    }
}

extension Span<UInt8> {
    /// The first place at or after `start` where a character of a JSON string's content begins: never inside UTF-8
    /// or an escape. Nil when none is sure to be one before `end`.
    ///
    /// A backslash after another byte than a backslash begins an escape. Any other byte that does not continue a
    /// character is one, when the 12 bytes before it, the longest escape there is, hold no backslash.
    func characterStart(from start: Int, to end: Int) -> Int? {
        let backslash = UInt8(ascii: "\\")
        var lastBackslash = start
        for place in start..<end {
            if self[place] == backslash {
                lastBackslash = place
                if self[place - 1] != backslash, !isLowSurrogate(at: place) { return place }
            } else if place - lastBackslash > 12, !PromptText.isContinuation(self[place]) {
                return place
            }
        }
        return nil
    }

    /// Whether the escape at `place` is the second half of a pair: `\uDC00` to `\uDFFF`.
    private func isLowSurrogate(at place: Int) -> Bool {
        guard place + 3 < count, self[place + 2] | 0x20 == UInt8(ascii: "d") else { return false }
        return (UInt8(ascii: "c")...UInt8(ascii: "f")).contains(self[place + 3] | 0x20)
    }
}
