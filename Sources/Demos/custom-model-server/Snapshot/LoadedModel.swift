import GPUServeKit

/// A model in memory, ready to run: its form, its weights, its tokenizer. Keeps the memory alive.
struct LoadedModel: Sendable {
    let shape: ModelShape
    let weights: Weights
    let tokenizer: Tokenizer
    let template: ChatTemplate?
    /// What the weights and tables lie in.
    private let windows: [HostWindow]

    /// The name of the region that holds the tokenizer's tables.
    static let tokenizerRegion = "server.tokenizer"

    /// - Parameter regions: the memory of each region, by name.
    init(
        header: [UInt8], regions: [String: (window: HostWindow, description: RegionDescription)]
    ) throws {
        let metadata = try GGUFMetadata(header: header)
        shape = try ModelShape(metadata)
        weights = try Weights(shape) { name in
            regions[name].map { (UnsafeRawPointer($0.window.base), $0.description) }
        }
        guard let tables = regions[Self.tokenizerRegion]?.window else {
            throw ModelError(.missingTensor, "the model has no region \(Self.tokenizerRegion)")
        }
        tokenizer = Tokenizer(
            tables: try TokenizerTables(UnsafeRawBufferPointer(start: tables.base, count: tables.byteCount)))
        guard tokenizer.tables.tokenCount == shape.vocabularyCount else {
            throw ModelError(
                .wrongShape,
                "\(shape.vocabularyCount) embeddings and \(tokenizer.tables.tokenCount) tokens do not match")
        }
        do throws(ModelError) {
            template = try ChatTemplate(metadata, tokenizer)
        } catch {
            template = nil
        }
        windows = regions.values.map(\.window)
    }

    /// The model that a restore brought onto a host.
    init(_ resident: Resident) throws {
        var regions: [String: (window: HostWindow, description: RegionDescription)] = [:]
        for region in try resident.manifest().regions {
            guard let window = try resident.window(of: region.name) else { continue }
            regions[region.name] = (window, region.description)
        }
        try self.init(header: resident.hostState ?? [], regions: regions)
    }
}
