// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift Sources/GPUServeKit/Snapshot/Format/Memory.swift
// with: Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift Sources/GPUServeKit/Snapshot/Format/SafeName.swift
// with: Sources/GPUServeKit/Snapshot/Source/GGUFMetadata.swift
// with: Sources/Demos/custom-model-server/Model/ModelError.swift Sources/Demos/custom-model-server/Model/ModelShape.swift
// with: Sources/Demos/custom-model-server/Snapshot/ModelCard.swift Sources/Demos/custom-model-server/Snapshot/ModelCard+GGUF.swift
// with: Sources/Demos/custom-model-server/Text/ChatTemplate.swift Sources/Demos/custom-model-server/Text/PreTokenizer.swift
// with: Sources/Demos/custom-model-server/Text/Tokenizer.swift Sources/Demos/custom-model-server/Text/TokenizerBuilder.swift
// with: Sources/Demos/custom-model-server/Text/TokenizerTables.swift
// within: GPUServeKit
import Wire

/// What the model server makes of a GGUF header: the model's form, the tokenizer, the chat template; and of tokenizer tables
/// that a snapshot holds. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizer(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    let text = String(decoding: input.suffix(64), as: UTF8.self)
    if let metadata = try? GGUFMetadata(header: input) {
        if let card = try? ModelCard(metadata) {
            let shape = card.shape
            require((try? ModelCard(card.bytes)) == card, "a card reads back the same")
            require(shape.headSize * shape.keyHeadCount <= shape.headSize * shape.headCount, "key heads are no more")
        }
        if let tables = try? TokenizerBuilder.tables(metadata) {
            let made = use(tables, text) { tokenizer in
                _ = ChatTemplate(metadata.string("tokenizer.chat_template") ?? text, tokenizer)
            }
            require(made, "what the builder makes is read")
        }
    }
    _ = use(input, text) { _ in }
    return 0
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
