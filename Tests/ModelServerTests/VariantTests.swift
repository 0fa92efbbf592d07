import CModelKernels
import GPUServeKit
import Glibc
import ModelFiles
import Testing

@testable import custom_model_server

/// Adapters merged into delta snapshots, and switched to. Among the kernels' tests, because those change the instructions in
/// use, and with them the last bits.
extension KernelTests {
    @Suite struct VariantTests {
        private let tiny = TinyModel()
        private let adapters = AdapterDirectory()
        private static let valueBytes = TinyModel.layerCount * TinyModel.keyWidth * TinyModel.width / 32 * 20

        private func shelf(_ store: ModelStore, budget: Int = 1 << 20) async throws -> VariantShelf {
            let model = try LoadedModel(try await store.restorer.restore(store.base))
            return try await VariantShelf(
                .init(directory: adapters.path, base: "tiny", budgetBytes: budget), store, model.shape)
        }

        private func logits(_ model: LoadedModel) -> [UInt32] {
            let llama = TinyModel.llama(model)
            let steps = [72, 101, 108, 108, 111].enumerated().map {
                Llama.Step(token: $1, position: $0, slot: 0, wantsLogits: $0 > 2)
            }
            return llama.run(steps).joined().map(\.bitPattern)
        }

        @Test func aVariantIsTheModelWithItsWeightsMergedInFullAndTheBaseComesBack() async throws {
            let matrices = adapters.write("one")
            let store = try await tiny.stored()
            let resident = try await store.restorer.restore(store.base)
            let model = try LoadedModel(resident)
            let base = logits(model)
            let weights = try await shelf(store).weights(of: "one")
            let report = try await resident.switch(to: weights.snapshot)
            #expect(report.bytesByTier.total == Self.valueBytes)
            let switched = logits(model)
            #expect(switched != base)

            var full = tiny
            for index in full.regions.indices where full.regions[index].0.name.contains("attn_v") {
                let layer = full.regions[index].0.name.contains("blk.0") ? 0 : 1
                full.regions[index].1 = Self.merged(full.regions[index].1, matrices[layer][0], matrices[layer][1])
            }
            let other = try await full.stored()
            let whole = try await other.restorer.restore(other.base)
            #expect(switched == logits(try LoadedModel(whole)))
            try await resident.switch(to: store.base)
            #expect(logits(model) == base)
        }

        /// The merge again, from its description: rank 2, scale 4 / 2, single precision, ggml's rounding.
        private static func merged(_ blocks: [UInt8], _ a: [Float], _ b: [Float]) -> [UInt8] {
            var out = blocks
            for block in 0..<blocks.count / 20 {
                let (row, column) = (block * 32 / TinyModel.width, block * 32 % TinyModel.width)
                let bytes = blocks[block * 20..<block * 20 + 20].map { UInt16($0) }
                let (d, m) = (half(bytes[0] | bytes[1] << 8), half(bytes[2] | bytes[3] << 8))
                let x = (0..<32).map { index -> Float in
                    let quant: UInt16 = index < 16 ? bytes[4 + index] & 15 : bytes[index - 12] >> 4
                    let first: Float = b[2 * row] * a[column + index]
                    let second: Float = b[2 * row + 1] * a[TinyModel.width + column + index]
                    let weight: Float = d * Float(quant) + m
                    return weight + 2 * (first + second)
                }
                let (least, most) = (x.min() ?? 0, x.max() ?? 0)
                let step = (most - least) / 15
                let quants = x.map { UInt8(min(15, ($0 - least) * (1 / step) + 0.5)) }
                var halves: [UInt16] = [0, 0]
                mk_halve([step, least], 2, &halves)
                var written: [UInt8] = []
                for bits in halves { written += [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)] }
                for index in 0..<16 { written.append(quants[index] | quants[index + 16] << 4) }
                out.replaceSubrange(block * 20..<block * 20 + 20, with: written)
            }
            return out
        }

        /// A normal half-precision float.
        private static func half(_ bits: UInt16) -> Float {
            let power = Float(sign: .plus, exponent: Int(bits >> 10 & 31) - 25, significand: 1)
            let size = Float(1024 + Int(bits & 1023)) * power
            return bits >> 15 == 0 ? size : -size
        }

