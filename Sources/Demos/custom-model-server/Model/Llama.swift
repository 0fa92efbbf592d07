import CModelKernels
import Dispatch
import Glibc
import ModelFiles

/// A Llama model (arXiv 2302.13971): from tokens to logits. Where a token comes from is `run`, read from top to bottom.
///
/// One thread at a time uses it.
final class Llama {
    /// One token to take in.
    struct Step {
        var token: Int
        /// Its place in its sequence, from 0. Earlier ones must have been taken in, by this pass or one before.
        var position: Int
        /// The sequence's slot in the cache.
        var slot: Int
        /// Whether the logits after it are wanted.
        var wantsLogits = false
    }

    let shape: ModelShape
    let weights: Weights
    let cache: KVCache
    private let scratch: Scratch
    private let threadCount: Int
    /// cos and sin of every position and pair of a head: position * head size + 2 * pair.
    private let rotations: [Float]

    /// The most tokens that one pass takes.
    var passTokenCount: Int { scratch.tokenCount }

    init(_ shape: ModelShape, weights: Weights, cache: KVCache, threadCount: Int = 1, passTokenCount: Int = 64) {
        self.shape = shape
        self.weights = weights
        self.cache = cache
        self.threadCount = threadCount
        scratch = Scratch(shape, tokenCount: passTokenCount)
        rotations = Llama.rotations(shape, positions: cache.contextCount)
    }

    /// Takes `steps` in, at most `passTokenCount`, and returns the logits of those that want them, in order, one of
    /// `shape.vocabularyCount` each.
    func run(_ steps: [Step]) -> [[Float]] {
        precondition(!steps.isEmpty && steps.count <= passTokenCount, "a pass takes 1 to \(passTokenCount) tokens")
        let x = scratch.stream
        for (index, step) in steps.enumerated() {
            let row = weights.embedding
            let start = step.token * mk_row_bytes(row.type, Int32(row.columns))
            mk_dequantize(row.type, row.base + start, Int32(row.columns), x + index * shape.width)
        }
        for index in weights.layers.indices {
            let layer = weights.layers[index]
            attend(layer, index, steps)
            transform(layer, tokenCount: steps.count)
        }
        return logits(after: steps)
    }

    /// stream += W_out attention(norm(stream))
    private func attend(_ layer: Weights.Layer, _ index: Int, _ steps: [Step]) {
        let (q, k, v) = (scratch.queries, scratch.keys, scratch.values)
        norm(scratch.stream, layer.attentionNorm, tokenCount: steps.count)
        multiply([(layer.queries, q), (layer.keys, k), (layer.values, v)], tokenCount: steps.count)
        for (token, step) in steps.enumerated() {
            rotate(q + token * shape.queryWidth, heads: shape.headCount, position: step.position)
            rotate(k + token * shape.keyWidth, heads: shape.keyHeadCount, position: step.position)
            let place = step.position * shape.keyWidth
            mk_halve(
                k + token * shape.keyWidth, Int32(shape.keyWidth), cache.keys(layer: index, slot: step.slot) + place)
            mk_halve(
                v + token * shape.keyWidth, Int32(shape.keyWidth), cache.values(layer: index, slot: step.slot) + place)
        }
        let scale = 1 / Float(shape.headSize).squareRoot()
        for (token, step) in steps.enumerated() {
            for head in 0..<shape.headCount {
                let keyHead = head / (shape.headCount / shape.keyHeadCount) * shape.headSize
                let place = token * shape.queryWidth + head * shape.headSize
                mk_attend(
                    q + place, Int32(shape.headSize), cache.keys(layer: index, slot: step.slot) + keyHead,
                    cache.values(layer: index, slot: step.slot) + keyHead, shape.keyWidth, Int32(step.position + 1),
                    scale, scratch.normed + place)
            }
        }
        quantize(scratch.normed, width: shape.queryWidth, tokenCount: steps.count)
        add(layer.attentionOut, tokenCount: steps.count)
    }

    /// stream += W_down (silu(W_gate x) * W_up x), x = norm(stream)
    private func transform(_ layer: Weights.Layer, tokenCount: Int) {
        norm(scratch.stream, layer.innerNorm, tokenCount: tokenCount)
        multiply([(layer.gate, scratch.gate), (layer.up, scratch.up)], tokenCount: tokenCount)
        mk_gate(scratch.gate, scratch.up, Int32(tokenCount * shape.innerWidth))
        scratch.normed.update(from: scratch.gate, count: tokenCount * shape.innerWidth)
        quantize(scratch.normed, width: shape.innerWidth, tokenCount: tokenCount)
        add(layer.down, tokenCount: tokenCount)
    }

