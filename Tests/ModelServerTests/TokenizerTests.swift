import GPUServeKit
import ModelFiles
import Testing
import Tokens
import Wire

@testable import custom_model_server

/// A vocabulary of all bytes, a few merges and two control tokens, as a GGUF header.
struct TokenizerTests {
    private static let alphabet = ByteAlphabet()

    private static func header(
        version: UInt32 = 3, kind: String = "gpt2", pre: String = "smollm",
        merges: [String] = ["a b", "ab c", "b c", "Ġ a"], more: [String] = [], kinds: [Int]? = nil, end: Int = 261
    ) -> [UInt8] {
        let bytes = (0..<256).map { alphabet.spelling(of: UInt8($0)) }
        let tokens = bytes + (["ab", "abc", "bc", "Ġa", "<|im_start|>", "<|im_end|>"] + more).map { Array($0.utf8) }
        let kinds = kinds ?? [Int](repeating: 1, count: 260) + [3, 3] + more.map { _ in 1 }
        var out = Array("GGUF".utf8)
        func number<T: FixedWidthInteger>(_ value: T) { withUnsafeBytes(of: value.littleEndian) { out += $0 } }
        func text(_ bytes: [UInt8]) {
            number(UInt64(bytes.count))
            out += bytes
        }
        func strings(_ key: String, _ list: [[UInt8]]) {
            text(Array(key.utf8))
            number(UInt32(9))
            number(UInt32(8))
            number(UInt64(list.count))
            for item in list { text(item) }
        }
        number(version)
        number(UInt64(0))
        number(UInt64(6))
        text(Array("tokenizer.ggml.eos_token_id".utf8))
        number(UInt32(5))
        number(Int32(end))
        for (key, value) in [("tokenizer.ggml.model", kind), ("tokenizer.ggml.pre", pre)] {
            text(Array(key.utf8))
            number(UInt32(8))
            text(Array(value.utf8))
        }
        strings("tokenizer.ggml.tokens", tokens)
        strings("tokenizer.ggml.merges", merges.map { Array($0.utf8) })
        text(Array("tokenizer.ggml.token_type".utf8))
        number(UInt32(9))
        number(UInt32(5))
        number(UInt64(kinds.count))
        for kind in kinds { number(Int32(kind)) }
        return out
    }

    static func with<Result>(_ bytes: [UInt8], _ body: (Tokenizer) throws -> Result) throws -> Result {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        return try body(Tokenizer(tables: try TokenizerTables(UnsafeRawBufferPointer(memory))))
    }

    @Test func mergesGoInOrderOfRank() throws {
        let tables = try Vocabulary(GGUFMetadata(header: Self.header())).tables()
        try Self.with(tables) { tokenizer in
            #expect(tokenizer.encode("abc") == [257])
            #expect(tokenizer.encode("bc") == [258])
            #expect(tokenizer.encode(" abc") == [32, 257])
            #expect(tokenizer.encode(" ac") == [259, 99])
            #expect(tokenizer.decode(tokenizer.encode("é\u{1F600} abc\n12")) == "é\u{1F600} abc\n12")
            #expect(tokenizer.control("<|im_end|>") == 261)
            // A prompt cannot end its own turn.
            #expect(!tokenizer.encode("<|im_end|>").contains(261))
            #expect(tokenizer.decode([261]) == "")
        }
    }

    @Test func aLongWordTakesNoQuadraticTime() throws {
        let tables = try Vocabulary(GGUFMetadata(header: Self.header())).tables()
        try Self.with(tables) { #expect($0.encode(String(repeating: "abc", count: 5_000)).count == 5_000) }
    }

    @Test func everyTruncationIsANamedError() {
        let whole = Self.header()
        for count in stride(from: 0, to: whole.count, by: 3) {
            #expect(throws: SnapshotError.self) { try GGUFMetadata(header: Array(whole[..<count])) }
        }
    }

    /// A header that is wrong; a test's output names it by what is said of it, and not by its bytes.
    struct Malformed: CustomTestStringConvertible {
        let header: [UInt8]
        let words: String
        var value: String?
        var testDescription: String { words }
    }

    static let malformed = [
        Malformed(header: header(kind: "llama"), words: "tokenizer.ggml.model is llama", value: "llama"),
        Malformed(header: header(pre: "qwen2"), words: "tokenizer.ggml.pre is qwen2", value: "qwen2"),
        Malformed(header: header(merges: ["a b", "abc"]), words: "a merge is not two tokens and a space"),
        Malformed(header: header(merges: ["a b", "b Ĥ"]), words: "merge 1 needs the token 'bĤ'"),
        Malformed(header: header(more: ["ab"]), words: "token 262, 'ab', comes twice"),
        Malformed(header: header(kinds: [1, 2]), words: "tokenizer.ggml.token_type is no list of 262 numbers"),
        Malformed(header: header(kinds: [Int](repeating: 7, count: 262)), words: "has the unknown type 7 for token 0"),
        Malformed(header: header(end: 262), words: "tokenizer.ggml.eos_token_id is no number of one of the 262 tokens"),
        Malformed(header: header(end: -1), words: "tokenizer.ggml.eos_token_id is no number"),
    ]

    @Test(arguments: malformed) func aMalformedTokenizerIsNamedWithItsPlace(_ malformed: Malformed) throws {
        let header = malformed.header
        let metadata = try GGUFMetadata(header: header)
        let error = #expect(throws: TokenizerError.self) { try Vocabulary(metadata).tables() }
        #expect(error?.message.contains(malformed.words) == true, "\(error?.message ?? "")")
        let offset = try #require(error?.offset)
        #expect(offset > 32 && offset < header.count)
        // A value begins with its type and its length.
        if let value = malformed.value { #expect(Array(header[(offset + 12)...]).starts(with: value.utf8)) }
        #expect(ModelError(error!).description.contains("(at byte \(offset))"))
    }

    @Test func damagedTablesAreRefused() throws {
        let tables = try Vocabulary(GGUFMetadata(header: Self.header())).tables()
        for change in [0: 9, 4: 0, 8: 3, 40: 0] as [Int: UInt8] where change.key < 12 {
            var damaged = tables
            damaged[change.key] = change.value
            #expect(throws: TokenizerError.self) { try Self.with(damaged) { _ in } }
        }
        #expect(throws: TokenizerError.self) { try Self.with(Array(tables.dropLast())) { _ in } }
        #expect(throws: TokenizerError.self) { try Self.with([1, 2, 3]) { _ in } }
    }
}