        @Test func theBudgetDropsWhatWasUsedLeastRecentlyAndNothingInUse() async throws {
            for (index, name) in ["one", "two", "three"].enumerated() { adapters.write(name, seed: UInt64(index + 1)) }
            let shelf = try await shelf(try await tiny.stored(), budget: 2 * Self.valueBytes)
            let one = try await shelf.weights(of: "one").snapshot
            var two: HeldWeights? = try await shelf.weights(of: "two")
            _ = try await shelf.weights(of: "three")
            let use = await shelf.use
            #expect(use.count == 2 && use.bytes == 2 * Self.valueBytes)
            // `one` was dropped, and is the same when it comes back in the place of `three`.
            #expect(try await shelf.weights(of: "one").snapshot == one)
            let held = try await shelf.weights(of: "one")
            let error = await #expect(throws: ModelError.self) { try await shelf.weights(of: "three") }
            #expect(error?.code == .overBudget)
            #expect(two != nil && held.snapshot == one)
            two = nil
            _ = try await shelf.weights(of: "three")
            #expect(VariantShelf.names(in: adapters.path) == ["one", "three", "two"])
            try await shelf.clear()
            #expect(await shelf.use.count == 1, "one is in use")
            withExtendedLifetime(held) {}
        }

        @Test(arguments: ["", "../tiny", ".", "a/b", "none"]) func namesThatLeadElsewhereAreUnknown(name: String)
            async throws
        {
            let shelf = try await shelf(try await tiny.stored())
            let error = await #expect(throws: ModelError.self) { try await shelf.weights(of: name) }
            #expect(error?.code == .unknownVariant)
        }

        @Test func whatDoesNotFitIsRefusedByName() async throws {
            adapters.write("base", base: "someone/else")
            adapters.write("rank", rank: 3)
            adapters.write("shape", bRows: 48)
            adapters.write("half", parts: ["A"])
            adapters.write("target", module: "self_attn.q_proj")
            adapters.write("nowhere", module: "cross_attn.v_proj")
            let shelf = try await shelf(try await tiny.stored())
            for (name, words) in [
                ("base", "is for 'someone/else', this is tiny"),
                ("rank", "layers.0.self_attn.v_proj.lora_A.weight' has the shape [2, 64], which is not of rank 3"),
                ("shape", "layers.0.self_attn.v_proj.lora_B.weight has the shape [48, 2], not [32, 2]"),
                ("half", "model.layers.0.self_attn.v_proj' has a lora_A or a lora_B without"),
                ("target", "q_proj.lora_A.weight' belongs to none of target_modules"),
                ("nowhere", "cross_attn.v_proj.lora_A.weight is for a matrix that the model does not have"),
            ] {
                let error = await #expect(throws: (any Error).self) { try await shelf.weights(of: name) }
                #expect(
                    "\(error.map { "\($0)" } ?? "")".contains(words), "\(name): \(error.map { "\($0)" } ?? "nothing")")
            }
            #expect(await shelf.use.count == 0)
        }

        /// Adding nothing gives back what was there, within half a step of the type.
        @Test(arguments: [MK_F32, MK_F16, MK_BF16, MK_Q4_0, MK_Q4_1, MK_Q8_0]) func everyTypeIsWrittenBack(type: Int) {
            var random = TinyModel.Generator(state: 3)
            let x = (0..<64).map { _ in random.float() }
            let kind = Int32(type)
            // From floats to the type: nothing, with all of it added.
            let zero = [UInt8](repeating: 0, count: mk_row_bytes(kind, 64))
            var (row, again, sum) = (zero, zero, [Float](repeating: 0, count: 64))
            #expect(mk_merge(kind, zero, 64, [2], x, 1, 0.5, &sum, &row) == 1)
            var (written, back) = (sum, sum)
            mk_dequantize(kind, row, 64, &written)
            let steps: [Int: Float] = [MK_Q4_0: 0.125, MK_Q4_1: 0.134, MK_Q8_0: 0.008, MK_BF16: 0.008]
            let step: Float = steps[type] ?? 0.001
            for (wanted, found) in zip(x, written) { #expect(abs(wanted - found) <= step, "\(type)") }
            #expect(mk_merge(kind, row, 64, [0], x, 1, 1, &sum, &again) == 1)
            mk_dequantize(kind, again, 64, &back)
            for (wanted, found) in zip(written, back) { #expect(abs(wanted - found) <= step / 2, "\(type)") }
            #expect(mk_merge(Int32(MK_Q6_K), zero, 256, [0], x, 1, 1, &sum, &again) == 0)
        }
    }
}
