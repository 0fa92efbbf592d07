// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift Sources/GPUServeKit/Snapshot/Format/Memory.swift
// with: Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift Sources/GPUServeKit/Snapshot/Format/SafeName.swift
// with: Sources/GPUServeKit/Snapshot/Source/GGUFMetadata.swift Sources/GPUServeKit/Snapshot/Source/GGUFReader.swift
// with: Sources/Support/ModelFiles/ModelError.swift Sources/Support/ModelFiles/ModelShape.swift
// with: Sources/Support/ModelFiles/ModelCard.swift Sources/Support/ModelFiles/ModelCard+GGUF.swift
// with: Sources/Support/ModelFiles/ModelCard+HuggingFace.swift
// with: Sources/Support/Tokens/ChatTemplate.swift Sources/Support/Tokens/PreTokenizer.swift
// with: Sources/Support/Tokens/Tokenizer.swift Sources/Support/Tokens/TokenizerError.swift
// with: Sources/Support/Tokens/TokenizerTables.swift Sources/Support/Tokens/Vocabulary.swift
// with: Sources/Support/Tokens/Vocabulary+JSON.swift
// within: GPUServeKit
// within: Tokens
import Wire

/// What the model server makes of a GGUF header, of `config.json` and of `tokenizer.json`: the model's form, the tokenizer, the
/// chat template; and of tokenizer tables that a snapshot holds. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizer(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    let text = String(decoding: input.suffix(64), as: UTF8.self)
    if let metadata = try? GGUFMetadata(header: input) {
        check { () throws(ModelError) in try ModelCard(metadata) }
        make(text, within: count) { () throws(TokenizerError) in
            try Vocabulary(metadata)
        } use: { tokenizer in
            _ = ChatTemplate(metadata.string("tokenizer.chat_template") ?? text, tokenizer)
        }
    }
    let json = try? JSONValue.parse(input)
    if let json { check(within: count) { () throws(ModelError) in try ModelCard(config: json, chatTemplate: text) } }
    make(text, within: count) { () throws(TokenizerError) in
        var vocabulary = try Vocabulary(tokenizerJSON: input, count: 300, limits: .standard)
        try vocabulary.takeEnd(generation: nil, config: json ?? .null(at: 0), settings: json)
        return vocabulary
    } use: { _ in
    }
    _ = use(input, text) { _ in }
    return 0
}

/// A card that is made reads back the same; what is wrong is said to be in the file.
private func check(within count: Int = .max, _ make: () throws(ModelError) -> ModelCard) {
    do throws(ModelError) {
        let card = try make()
        require((try? ModelCard(card.bytes)) == card, "a card reads back the same")
        require(card.shape.keyHeadCount <= card.shape.headCount, "key heads are no more")
    } catch {
        require(error.offset.map { $0 >= 0 && $0 <= count } ?? true, "the error says where")
    }
}

private func make(
    _ text: String, within count: Int, _ read: () throws(TokenizerError) -> Vocabulary, use more: (Tokenizer) -> Void
) {
    do throws(TokenizerError) {
        require(use(try read().tables(), text, more), "what is built is read")
    } catch {
        require(error.offset.map { $0 >= 0 && $0 <= count } ?? true, "the error says where")
    }
}

/// Whether `tables` are a tokenizer's; if so, cuts `text` with it.
private func use(_ tables: [UInt8], _ text: String, _ more: (Tokenizer) -> Void) -> Bool {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, tables.count), alignment: 16)
    defer { memory.deallocate() }
    memory.copyBytes(from: tables)
    let whole = UnsafeRawBufferPointer(rebasing: memory[..<tables.count])
    guard let found = try? TokenizerTables(whole) else { return false }
    let tokenizer = Tokenizer(tables: found)
    let tokens = tokenizer.encode(text)
    require(tokens.allSatisfy { (0..<found.tokenCount).contains($0) }, "tokens are the vocabulary's")
    _ = tokenizer.decode(tokens)
    more(tokenizer)
    return true
}
