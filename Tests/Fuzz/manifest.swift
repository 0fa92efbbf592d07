// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift Sources/GPUServeKit/Snapshot/Format/Memory.swift
// with: Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift Sources/GPUServeKit/Snapshot/Format/SafeName.swift Sources/GPUServeKit/Snapshot/Format/DataType.swift
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotManifest.swift Sources/GPUServeKit/Snapshot/Format/ManifestText.swift
// with: Sources/GPUServeKit/Snapshot/Format/ManifestReader.swift Sources/GPUServeKit/Snapshot/Format/ManifestRules.swift
import Wire

/// Reads a manifest's text, as it is and with a right checksum put behind it, and writes it again. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzManifest(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    check(input)
    let hash = ContentHash(of: input).hex
    check(input + Array(",\n\"sha256\": \"\(hash)\"\n}\n".utf8))
    return 0
}

private func check(_ input: [UInt8]) {
    do throws(SnapshotError) {
        let (manifest, _) = try SnapshotManifest.decode(input, file: "fuzz")
        for content in manifest.contents {
            // A chunk takes more than 80 bytes of text: nothing can be claimed without being written.
            require(content.chunks.count * 80 <= input.count, "as many chunks as there are lines for them")
            require(content.byteCount <= content.chunks.count * manifest.chunkBytes, "no more bytes than chunks hold")
        }
        let written = try manifest.encoded()
        let again = try SnapshotManifest.decode(written.bytes, file: "fuzz", id: written.id)
        require(again.manifest == manifest, "what is written reads back the same")
        let twice = try again.manifest.encoded()
        require(twice.bytes == written.bytes && twice.id == written.id, "there is one way to write a manifest")
    } catch {
        require(error.file == "fuzz", "the error names the file")
        require((error.offset ?? 0) >= 0 && (error.offset ?? 0) <= input.count, "the error's place is in the file")
    }
}
