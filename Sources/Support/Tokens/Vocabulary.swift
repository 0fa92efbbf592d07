/// A byte-level BPE vocabulary as a model's files have it, whichever they were. `tables` makes it fit for use.
package struct Vocabulary {
    package struct Token {
        /// As the file spells it: ordinary tokens in `ByteAlphabet`, all others as they are.
        package var text: ArraySlice<UInt8>
        package var kind: TokenizerTables.Kind
        /// Where it is in its file, for errors.
        package var offset: Int

        package init(_ text: ArraySlice<UInt8>, _ kind: TokenizerTables.Kind, at offset: Int) {
            (self.text, self.kind, self.offset) = (text, kind, offset)
        }
    }

    /// Two neighbours that become one, spelled like tokens.
    package struct Merge {
        package var left, right: ArraySlice<UInt8>
        package var offset: Int

        /// - Parameter text: both, a space between them.
        /// - Throws: when there is none.
        package init(_ text: ArraySlice<UInt8>, at offset: Int) throws(TokenizerError) {
            guard let space = text.dropFirst().firstIndex(of: 0x20) else {
                throw TokenizerError("a merge is not two tokens and a space between them", at: offset)
            }
            self.init(text[..<space], text[(space + 1)...], at: offset)
        }

        package init(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>, at offset: Int) {
            (self.left, self.right, self.offset) = (left, right, offset)
        }
    }

    /// By their numbers.
    package var tokens: [Token] = []
    /// Those that are done first come first.
    package var merges: [Merge] = []
    package var preTokenizer = TokenizerTables.PreTokenizer.gpt2
    /// The token before every text, the one that ends an answer, and the one for what no token is there for.
    package var begin, end, unknown: Int?
    package var addsBegin = false

    /// The most tokens that stand for themselves wherever they occur: text is searched for each of them.
    private static let wholeLimit = 1024

    package init() {}

    /// `TokenizerTables` as bytes.
    ///
    /// - Throws: naming the token or merge that cannot be, with its offset.
    package func tables() throws(TokenizerError) -> [UInt8] {
        var ids: [ArraySlice<UInt8>: UInt32] = [:]
        ids.reserveCapacity(tokens.count)
        for (id, token) in tokens.enumerated() where token.kind != .unused {
            guard ids.updateValue(UInt32(id), forKey: token.text) == nil else {
                throw TokenizerError("token \(id), '\(Self.shown(token.text))', comes twice", at: token.offset)
            }
        }
        guard tokens.count(where: { $0.kind == .userDefined }) <= Self.wholeLimit else {
            throw TokenizerError("more than \(Self.wholeLimit) tokens are to be found in text as they are")
        }
        let (slotCount, slots) = try mergeSlots(ids)
        let alphabet = ByteAlphabet()
        var starts: [UInt32] = []
        var text: [UInt8] = []
        for token in tokens {
            starts.append(UInt32(text.count))
            if token.kind == .normal || token.kind == .unused {
                alphabet.append(token.text, to: &text)
            } else {
                text += token.text
            }
        }
        starts.append(UInt32(text.count))
        let firsts = (0..<256).map { ids[alphabet.spelling(of: UInt8($0))[...]] ?? TokenizerTables.empty }
        func word(_ id: Int?) -> UInt32 { id.flatMap { UInt32(exactly: $0) } ?? TokenizerTables.empty }
        let header = [
            TokenizerTables.version, UInt32(tokens.count), UInt32(slotCount), preTokenizer.rawValue, word(begin),
            word(end), word(unknown), addsBegin ? 1 : 0,
        ]
        var bytes: [UInt8] = []
        for word in header + firsts + starts + slots { withUnsafeBytes(of: word.littleEndian) { bytes += $0 } }
        return bytes + tokens.map(\.kind.rawValue) + text
    }

    private func mergeSlots(_ ids: [ArraySlice<UInt8>: UInt32]) throws(TokenizerError) -> (Int, [UInt32]) {
        var slotCount = 64
        while slotCount < 2 * merges.count { slotCount *= 2 }
        var slots = [UInt32](repeating: TokenizerTables.empty, count: 4 * slotCount)
        for (rank, merge) in merges.enumerated() {
            func id(_ text: ArraySlice<UInt8>) throws(TokenizerError) -> UInt32 {
                if let id = ids[text] { return id }
                throw TokenizerError(
                    "merge \(rank) needs the token '\(Self.shown(text))', which is not there", at: merge.offset)
            }
            let (left, right, result) = try (id(merge.left), id(merge.right), id(merge.left + merge.right))
            var slot = TokenizerTables.hash(left, right) & (slotCount - 1)
            while slots[4 * slot] != TokenizerTables.empty { slot = (slot + 1) & (slotCount - 1) }
            slots.replaceSubrange(4 * slot..<4 * slot + 4, with: [left, right, UInt32(rank), result])
        }
        return (slotCount, slots)
    }

    /// A token for a message, cut when it is long.
    private static func shown(_ text: ArraySlice<UInt8>) -> String { String(decoding: text.prefix(64), as: UTF8.self) }
}

/// The printable characters that stand for bytes in byte-level vocabularies (OpenAI's GPT-2, `bytes_to_unicode`).
package struct ByteAlphabet {
    private let scalars: [Unicode.Scalar]
    private let bytes: [UInt32: UInt8]

    package init() {
        var scalars: [Unicode.Scalar] = []
        var next: UInt32 = 256
        for byte in UInt32(0)..<256 {
            let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
            // Every number up to 0x143 is a scalar.
            scalars.append(Unicode.Scalar(isPrintable ? byte : next)!)
            if !isPrintable { next += 1 }
        }
        self.scalars = scalars
        bytes = Dictionary(uniqueKeysWithValues: scalars.enumerated().map { ($1.value, UInt8($0)) })
    }

    package func spelling(of byte: UInt8) -> [UInt8] { Array(String(scalars[Int(byte)]).utf8) }

    /// Appends the bytes that `token` spells; a character outside the alphabet stands for itself.
    func append(_ token: ArraySlice<UInt8>, to output: inout [UInt8]) {
        for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
            if let byte = bytes[scalar.value] { output.append(byte) } else { output += Array(String(scalar).utf8) }
        }
    }
}
