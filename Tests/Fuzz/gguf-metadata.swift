// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift Sources/GPUServeKit/Snapshot/Format/Memory.swift
// with: Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift Sources/GPUServeKit/Snapshot/Format/SafeName.swift
// with: Sources/GPUServeKit/Snapshot/Source/GGUFMetadata.swift
import Wire

/// Reads the pairs of a GGUF header. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGGUFMetadata(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    do throws(SnapshotError) {
        let metadata = try GGUFMetadata(header: input)
        for range in metadata.strings("tokenizer.ggml.tokens") ?? [] {
            require(range.lowerBound >= 0 && range.upperBound <= count, "texts lie in the header")
        }
    } catch {
        require(error.offset.map { $0 >= 0 && $0 <= count } ?? false, "the error says where")
    }
    return 0
}
