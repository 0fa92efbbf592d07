import GPUServeKit
import ModelFiles
import Wire

/// Generations in flight as a snapshot: what the next token of each depends on. Keys and values are regions, the rest is JSON
/// in the host's state; text needs no place of its own, it follows from the tokens.
enum SavedGenerations {
    /// - Parameter shape: of the model that runs them.
    static func source(_ generations: [GenerationRequest], _ shape: ModelShape) -> MemorySource {
        let regions = generations.enumerated().map { index, generation in
            let (count, bytes) = (generation.saved?.takenCount ?? 0, generation.saved?.cache ?? [])
            let form = [shape.layerCount, 2, count, shape.keyWidth]
            return (
                RegionDescription(name: "cache.\(index)", dtype: DataType("F16"), shape: form, byteCount: bytes.count),
                bytes
            )
        }
        let list = generations.map(text).joined(separator: ",")
        return MemorySource(regions, hostState: Array(#"{"version":1,"generations":[\#(list)]}"#.utf8))
    }

    /// One of a snapshot's generations: its name, its model, and how to go on with it once that model's weights are there.
    struct Found {
        var id: String
        var model: String
        let weights: String
        private let json: JSONValue
        private let cache: [UInt8]

        /// - Throws: `badState` when the snapshot is none of generations, or has not the one asked for.
        init(_ id: String?, in snapshot: SnapshotManifest, of store: any SnapshotStore) async throws {
            let state = try await store.bytes(of: snapshot.hostState ?? .init(chunks: []))
            guard let list = (try? JSONValue.parse(state))?["generations"]?.elements,
                let index = list.firstIndex(where: { id == nil || $0["id"]?.string == id }),
                let own = list[index]["id"]?.string, let model = list[index]["model"]?.string,
                let region = snapshot.regions.first(where: { $0.name == "cache.\(index)" })
            else { throw ModelError(.badState, "the snapshot holds no generation \(id ?? "at all")") }
            (self.id, self.model, json) = (own, model, list[index])
            weights = json["weights"]?.string ?? ""
            cache = try await store.bytes(of: region.content)
        }

        /// - Throws: `badState` when it was made with other weights, or does not fit the model.
        func request(_ served: ServedModel, _ held: HeldWeights) throws -> GenerationRequest {
            guard "\(held.snapshot)" == weights else {
                throw ModelError(
                    .badState, "generation \(id) was made with the weights \(weights), not \(held.snapshot)")
            }
            let shape = served.loaded.shape
            func numbers(_ key: String) -> [Int] { json[key]?.elements?.compactMap(\.int) ?? [] }
            let (prompt, tokens, taken) = (numbers("prompt"), numbers("tokens"), json["taken"]?.int ?? -1)
            guard !prompt.isEmpty, tokens.starts(with: prompt), tokens.count < served.contextCount,
                tokens.allSatisfy({ (0..<shape.vocabularyCount).contains($0) }), (0..<tokens.count).contains(taken),
                cache.count == shape.layerCount * 2 * taken * shape.keyWidth * 2,
                let limit = json["token_limit"]?.int, let temperature = json["temperature"]?.double,
                let topP = json["top_p"]?.double, let chance = (json["chance"]?.string).flatMap({ UInt64($0) })
            else { throw ModelError(.badState, "generation \(id) does not fit this model and its context") }
            return GenerationRequest(
                id: id, model: model, weights: held, prompt: prompt, tokenLimit: limit, temperature: temperature,
                topP: topP, seed: chance, stops: json["stops"]?.elements?.compactMap(\.string) ?? [],
                saved: SavedSequence(tokens: tokens, takenCount: taken, cache: cache, chance: chance))
        }
    }

    private static func text(_ generation: GenerationRequest) -> String {
        let quoted = CompletionText.quoted
        let saved = generation.saved
        let stops = generation.stops.map(quoted).joined(separator: ",")
        // A number of 64 bits is no JSON number that everyone reads alike.
        return #"{"id":\#(quoted(generation.id)),"model":\#(quoted(generation.model)),"#
            + #""weights":"\#(generation.weights.snapshot)","prompt":\#(generation.prompt),"tokens":\#(saved?.tokens ?? []),"#
            + #""taken":\#(saved?.takenCount ?? 0),"token_limit":\#(generation.tokenLimit),"#
            + #""temperature":\#(generation.temperature),"top_p":\#(generation.topP),"#
            + #""chance":"\#(saved?.chance ?? generation.seed)","stops":[\#(stops)]}"#
    }
}
