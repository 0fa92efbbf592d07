// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift Sources/GPUServeKit/Snapshot/Format/Memory.swift
// with: Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift Sources/GPUServeKit/Snapshot/Format/SafeName.swift Sources/GPUServeKit/Snapshot/Format/DataType.swift
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotManifest.swift Sources/GPUServeKit/Snapshot/Format/ManifestText.swift
// with: Sources/GPUServeKit/Snapshot/Format/ManifestReader.swift Sources/GPUServeKit/Snapshot/Format/ManifestRules.swift
// with: Sources/GPUServeKit/Snapshot/Source/GGUFHeader.swift
import Wire

/// Reads the header of a GGUF file, whole and from a part of it. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGGUF(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    let whole = read(input, fileBytes: count)
    require(whole != nil, "the whole file is always enough")
    for cut in cuts(of: input)[0] {
        // Of a part it is either too early to tell, or the same is told.
        if let part = read(Array(input[..<cut]), fileBytes: count) {
            require(part == whole, "a part tells what the whole does")
        }
    }
    // Tensors may lie behind what was read of the file.
    _ = read(input, fileBytes: count + 4096)
    return 0
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
