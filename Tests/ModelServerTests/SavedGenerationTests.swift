import GPUServeKit
import ModelFiles
import Testing
import Tokens
import Wire

@testable import custom_model_server

/// Generations saved mid-way go on as if nothing had happened. Among the kernels' tests, which change the instructions in use.
extension KernelTests {
    @Suite struct SavedGenerationTests {
        /// What a sequence sends, as it is told.
        private final class Heard {
            var text = ""
            var usage: TokenUsage?
        }

        private static func sequence(_ request: GenerationRequest, _ llama: Llama, _ tokenizer: Tokenizer) throws -> (
            ActiveSequence, Heard
        ) {
            let heard = Heard()
            return (
                try ActiveSequence(request, slot: 0, llama, tokenizer) { event in
                    switch event {
                    case .text(let piece): heard.text += piece
                    case .finished(_, let usage): heard.usage = usage
                    case .failed(let problem): heard.text += problem
                    }
                }, heard
            )
        }

        /// Runs passes of at most five tokens; true when the sequence has ended.
        private static func run(_ sequence: ActiveSequence, _ llama: Llama, _ tokenizer: Tokenizer, passes: Int) -> Bool
        {
            for _ in 0..<passes {
                let steps = sequence.steps(limit: 5)
                sequence.takenCount += steps.count
                for logits in llama.run(steps) {
                    guard sequence.advance(logits, tokenizer, contextCount: TinyModel.context) else { return true }
                }
            }
            return false
        }

        @Test(arguments: [0, 1.3], [1, 4, 9]) func aSavedGenerationGoesOnWithTheSameTokens(
            temperature: Double, cut: Int
        )
            async throws
        {
            let store = try await TinyModel().stored()
            let model = try LoadedModel(try await store.restorer.restore(store.base))
            let served = ServedModel(
                name: "tiny", loaded: model,
                variants: try await VariantShelf(.init(base: "tiny", budgetBytes: 0), store, model.shape),
                contextCount: TinyModel.context)
            let weights = try await served.variants.weights(of: nil)
            let request = GenerationRequest(
                id: "cmpl-1", model: "tiny", weights: weights, prompt: model.tokenizer.encode("Saved, and on."),
                tokenLimit: 20, temperature: temperature, topP: 0.95, seed: 11, stops: ["never"])
            let (whole, heard) = try Self.sequence(request, TinyModel.llama(model), model.tokenizer)
            var llama = TinyModel.llama(model)
            var (part, partly) = try Self.sequence(request, llama, model.tokenizer)
            #expect(whole.tokens == part.tokens)
            // Cut twice: a saved one can be saved again.
            for _ in 0..<2 {
                #expect(!Self.run(part, llama, model.tokenizer, passes: cut))
                let made = try await store.memory.create(
                    from: SavedGenerations.source([try part.saved(llama)], model.shape), SnapshotOptions(name: "saved"))
                let found = try await SavedGenerations.Found(nil, in: made.manifest, of: store.memory)
                let again = try found.request(served, weights)
                let state = try part.saved(llama).saved
                #expect(again.saved == state && again.stops == ["never"] && again.id == "cmpl-1")
                llama = TinyModel.llama(model)
                (part, partly) = try Self.sequence(again, llama, model.tokenizer)
            }
            let wholeLlama = TinyModel.llama(model)
            #expect(Self.run(whole, wholeLlama, model.tokenizer, passes: 100))
            #expect(Self.run(part, llama, model.tokenizer, passes: 100))
            #expect(part.tokens == whole.tokens && partly.text == heard.text && partly.usage == heard.usage)
            #expect(heard.usage?.completionTokens == 20)
        }

        @Test func whatDoesNotFitIsRefused() async throws {
            let store = try await TinyModel().stored()
            let model = try LoadedModel(try await store.restorer.restore(store.base))
            let shelf = try await VariantShelf(.init(base: "tiny", budgetBytes: 0), store, model.shape)
            let weights = try await shelf.weights(of: nil)
            let served = ServedModel(name: "tiny", loaded: model, variants: shelf, contextCount: TinyModel.context)
            var request = GenerationRequest(
                id: "cmpl-1", model: "tiny", weights: weights, prompt: [1, 2], tokenLimit: 4)
            request.saved = SavedSequence(tokens: [1, 2, 300], takenCount: 0, cache: [], chance: 1)
            func found(_ id: String?, _ request: GenerationRequest) async throws -> SavedGenerations.Found {
                let made = try await store.memory.create(
                    from: SavedGenerations.source([request], model.shape), SnapshotOptions(name: "saved"))
                return try await SavedGenerations.Found(id, in: made.manifest, of: store.memory)
            }
            // A token that the model does not know, another's name, other weights, a snapshot of something else.
            let unknown = try await found(nil, request)
            #expect(throws: ModelError.self) { try unknown.request(served, weights) }
            await #expect(throws: ModelError.self) { try await found("cmpl-2", request) }
            let other = try await store.memory.create(from: MemorySource([]), SnapshotOptions(name: "other"))
            let elsewhere = HeldWeights(try await store.memory.lease(other.id))
            let good = try await found("cmpl-1", request)
            let error = #expect(throws: ModelError.self) { try good.request(served, elsewhere) }
            #expect(error?.message.contains("was made with the weights \(store.base)") == true)
            await #expect(throws: ModelError.self) {
                try await SavedGenerations.Found(nil, in: other.manifest, of: store.memory)
            }
        }
    }
}
