import Glibc

/// Cleaning of prompt text after it was decoded from JSON.
enum PromptText {
    private static let reminderStart = Array("<system-reminder>".utf8)
    private static let reminderEnd = Array("</system-reminder>".utf8)

    /// Removes `<system-reminder>...</system-reminder>` blocks, which clients add without the human's knowing.
    ///
    /// A block that is not closed reaches to the end; an end without a start closes a block that began before the
    /// text was cut, so that everything up to it goes.
    static func removeReminders(from text: inout [UInt8]) {
        guard var index = firstTag(in: text, from: 0) else { return }
        var kept = index
        var inside = false
        var found = false
        while index < text.count {
            if starts(text, with: reminderStart, at: index) {
                inside = true
                found = true
                index += reminderStart.count
            } else if starts(text, with: reminderEnd, at: index) {
                if !found { kept = 0 }
                inside = false
                found = true
                index += reminderEnd.count
            } else if inside {
                index = firstTag(in: text, from: index + 1) ?? text.count
            } else {
                text[kept] = text[index]
                kept += 1
                index += 1
            }
        }
        text.removeLast(text.count - kept)
    }

    /// Where the next tag of either sort begins at or after `start`.
    private static func firstTag(in text: [UInt8], from start: Int) -> Int? {
        var index = start
        while let found = firstAngle(in: text, from: index) {
            if starts(text, with: reminderStart, at: found) || starts(text, with: reminderEnd, at: found) {
                return found
            }
            index = found + 1
        }
        return nil
    }

    /// The first `<` at or after `start`. `memchr`, because most messages hold none and some are long.
    private static func firstAngle(in text: [UInt8], from start: Int) -> Int? {
        guard start < text.count else { return nil }
        return text.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress,
                let found = memchr(base + start, CInt(UInt8(ascii: "<")), bytes.count - start)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
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
