import CModelKernels
import GPUServeKit
import ModelFiles

/// A matrix of weights where it lies: `rows` rows of `columns` elements in the blocks of its type. The memory belongs to
/// `Weights`.
struct Tensor: @unchecked Sendable {
    // Never written after it was restored, so any thread may read it.
    let base: UnsafeRawPointer
    let type: Int32
    let rows: Int
    let columns: Int

    var floats: UnsafePointer<Float> { base.assumingMemoryBound(to: Float.self) }

    /// The kernels' number of an element type; nil when they do not know it.
    static func kernelType(_ type: DataType) -> Int32? {
        switch type.label {
        case "F32": Int32(MK_F32)
        case "F16": Int32(MK_F16)
        case "BF16": Int32(MK_BF16)
        case "Q4_0": Int32(MK_Q4_0)
        case "Q4_1": Int32(MK_Q4_1)
        case "Q8_0": Int32(MK_Q8_0)
        case "Q6_K": Int32(MK_Q6_K)
        default: nil
        }
    }
}

/// The tensors of a Llama model, named as in GGUF files.
struct Weights: Sendable {
    struct Layer: Sendable {
        var attentionNorm, queries, keys, values, attentionOut: Tensor
        var innerNorm, gate, up, down: Tensor
    }

    let embedding: Tensor
    let layers: [Layer]
    let outputNorm: Tensor
    /// The embedding again when the file has no matrix of its own for the output.
    let output: Tensor

    /// A tensor by name: its memory, type and shape (slowest dimension first).
    typealias Lookup = (String) -> (base: UnsafeRawPointer, description: RegionDescription)?

    /// Looks whether a model can be run, without reading a tensor.
    ///
    /// - Throws: `missingTensor`, `unsupportedType` or `wrongShape`, with the tensor's name in the model's own file.
    static func check(_ source: ModelSource) throws(ModelError) {
        let nowhere = UnsafeRawPointer(bitPattern: 64)!
        _ = try Weights(source.card.shape) { name in source.found(name).map { (nowhere, $0) } }
    }

    /// - Throws: `missingTensor`, `unsupportedType` or `wrongShape`, naming the tensor.
    init(_ shape: ModelShape, lookup: Lookup) throws(ModelError) {
        func find(_ name: String, _ rows: Int, _ columns: Int) throws(ModelError) -> Tensor? {
            guard let (base, found) = lookup(name) else { return nil }
            let wanted = rows == 1 ? [columns] : [rows, columns]
            guard found.shape == wanted else {
                throw ModelError(.wrongShape, "tensor \(found.name) has the shape \(found.shape), not \(wanted)")
            }
            guard let type = Tensor.kernelType(found.dtype), rows > 1 || type == MK_F32 else {
                throw ModelError(
                    .unsupportedType, "tensor \(found.name) is of type \(found.dtype), which is not served here")
            }
            let rowBytes = mk_row_bytes(type, Int32(columns))
            guard rowBytes > 0, rowBytes * rows == found.byteCount else {
                throw ModelError(
                    .wrongShape, "tensor \(found.name) has \(found.byteCount) bytes, not \(rows) rows of \(rowBytes)")
            }
            return Tensor(base: base, type: type, rows: rows, columns: columns)
        }
        func need(_ name: String, _ rows: Int, _ columns: Int) throws(ModelError) -> Tensor {
            guard let tensor = try find(name, rows, columns) else {
                throw ModelError(.missingTensor, "the model has no tensor \(name)")
            }
            return tensor
        }
        embedding = try need("token_embd.weight", shape.vocabularyCount, shape.width)
        outputNorm = try need("output_norm.weight", 1, shape.width)
        output = try find("output.weight", shape.vocabularyCount, shape.width) ?? embedding
        var layers: [Layer] = []
        for index in 0..<shape.layerCount {
            func tensor(_ name: String, _ rows: Int, _ columns: Int) throws(ModelError) -> Tensor {
                try need("blk.\(index).\(name).weight", rows, columns)
            }
            layers.append(
                Layer(
                    attentionNorm: try tensor("attn_norm", 1, shape.width),
                    queries: try tensor("attn_q", shape.queryWidth, shape.width),
                    keys: try tensor("attn_k", shape.keyWidth, shape.width),
                    values: try tensor("attn_v", shape.keyWidth, shape.width),
                    attentionOut: try tensor("attn_output", shape.width, shape.queryWidth),
                    innerNorm: try tensor("ffn_norm", 1, shape.width),
                    gate: try tensor("ffn_gate", shape.innerWidth, shape.width),
                    up: try tensor("ffn_up", shape.innerWidth, shape.width),
                    down: try tensor("ffn_down", shape.width, shape.innerWidth)))
        }
        self.layers = layers
    }
}
