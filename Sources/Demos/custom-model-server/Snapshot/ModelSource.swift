import GPUServeKit

/// A GGUF model as a source of snapshots: its tensors, and the tokenizer's tables made once, so that no start makes them again.
struct ModelSource: SnapshotSource {
    let regions: [RegionDescription]
    /// The model's card.
    let hostState: [UInt8]?
    let facts: [String: String]
    private let file: GGUFSource
    private let tables: [UInt8]

    /// - Throws: `SnapshotError` or `ModelError`, naming file and place.
    init(path: String) throws {
        file = try GGUFSource(path: path)
        let metadata = try GGUFMetadata(header: file.hostState ?? [])
        tables = try TokenizerBuilder.tables(metadata)
        regions =
            file.regions + [
                RegionDescription(
                    name: LoadedModel.tokenizerRegion, dtype: .bytes, shape: [tables.count], byteCount: tables.count)
            ]
        hostState = try ModelCard(metadata).bytes
        facts = file.facts
    }

    func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        guard index == file.regions.count else {
            try await file.read(region: index, at: offset, into: memory)
            return
        }
        guard offset >= 0, memory.count <= tables.count - offset else {
            throw SnapshotError(
                .truncatedSource, "the region ends before its length", file: LoadedModel.tokenizerRegion)
        }
        tables.withUnsafeBytes { memory.buffer.copyMemory(from: .init(rebasing: $0[offset..<offset + memory.count])) }
    }
}
