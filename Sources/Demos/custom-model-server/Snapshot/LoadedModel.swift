import GPUServeKit
import ModelFiles
import Tokens

/// A model in memory, ready to run: its form, its weights, its tokenizer. Keeps the memory alive.
struct LoadedModel: Sendable {
    let shape: ModelShape
    let weights: Weights
    let tokenizer: Tokenizer
    let template: ChatTemplate?
    /// What weights on a host, and the tables, lie in. Weights on a device are the resident's.
    private let windows: [HostWindow]

    /// The model that a restore brought onto a host.
    ///
    /// - Throws: `ModelError` for what is no model of this server; `RestoreError`.
    init(_ resident: Resident) throws {
        var regions: [String: (window: HostWindow, description: RegionDescription)] = [:]
        for (description, window) in try resident.windows() {
            regions[description.name] = window.map { ($0, description) }
        }
        try self.init(
            resident, tables: regions[ModelSource.tokenizerRegion]?.window, windows: regions.values.map(\.window)
        ) { name in regions[name].map { (UnsafeRawPointer($0.window.base), $0.description) } }
    }

    /// The model that a restore brought onto a device whose memory the host need not be able to read: addresses of weights are
    /// the device's, the tokenizer's tables are copied.
    ///
    /// - Throws: as above, and `DeviceError`.
    init(_ resident: Resident, on context: any GPUContext) async throws {
        let range = try resident.range(of: ModelSource.tokenizerRegion)
        let tables = HostWindow.make(byteCount: range.byteCount)
        let stream = try await context.makeStream()
        try await context.completed(try await context.copyOut(range, to: tables, on: stream))
        try await context.destroy(stream)
        let regions = Dictionary(try resident.manifest().regions.map { ($0.name, $0.description) }) { first, _ in first
        }
        try self.init(resident, tables: tables, windows: [tables]) { name in
            guard let description = regions[name], let range = try? resident.range(of: name),
                let base = UnsafeRawPointer(bitPattern: UInt(range.address))
            else { return nil }
            return (base, description)
        }
    }

    private init(
        _ resident: Resident, tables: HostWindow?, windows: [HostWindow], lookup: Weights.Lookup
    ) throws {
        let card = try ModelCard(resident.hostState ?? [])
        (shape, self.windows) = (card.shape, windows)
        weights = try Weights(shape, lookup: lookup)
        guard let tables else {
            throw ModelError(.missingTensor, "the model has no region \(ModelSource.tokenizerRegion)")
        }
        do {
            let bytes = UnsafeRawBufferPointer(start: tables.base, count: tables.byteCount)
            tokenizer = Tokenizer(tables: try TokenizerTables(bytes))
        } catch { throw ModelError(error) }
        guard tokenizer.tables.tokenCount == shape.vocabularyCount else {
            throw ModelError(
                .wrongShape,
                "\(shape.vocabularyCount) embeddings and \(tokenizer.tables.tokenCount) tokens do not match")
        }
        template = if let text = card.chatTemplate { ChatTemplate(text, tokenizer) } else { nil }
    }
}
