/// A byte-level BPE vocabulary laid out flat, so that it can lie in a snapshot and be used where it is restored to.
///
/// Little-endian 32-bit words: version, tokens, merge slots, pre-tokenizer, begin, end, unknown, flags; then the first token of
/// each of 256 bytes; token starts (one more than tokens); merge slots of four words (left, right, rank, result; left is
/// `empty` when free); then a kind a token as bytes, and the tokens' bytes.
package struct TokenizerTables: @unchecked Sendable {
    // Never written after it was made or restored, so any thread may read it.
    private let words: UnsafePointer<UInt32>
    let byteCount: Int
    package let tokenCount: Int
    private let slotMask: Int
    private let firsts: Int, starts: Int, slots: Int
    private let kinds: UnsafePointer<UInt8>
    private let text: UnsafePointer<UInt8>

    static let version: UInt32 = 1
    static let empty = UInt32.max
    static let headerWords = 8

    /// As GGUF files number them.
    package enum Kind: UInt8 { case normal = 1, unknown, control, userDefined, unused, byte }
    /// How text is cut before tokens merge: by GPT-2's pattern, or after every digit was set apart.
    package enum PreTokenizer: UInt32 { case gpt2, digitsApart }

    /// - Throws: when the bytes are not tables of this version, whole.
    package init(_ bytes: UnsafeRawBufferPointer) throws(TokenizerError) {
        func bad(_ what: String) -> TokenizerError { TokenizerError("the tokenizer's tables: \(what)") }
        guard let base = bytes.baseAddress, bytes.count >= 4 * Self.headerWords, UInt(bitPattern: base) % 4 == 0 else {
            throw bad("too short")
        }
        words = base.assumingMemoryBound(to: UInt32.self)
        byteCount = bytes.count
        guard words[0] == Self.version else { throw bad("version \(words[0]), not \(Self.version)") }
        (tokenCount, slotMask) = (Int(words[1]), Int(words[2]) - 1)
        guard tokenCount > 0, tokenCount < 1 << 24, slotMask >= 0, slotMask < 1 << 26, (slotMask + 1) & slotMask == 0
        else {
            throw bad("\(words[1]) tokens in \(words[2]) slots")
        }
        firsts = Self.headerWords
        starts = firsts + 256
        slots = starts + tokenCount + 1
        let textStart = 4 * (slots + 4 * (slotMask + 1)) + tokenCount
        guard textStart <= bytes.count, Int(words[starts + tokenCount]) == bytes.count - textStart else {
            throw bad("\(bytes.count) bytes do not fit \(tokenCount) tokens")
        }
        for id in 0..<tokenCount where words[starts + id] > words[starts + id + 1] {
            throw bad("token \(id) has no length")
        }
        kinds = (base + textStart - tokenCount).assumingMemoryBound(to: UInt8.self)
        text = (base + textStart).assumingMemoryBound(to: UInt8.self)
    }

    var preTokenizer: PreTokenizer { PreTokenizer(rawValue: words[3]) ?? .gpt2 }
    /// The token before every text, when the model wants one.
    package var beginToken: Int? { words[7] & 1 == 0 ? nil : token(words[4]) }
    package var endToken: Int? { token(words[5]) }
    var unknownToken: Int? { token(words[6]) }

    private func token(_ word: UInt32) -> Int? { Int(word) < tokenCount ? Int(word) : nil }

    /// The token that a byte alone is; nil when the vocabulary has none.
    func first(_ byte: UInt8) -> Int? { token(words[firsts + Int(byte)]) }

    package func kind(_ id: Int) -> Kind { Kind(rawValue: kinds[id]) ?? .normal }

    /// What a token stands for.
    func bytes(_ id: Int) -> UnsafeBufferPointer<UInt8> {
        precondition(id >= 0 && id < tokenCount, "no such token")
        let start = Int(words[starts + id])
        return UnsafeBufferPointer(start: text + start, count: Int(words[starts + id + 1]) - start)
    }

    /// What two neighbours merge to, and how early; nil when they do not.
    func merge(_ left: Int, _ right: Int) -> (rank: Int, result: Int)? {
        var slot = Self.hash(UInt32(left), UInt32(right)) & slotMask
        for _ in 0...slotMask {
            let at = slots + 4 * slot
            if words[at] == Self.empty { return nil }
            if words[at] == UInt32(left), words[at + 1] == UInt32(right) {
                guard let result = token(words[at + 3]) else { return nil }
                return (Int(words[at + 2]), result)
            }
            slot = (slot + 1) & slotMask
        }
        return nil
    }

    static func hash(_ left: UInt32, _ right: UInt32) -> Int {
        let mixed = (UInt64(left) << 32 | UInt64(right)) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed >> 36)
    }
}
