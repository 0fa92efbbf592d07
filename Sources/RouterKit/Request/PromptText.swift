/// Cleaning of prompt text after it was decoded from JSON.
enum PromptText {
    private static let reminderStart = Array("<system-reminder>".utf8)
    private static let reminderEnd = Array("</system-reminder>".utf8)

    /// Removes `<system-reminder>...</system-reminder>` blocks, which clients add without the human's knowing.
    ///
    /// A block that is not closed reaches to the end; an end without a start closes a block that began before the
    /// text was cut, so that everything up to it goes.
    static func removeReminders(from text: inout [UInt8]) {
        var kept = 0
        var index = 0
        var inside = false
        var found = false
        while index < text.count {
            if text[index] == UInt8(ascii: "<") {
                if starts(text, with: reminderStart, at: index) {
                    inside = true
                    found = true
                    index += reminderStart.count
                    continue
                }
                if starts(text, with: reminderEnd, at: index) {
                    if !found { kept = 0 }
                    inside = false
                    found = true
                    index += reminderEnd.count
                    continue
                }
            }
            if !inside {
                if found { text[kept] = text[index] }
                kept += 1
            }
            index += 1
        }
        if found { text.removeLast(text.count - kept) }
    }

    /// Removes blanks and line ends at both ends.
    static func trim(_ text: inout [UInt8]) {
        while let last = text.last, last <= 0x20 { text.removeLast() }
        let start = text.firstIndex { $0 > 0x20 } ?? 0
        if start > 0 { text.removeFirst(start) }
    }

    /// Keeps head and tail of a text longer than `limit` bytes, whole characters only, joined by a newline.
    ///
    /// Both ends, because a question stands either before or after the material that it is about.
    ///
    /// - Returns: whether anything was cut.
    static func cut(_ text: inout [UInt8], to limit: Int) -> Bool {
        guard text.count > limit, limit > 1 else { return false }
        var head = limit / 2
        while head > 0, isContinuation(text[head]) { head -= 1 }
        var tail = text.count - (limit - 1 - limit / 2)
        while tail < text.count, isContinuation(text[tail]) { tail += 1 }
        text.replaceSubrange(head..<tail, with: CollectionOfOne(UInt8(ascii: "\n")))
        return true
    }

    /// Whether `byte` is the second or a later byte of a UTF-8 sequence.
    static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }

    private static func starts(_ text: [UInt8], with prefix: [UInt8], at index: Int) -> Bool {
        guard index + prefix.count <= text.count else { return false }
        for offset in 0..<prefix.count where text[index + offset] != prefix[offset] { return false }
        return true
    }
}
