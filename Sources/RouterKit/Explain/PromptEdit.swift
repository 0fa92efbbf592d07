/// Something taken out of a prompt, to see whether the choice depends on it.
public struct PromptEdit: Sendable, Hashable {
    /// What is taken out.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Every occurrence of one word.
        case word
        /// Every occurrence of several words.
        case words
        /// One sentence or line.
        case sentence
        /// A fenced block of code.
        case code
    }

    /// What is taken out.
    public let kind: Kind
    /// Where in the prompt's UTF-8, ascending, apart from each other.
    public let ranges: [Range<Int>]
    /// What is taken out, for people: the words, or the beginning of the text.
    public let text: String

    /// Bytes taken out.
    public var removedBytes: Int { ranges.reduce(0) { $0 + $1.count } }

    /// `prompt` without what is taken out.
    public func applied(to prompt: String) -> String {
        String(decoding: applied(to: Array(prompt.utf8)), as: UTF8.self)
    }

    func applied(to prompt: [UInt8]) -> [UInt8] {
        var rest: [UInt8] = []
        rest.reserveCapacity(prompt.count)
        var start = 0
        for range in ranges {
            rest += prompt[start..<range.lowerBound]
            start = range.upperBound
        }
        return rest + prompt[start...]
    }
}

/// The single edits of a prompt: words, sentences and lines, blocks of code.
struct PromptEdits {
    /// Each distinct word, in the order of first occurrence.
    let words: [PromptEdit]
    let sentences: [PromptEdit]
    let code: [PromptEdit]

    private static let shownBytes = 60

    /// - Parameter windowBytes: of a longer prompt only so many bytes are looked at, half at each end, as the
    ///   classifier does.
    init(_ prompt: [UInt8], windowBytes: Int) {
        var occurrences: [[UInt8]: [Range<Int>]] = [:]
        var order: [[UInt8]] = []
        var (sentences, code): ([PromptEdit], [PromptEdit]) = ([], [])
        for part in Self.parts(prompt, windowBytes) {
            let text = Array(prompt[part])
            let moved = { (range: Range<Int>) in
                range.lowerBound + part.lowerBound..<range.upperBound + part.lowerBound
            }
            for range in PromptScan.wordRanges(text) {
                let word = text[range].map(PromptScan.folded)
                if occurrences[word] == nil { order.append(word) }
                occurrences[word, default: []].append(moved(range))
            }
            sentences += Self.sentences(text).map {
                PromptEdit(kind: .sentence, ranges: [moved($0)], text: Self.shown(text[$0]))
            }
            code += Self.fenced(text).map {
                PromptEdit(kind: .code, ranges: [moved($0)], text: Self.shown(text[$0]))
            }
        }
        words = order.map { word in
            let ranges = occurrences[word]!
            return PromptEdit(kind: .word, ranges: ranges, text: Self.shown(prompt[ranges[0]]))
        }
        self.sentences = sentences
        self.code = code
    }

    /// The whole, or head and tail, of whole characters.
    private static func parts(_ prompt: [UInt8], _ windowBytes: Int) -> [Range<Int>] {
        guard prompt.count > windowBytes else { return [0..<prompt.count] }
        var (head, tail) = (windowBytes / 2, prompt.count - windowBytes / 2)
        while head > 0, PromptText.isContinuation(prompt[head]) { head -= 1 }
        while tail < prompt.count, PromptText.isContinuation(prompt[tail]) { tail += 1 }
        return [0..<head, tail..<prompt.count]
    }

    private static func shown(_ text: ArraySlice<UInt8>) -> String {
        guard text.count > shownBytes else { return String(decoding: text, as: UTF8.self) }
        var end = text.startIndex + shownBytes
        while end > text.startIndex, PromptText.isContinuation(text[end]) { end -= 1 }
        return String(decoding: text[..<end], as: UTF8.self) + "..."
    }

    /// Between two lines that begin with three backquotes, these lines included.
    private static func fenced(_ text: [UInt8]) -> [Range<Int>] {
        var (blocks, start): ([Range<Int>], Int?) = ([], nil)
        var line = 0
        while line < text.count {
            let end = text[line...].firstIndex(of: 0x0A).map { $0 + 1 } ?? text.count
            if text[line..<end].starts(with: [0x60, 0x60, 0x60]) {
                if let first = start {
                    blocks.append(first..<end)
                    start = nil
                } else {
                    start = line
                }
            }
            line = end
        }
        return blocks
    }

    /// Up to a line's end, or to a full stop, question mark or exclamation mark before a blank; with that blank.
    private static func sentences(_ text: [UInt8]) -> [Range<Int>] {
        var (found, start): ([Range<Int>], Int) = ([], 0)
        for index in text.indices {
            let isEnd =
                text[index] == 0x0A
                || [0x20, 0x09].contains(text[index]) && index > 0
                    && [0x2E, 0x21, 0x3F].contains(text[index - 1])
                || index == text.count - 1
            guard isEnd else { continue }
            if text[start...index].contains(where: { $0 > 0x20 }) { found.append(start..<index + 1) }
            start = index + 1
        }
        // The only sentence is the prompt.
        return found.count > 1 ? found : []
    }
}
