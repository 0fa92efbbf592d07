// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift Sources/GPUServeKit/Snapshot/Format/Memory.swift
// with: Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift Sources/GPUServeKit/Snapshot/Format/SafeName.swift Sources/GPUServeKit/Snapshot/Format/DataType.swift
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotManifest.swift Sources/GPUServeKit/Snapshot/Format/ManifestText.swift
// with: Sources/GPUServeKit/Snapshot/Format/ManifestReader.swift Sources/GPUServeKit/Snapshot/Format/ManifestRules.swift
// with: Sources/GPUServeKit/Snapshot/Source/SafetensorsHeader.swift
import Wire

/// Reads the header of a safetensors file: of the input itself, and of the input as the header's JSON with data behind it.
/// The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    check(input, fileBytes: count)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    for dataBytes in [0, 8, 40] { check(length + input, fileBytes: count + 8 + dataBytes) }
    return 0
}

private func check(_ header: [UInt8], fileBytes: Int) {
    do throws(SnapshotError) {
        let parsed = try SafetensorsHeader.parse(header, fileBytes: fileBytes, limits: .standard)
        var end = parsed.dataStart
        for tensor in parsed.tensors {
            require(tensor.range.lowerBound == end, "tensors follow each other")
            require(tensor.dtype.byteCount(shape: tensor.shape) == tensor.range.count, "a tensor has its shape's bytes")
            end = tensor.range.upperBound
        }
        require(end == fileBytes, "tensors fill the file")
    } catch {
        require(error.offset.map { $0 >= 0 && $0 <= fileBytes } ?? false, "the error says where")
    }
}
