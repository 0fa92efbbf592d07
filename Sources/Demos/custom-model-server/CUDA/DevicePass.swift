import CModelKernels
import GPUServeKit
import ModelFiles

/// One pass as launches, in the order of `Llama.run`.
struct DevicePass {
    let shape: ModelShape
    let memory: PassMemory
    let stream: DeviceStream
    let kernels: [String: DeviceKernel]
    let contextCount, slotCount, tokenCount: Int

    /// Submits everything up to the last layer, in one visit to the context's thread.
    func submit(
        to context: isolated any GPUContext, _ inbox: HostWindow, _ weights: Weights
    ) throws(DeviceError) -> CompletionToken {
        var last = try context.copyIn(inbox, to: try memory.range(.numbers), on: stream)
        let table = weights.embedding
        try launch(
            context, "embed", blocks: tokenCount, threads: 32,
            [
                .uint32(UInt32(table.type)), .range(range(table, context)), .uint64(rowBytes(table)),
                .uint32(UInt32(table.columns)), try numbers(0), .range(try memory.range(.stream)),
            ])
        for index in weights.layers.indices {
            try attend(context, weights.layers[index], index)
            last = try transform(context, weights.layers[index])
        }
        return last
    }

    /// The logits after the pass's token `index`, copied to `outbox`.
    func submitLogits(
        to context: isolated any GPUContext, after index: Int, _ weights: Weights, _ outbox: HostWindow
    ) throws(DeviceError) -> CompletionToken {
        let bytes = 4 * shape.width
        let token = DevicePass(
            shape: shape, memory: memory, stream: stream, kernels: kernels, contextCount: contextCount,
            slotCount: slotCount, tokenCount: 1)
        try token.norm(context, weights.outputNorm, from: try memory.range(.stream, at: index * bytes, bytes))
        try token.multiply(context, weights.output, .normed, to: .logits)
        return try context.copyOut(try memory.range(.logits), to: outbox, on: stream)
    }

    /// stream += W_out attention(norm(stream))
    private func attend(
        _ context: isolated any GPUContext, _ layer: Weights.Layer, _ index: Int
    ) throws(DeviceError) {
        try norm(context, layer.attentionNorm, from: try memory.range(.stream))
        try multiply(context, layer.queries, .normed, to: .queries)
        try multiply(context, layer.keys, .normed, to: .keys)
        try multiply(context, layer.values, .normed, to: .values)
        let half = slotCount * contextCount * shape.keyWidth * 2
        let keys = KernelArgument.range(try memory.range(.cache, at: 2 * index * half, half))
        let values = KernelArgument.range(try memory.range(.cache, at: (2 * index + 1) * half, half))
        let (positions, slots) = (try numbers(1), try numbers(2))
        try launch(
            context, "rotate", blocks: tokenCount, threads: 128,
            [
                .range(try memory.range(.queries)), .range(try memory.range(.keys)), .range(try memory.range(.values)),
                .range(try memory.range(.rotations)), positions, slots, .uint32(UInt32(shape.queryWidth)),
                .uint32(UInt32(shape.keyWidth)), .uint32(UInt32(shape.headSize)), .uint32(UInt32(contextCount)), keys,
                values,
            ])
        try launch(
            context, "attend", blocks: tokenCount * shape.headCount, threads: 128, sharedBytes: 4 * (contextCount + 32),
            [
                .range(try memory.range(.queries)), keys, values, positions, slots, .uint32(UInt32(shape.headCount)),
                .uint32(UInt32(shape.keyHeadCount)), .uint32(UInt32(shape.headSize)), .uint32(UInt32(contextCount)),
                .float(1 / Float(shape.headSize).squareRoot()), .range(try memory.range(.normed)),
            ])
        try multiply(context, layer.attentionOut, .normed, to: .stream, adding: true)
    }

    /// stream += W_down (silu(W_gate x) * W_up x), x = norm(stream)
    private func transform(
        _ context: isolated any GPUContext, _ layer: Weights.Layer
    ) throws(DeviceError) -> CompletionToken {
        try norm(context, layer.innerNorm, from: try memory.range(.stream))
        try multiply(context, layer.gate, .normed, to: .gate)
        try multiply(context, layer.up, .normed, to: .up)
        let count = tokenCount * shape.innerWidth
        try launch(
            context, "gate", blocks: (count + 255) / 256, threads: 256,
            [.range(try memory.range(.gate)), .range(try memory.range(.up)), .uint32(UInt32(count))])
        return try multiply(context, layer.down, .gate, to: .stream, adding: true)
    }

    // MARK: Pieces

    private func norm(
        _ context: isolated any GPUContext, _ weight: Tensor, from x: DeviceRange
    ) throws(DeviceError) {
        try launch(
            context, "norm", blocks: tokenCount, threads: 256, sharedBytes: 32 * 4,
            [
                .range(x), .range(range(weight, context)), .uint32(UInt32(shape.width)), .float(Float(shape.epsilon)),
                .range(try memory.range(.normed)),
            ])
    }

    @discardableResult
    private func multiply(
        _ context: isolated any GPUContext, _ matrix: Tensor, _ x: PassMemory.Part, to y: PassMemory.Part,
        adding: Bool = false
    ) throws(DeviceError) -> CompletionToken {
        // Eight warps a block, a row each.
        try launch(
            context, "multiply", blocks: (matrix.rows + 7) / 8, threads: 256,
            [
                .uint32(UInt32(matrix.type)), .range(range(matrix, context)), .uint64(rowBytes(matrix)),
                .uint32(UInt32(matrix.columns)), .uint32(UInt32(matrix.rows)), .range(try memory.range(x)),
                .uint32(UInt32(tokenCount)), .range(try memory.range(y)), .uint32(adding ? 1 : 0),
            ])
    }

    @discardableResult
    private func launch(
        _ context: isolated any GPUContext, _ name: String, blocks: Int, threads: UInt32, sharedBytes: Int = 0,
        _ arguments: [KernelArgument]
    ) throws(DeviceError) -> CompletionToken {
        guard let kernel = kernels[name] else { preconditionFailure("no kernel \(name)") }
        let launchShape = LaunchShape(blocks: UInt32(blocks), threads: threads, sharedBytes: UInt32(sharedBytes))
        return try context.launch(kernel, launchShape, arguments, on: stream)
    }

    /// Tokens (0), positions (1) or slots (2) of the pass.
    private func numbers(_ row: Int) throws(DeviceError) -> KernelArgument {
        let whole = try memory.range(.numbers)
        return .range(try whole.slice(row * whole.byteCount / 3, whole.byteCount / 3))
    }

    private func rowBytes(_ matrix: Tensor) -> UInt64 { UInt64(mk_row_bytes(matrix.type, Int32(matrix.columns))) }

    /// A tensor's memory on the device; its `base` is an address there.
    private func range(_ tensor: Tensor, _ context: isolated any GPUContext) -> DeviceRange {
        DeviceRange(
            device: context.device.id, address: UInt64(UInt(bitPattern: tensor.base)),
            byteCount: tensor.rows * mk_row_bytes(tensor.type, Int32(tensor.columns)))
    }
}