    private func logits(after steps: [Step]) -> [[Float]] {
        let wanted = steps.indices.filter { steps[$0].wantsLogits }
        return wanted.map { index in
            mk_rms_norm(
                scratch.stream + index * shape.width, weights.outputNorm.floats, Int32(shape.width),
                Float(shape.epsilon),
                scratch.normed)
            quantize(scratch.normed, width: shape.width, tokenCount: 1)
            return [Float](unsafeUninitializedCapacity: shape.vocabularyCount) { buffer, count in
                // The buffer is made just now, so it has a base.
                multiply([(weights.output, buffer.baseAddress!)], tokenCount: 1)
                count = shape.vocabularyCount
            }
        }
    }

    // MARK: Pieces

    private func norm(_ x: UnsafePointer<Float>, _ weight: Tensor, tokenCount: Int) {
        for token in 0..<tokenCount {
            mk_rms_norm(
                x + token * shape.width, weight.floats, Int32(shape.width), Float(shape.epsilon),
                scratch.normed + token * shape.width)
        }
        quantize(scratch.normed, width: shape.width, tokenCount: tokenCount)
    }

    private func quantize(_ x: UnsafePointer<Float>, width: Int, tokenCount: Int) {
        mk_quantize(x, Int32(width * tokenCount), scratch.blocks)
    }

    /// Each matrix times what `normed` holds, its rows dealt out to the threads.
    private func multiply(_ products: [(Tensor, UnsafeMutablePointer<Float>)], tokenCount: Int) {
        for (matrix, y) in products {
            let job = Job(
                matrix: matrix, x: scratch.normed, blocks: scratch.blocks, tokenCount: Int32(tokenCount), y: y)
            guard threadCount > 1 else {
                job.run(0..<matrix.rows)
                continue
            }
            let share = (matrix.rows + threadCount - 1) / threadCount
            DispatchQueue.concurrentPerform(iterations: threadCount) { [matrix] index in
                job.run(min(index * share, matrix.rows)..<min((index + 1) * share, matrix.rows))
            }
        }
    }

    /// stream += matrix times what `normed` holds.
    private func add(_ matrix: Tensor, tokenCount: Int) {
        multiply([(matrix, scratch.up)], tokenCount: tokenCount)
        for index in 0..<tokenCount * shape.width { scratch.stream[index] += scratch.up[index] }
    }

    /// Turns each pair of neighbours by its angle (arXiv 2104.09864, in the order of GGUF files).
    private func rotate(_ x: UnsafeMutablePointer<Float>, heads: Int, position: Int) {
        rotations.withUnsafeBufferPointer { rotations in
            // The table has a position at least.
            let turns = rotations.baseAddress! + position * shape.headSize
            for head in 0..<heads { mk_rotate(x + head * shape.headSize, Int32(shape.headSize), turns) }
        }
    }

    static func rotations(_ shape: ModelShape, positions: Int) -> [Float] {
        let step = powf(Float(shape.ropeBase), -2 / Float(shape.headSize))
        return [Float](unsafeUninitializedCapacity: positions * shape.headSize) { buffer, count in
            for position in 0..<positions {
                var angle = Float(position)
                for pair in stride(from: 0, to: shape.headSize, by: 2) {
                    buffer[position * shape.headSize + pair] = cosf(angle)
                    buffer[position * shape.headSize + pair + 1] = sinf(angle)
                    angle *= step
                }
            }
            count = positions * shape.headSize
        }
    }

    /// Rows of one product, on whatever thread.
    private struct Job: @unchecked Sendable {
        // Threads read `x` and `blocks` and write rows of `y` that no other writes.
        let matrix: Tensor
        let x: UnsafePointer<Float>
        let blocks: UnsafePointer<mk_block>
        let tokenCount: Int32
        let y: UnsafeMutablePointer<Float>

        func run(_ rows: Range<Int>) {
            mk_multiply(
                matrix.type, matrix.base, Int32(matrix.columns), Int32(rows.lowerBound), Int32(rows.upperBound), x,
                blocks,
                tokenCount, y, matrix.rows)
        }
    }
}
