/// Byte-wise reading of answers; letters beyond ASCII count as parts of words.
enum AnswerText {
    static func lowered(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") <= 9 }

    static func isWordByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || (lowered(byte) &- UInt8(ascii: "a")) < 26 || byte >= 0x80
    }

    static func equals(_ text: ArraySlice<UInt8>, _ word: String) -> Bool {
        text.count == word.utf8.count && zip(text, word.utf8).allSatisfy { lowered($0) == $1 }
    }

    /// Where `word` (lower case) last begins in `text`.
    static func last(_ word: String, in text: ArraySlice<UInt8>) -> Int? {
        let count = word.utf8.count
        guard text.count >= count else { return nil }
        return stride(from: text.endIndex - count, through: text.startIndex, by: -1).first {
            lowered(text[$0]) == word.utf8.first && equals(text[$0..<$0 + count], word)
        }
    }

    /// The next word at or after `index`, which moves behind it; `nil` when none begins within so many bytes.
    static func word(_ text: ArraySlice<UInt8>, _ index: inout Int, within bytes: Int) -> Range<Int>? {
        let bound = min(text.endIndex, index + bytes)
        while index < bound, !isWordByte(text[index]) { index += 1 }
        guard index < bound else { return nil }
        let start = index
        while index < text.endIndex, isWordByte(text[index]) { index += 1 }
        return start..<index
    }
}

/// Finds the number that an answer ends on.
enum FinalNumber {
    /// After the last `####` (the form of GSM8K), in the last `\boxed{}`, after the last "answer", else the last
    /// number of the last line. "$1,234.50", "3/4" and "50%" are read; a number in the middle of a text is not final.
    static func find(_ text: ArraySlice<UInt8>) -> Double? {
        if let mark = AnswerText.last("####", in: text) { return first(text[(mark + 4)...].prefix(48)) }
        if let boxed = AnswerMatch.boxed(text) { return first(boxed) }
        if let start = AnswerMatch.lastAnswer(in: text), let found = first(text[start...].prefix(48)) { return found }
        let end = text.lastIndex { $0 > 0x20 }.map { $0 + 1 } ?? text.startIndex
        let line = text[..<end].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? text.startIndex
        var found: Double?
        var index = line
        while index < end, let (value, next) = number(text[index..<end]) { (found, index) = (value, next) }
        return found
    }

    private static func first(_ text: ArraySlice<UInt8>) -> Double? { number(text)?.value }

    /// The first number in `text` and where the text after it begins.
    private static func number(_ text: ArraySlice<UInt8>) -> (value: Double, next: Int)? {
        var index = text.startIndex
        while index < text.endIndex {
            if let (value, next) = plain(text, at: index) {
                guard next < text.endIndex, text[next] == UInt8(ascii: "/"),
                    let (below, after) = plain(text, at: next + 1), below != 0
                else { return (value, next) }
                return (value / below, after)
            }
            // Digits inside a word ("H2O") are part of its name.
            if AnswerText.isWordByte(text[index]) {
                while index < text.endIndex, AnswerText.isWordByte(text[index]) { index += 1 }
            } else {
                index += 1
            }
        }
        return nil
    }

    private static func plain(_ text: ArraySlice<UInt8>, at start: Int) -> (value: Double, next: Int)? {
        var index = start
        var digits = ""
        if index < text.endIndex, text[index] == UInt8(ascii: "-") {
            digits = "-"
            index += 1
        }
        guard index < text.endIndex, AnswerText.isDigit(text[index]) else { return nil }
        var hasPoint = false
        while index < text.endIndex {
            let byte = text[index]
            let isFollowed = index + 1 < text.endIndex && AnswerText.isDigit(text[index + 1])
            if AnswerText.isDigit(byte) {
                digits.unicodeScalars.append(Unicode.Scalar(byte))
            } else if byte == UInt8(ascii: "."), !hasPoint, isFollowed {
                hasPoint = true
                digits += "."
            } else if byte == UInt8(ascii: ","), !hasPoint, isFollowed {
                // A thousands separator.
            } else {
                break
            }
            index += 1
        }
        guard let value = Double(digits), value.isFinite else { return nil }
        return (value, index)
    }
}
