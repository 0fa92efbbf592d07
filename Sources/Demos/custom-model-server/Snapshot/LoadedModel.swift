import GPUServeKit
import ModelFiles
import Tokens

/// A model in memory, ready to run: its form, its weights, its tokenizer. Keeps the memory alive.
struct LoadedModel: Sendable {
    let shape: ModelShape
    let weights: Weights
    let tokenizer: Tokenizer
    let template: ChatTemplate?
    /// What the weights and tables lie in.
    private let windows: [HostWindow]

    /// The model that a restore brought onto a host.
    ///
    /// - Throws: `ModelError` for what is no model of this server; `RestoreError`.
    init(_ resident: Resident) throws {
        let card = try ModelCard(resident.hostState ?? [])
        var regions: [String: (window: HostWindow, description: RegionDescription)] = [:]
        for (description, window) in try resident.windows() {
            regions[description.name] = window.map { ($0, description) }
        }
        shape = card.shape
        weights = try Weights(shape) { name in
            regions[name].map { (UnsafeRawPointer($0.window.base), $0.description) }
        }
        guard let tables = regions[ModelSource.tokenizerRegion]?.window else {
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
        windows = regions.values.map(\.window)
    }
}
