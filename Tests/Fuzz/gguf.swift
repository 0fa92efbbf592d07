// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift Sources/GPUServeKit/Snapshot/Format/Memory.swift
// with: Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift Sources/GPUServeKit/Snapshot/Format/SafeName.swift Sources/GPUServeKit/Snapshot/Format/DataType.swift
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotManifest.swift Sources/GPUServeKit/Snapshot/Format/ManifestText.swift
// with: Sources/GPUServeKit/Snapshot/Format/ManifestReader.swift Sources/GPUServeKit/Snapshot/Format/ManifestRules.swift
// with: Sources/GPUServeKit/Snapshot/Source/GGUFHeader.swift Sources/GPUServeKit/Snapshot/Source/GGUFReader.swift
// with: Sources/GPUServeKit/Snapshot/Source/GGUFMetadata.swift
import Wire

/// Reads the header of a GGUF file, whole and from a part of it, and its pairs alone. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGGUF(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    let whole = read(input, fileBytes: count)
    require(whole != nil, "the whole file is always enough")
    readPairs(input, whole)
    for cut in cuts(of: input)[0] {
        // Of a part it is either too early to tell, or the same is told.
        if let part = read(Array(input[..<cut]), fileBytes: count) {
            require(said(part) == whole.map(said), "a part tells what the whole does")
        }
    }
    // Tensors may lie behind what was read of the file.
    _ = read(input, fileBytes: count + 4096)
    return 0
}

/// What can be compared: a float of the metadata may be none.
private func said(_ header: Result<GGUFHeader, SnapshotError>) -> Result<[GGUFHeader.Tensor], SnapshotError> {
    header.map(\.tensors)
}

private func readPairs(_ input: [UInt8], _ whole: Result<GGUFHeader, SnapshotError>?) {
    do throws(SnapshotError) {
        let metadata = try GGUFMetadata(header: input)
        require(metadata.header.count <= input.count, "pairs lie in the file")
        for range in metadata.strings("tokenizer.ggml.tokens") ?? [] {
            require(range.lowerBound >= 0 && range.upperBound <= metadata.header.count, "texts lie in the header")
        }
    } catch {
        require(error.offset.map { $0 >= 0 && $0 <= input.count } ?? false, "the error says where")
        if case .success? = whole { require(false, "what is a header has pairs") }
    }
}

private func read(_ prefix: [UInt8], fileBytes: Int) -> Result<GGUFHeader, SnapshotError>? {
    do throws(SnapshotError) {
        guard let header = try GGUFHeader.parse(prefix: prefix, fileBytes: fileBytes, limits: .standard) else {
            return nil
        }
        require(header.dataStart <= fileBytes, "the header lies in the file")
        var end = header.dataStart
        for tensor in header.tensors {
            require(
                tensor.range.lowerBound >= end && tensor.range.upperBound <= fileBytes, "tensors lie in the file, apart"
            )
            require(tensor.dtype.byteCount(shape: tensor.shape) == tensor.range.count, "a tensor has its shape's bytes")
            end = tensor.range.upperBound
        }
        return .success(header)
    } catch {
        require(error.offset.map { $0 >= 0 && $0 <= fileBytes } ?? false, "the error says where")
        return .failure(error)
    }
}
