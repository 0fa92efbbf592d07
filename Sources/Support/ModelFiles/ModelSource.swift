package import GPUServeKit

/// A model as a source of snapshots: its tensors in the form of GGUF files, and the tokenizer's tables made once, so that no
/// start makes them again.
package struct ModelSource: SnapshotSource {
    package let regions: [RegionDescription]
    /// The model's card.
    package let hostState: [UInt8]?
    package let facts: [String: String]
    package var card: ModelCard { files.card }

    /// A tensor as a snapshot will have it, but for its name, which is that in the model's own file.
    package func found(_ name: String) -> RegionDescription? {
        guard let part = files.parts.first(where: { $0.region.name == name }) else { return nil }
        var region = part.region
        region.name = part.found.name
        return region
    }

    private let files: ModelFiles

    /// The name of the region that holds the tokenizer's tables.
    package static let tokenizerRegion = "server.tokenizer"

    /// Reads everything but the tensors.
    ///
    /// - Throws: `SnapshotError` or `ModelError`, naming file and place.
    package init(path: String) async throws {
        files = try await ModelFiles(path: path)
        let byteCount = files.tables.count
        regions =
            files.parts.map(\.region) + [
                RegionDescription(name: Self.tokenizerRegion, dtype: .bytes, shape: [byteCount], byteCount: byteCount)
            ]
        hostState = files.card.bytes
        facts = files.source.facts
    }

    package func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        guard index < files.parts.count else { return try copy(files.tables, from: offset, to: memory) }
        let part = files.parts[index]
        switch part.layout {
        case .asItIs: try await files.source.read(region: part.index, at: offset, into: memory)
        case .floats:
            let bytes = try await files.source.bytes(ofRegion: part.index)
            try copy(Self.floats(bytes, isBrain: part.found.dtype.label == "BF16"), from: offset, to: memory)
        case .halves(let headSize):
            // Rows only change places inside a head, so whole heads are read.
            let rowBytes = part.region.byteCount / part.region.shape[0]
            let headBytes = headSize * rowBytes
            let start = offset / headBytes * headBytes
            let end = min((offset + memory.count + headBytes - 1) / headBytes * headBytes, part.region.byteCount)
            let heads = try await files.source.bytes(ofRegion: part.index, start..<end)
            var paired: [UInt8] = []
            paired.reserveCapacity(heads.count)
            for row in 0..<heads.count / rowBytes {
                let source = TensorName.halvesRow(row, headSize: headSize) * rowBytes
                paired += heads[source..<source + rowBytes]
            }
            try copy(paired, from: offset - start, to: memory)
        }
    }

    /// 16-bit floats of either kind as 32-bit ones.
    private static func floats(_ bytes: [UInt8], isBrain: Bool) -> [UInt8] {
        var out: [UInt8] = []
        for index in stride(from: 0, to: bytes.count - 1, by: 2) {
            let bits = UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8
            let wide = isBrain ? UInt32(bits) << 16 : Float(Float16(bitPattern: bits)).bitPattern
            withUnsafeBytes(of: wide.littleEndian) { out += $0 }
        }
        return out
    }

    private func copy(_ bytes: [UInt8], from offset: Int, to memory: MutableMemory) throws(SnapshotError) {
        guard offset >= 0, memory.count <= bytes.count - offset else {
            throw SnapshotError(.truncatedSource, "the region ends before its length")
        }
        bytes.withUnsafeBytes { memory.buffer.copyMemory(from: .init(rebasing: $0[offset..<offset + memory.count])) }
    }
}
