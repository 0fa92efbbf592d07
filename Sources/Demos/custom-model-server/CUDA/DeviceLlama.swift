import CModelKernels
import GPUServeKit
import ModelFiles

/// `Llama.run` on a device, launch by launch, with the kernels of `CModelKernels/cuda/model.cu`.
///
/// The weights are those that a restore brought there, in the blocks of the file. It has never run on a GPU: tests run the same
/// kernels, compiled for the host, on a `HostContext`.
actor DeviceLlama {
    let shape: ModelShape
    /// The most tokens of a sequence, of sequences, and of a pass.
    let contextCount, slotCount, passTokenCount: Int
    private let context: any GPUContext
    private let stream: DeviceStream
    private let module: DeviceModule
    private let kernels: [String: DeviceKernel]
    private let weights: Weights
    private let memory: PassMemory
    private let owner: DeviceBuffer
    /// Where tokens, positions and slots are written for the device, and logits are read.
    private let inbox, outbox: HostWindow

    /// - Parameters:
    ///   - weights: tensors whose `base` is an address of `context`'s device, never read here.
    ///   - code: `model.ptx`, or functions of the same names.
    /// - Throws: `DeviceError`; `ModelError` for a context that is too long.
    init(
        _ shape: ModelShape, weights: Weights, on context: any GPUContext, code: ModuleImage, slotCount: Int,
        contextCount: Int, passTokenCount: Int = 64
    ) async throws {
        (self.shape, self.weights, self.context) = (shape, weights, context)
        (self.contextCount, self.slotCount, self.passTokenCount) = (contextCount, slotCount, passTokenCount)
        guard contextCount <= PassMemory.contextLimit else {
            throw ModelError(
                .unsupportedArchitecture,
                "a context of \(contextCount) tokens does not fit a block's memory, which holds at most "
                    + "\(PassMemory.contextLimit) tokens: give --context, or serve the model on the host")
        }
        let sizes = PassMemory.sizes(
            shape, slotCount: slotCount, contextCount: contextCount, passTokenCount: passTokenCount)
        let made = try await DeviceLlama.prepare(context, code, byteCount: PassMemory.byteCount(sizes))
        (stream, module, kernels) = (made.stream, made.module, made.kernels)
        memory = PassMemory(sizes, in: made.buffer.range)
        owner = made.buffer
        inbox = HostWindow.make(byteCount: 3 * 4 * passTokenCount)
        outbox = HostWindow.make(byteCount: 4 * shape.vocabularyCount)
        let rotations = Llama.rotations(shape, positions: contextCount)
        let window = HostWindow.make(byteCount: 4 * rotations.count)
        window.withBytes { bytes in rotations.withUnsafeBytes { bytes.copyMemory(from: $0) } }
        let copied = try await context.copyIn(window, to: try memory.range(.rotations), on: stream)
        try await context.completed(copied)
    }

    private struct Prepared: ~Copyable {
        let stream: DeviceStream
        let module: DeviceModule
        let kernels: [String: DeviceKernel]
        let buffer: DeviceBuffer
    }

    private static func prepare(
        _ context: isolated any GPUContext, _ code: ModuleImage, byteCount: Int
    ) throws -> Prepared {
        let module = try context.load(code)
        var kernels: [String: DeviceKernel] = [:]
        for name in ["embed", "norm", "multiply", "rotate", "attend", "gate"] {
            kernels[name] = try context.kernel("model_" + name, in: module)
        }
        return Prepared(
            stream: try context.makeStream(), module: module, kernels: kernels,
            buffer: try context.allocate(byteCount: byteCount))
    }

    /// Takes `steps` in, at most `passTokenCount`, and returns the logits of those that want them, in order.
    func run(_ steps: [Llama.Step]) async throws -> [[Float]] {
        precondition(!steps.isEmpty && steps.count <= passTokenCount, "a pass takes 1 to \(passTokenCount) tokens")
        inbox.withBytes { bytes in
            let numbers = bytes.assumingMemoryBound(to: UInt32.self)
            for (index, step) in steps.enumerated() {
                numbers[index] = UInt32(step.token)
                numbers[passTokenCount + index] = UInt32(step.position)
                numbers[2 * passTokenCount + index] = UInt32(step.slot)
            }
        }
        let pass = DevicePass(
            shape: shape, memory: memory, stream: stream, kernels: kernels, contextCount: contextCount,
            slotCount: slotCount, tokenCount: steps.count)
        try await context.completed(try await pass.submit(to: context, inbox, weights))
        var logits: [[Float]] = []
        for index in steps.indices where steps[index].wantsLogits {
            try await context.completed(try await pass.submitLogits(to: context, after: index, weights, outbox))
            logits.append(outbox.withBytes { Array($0.assumingMemoryBound(to: Float.self)) })
        }
        return logits
    }

    // MARK: Cache

    /// As `PassRunner.cached`.
    func cached(slot: Int, count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for range in try cacheRanges(slot, count) {
            let window = HostWindow.make(byteCount: range.byteCount)
            try await context.completed(try await context.copyOut(range, to: window, on: stream))
            bytes += window.withBytes { Array($0) }
        }
        return bytes
    }

    /// As `PassRunner.putCached`.
    func putCached(_ bytes: [UInt8], slot: Int, count: Int) async throws {
        let window = HostWindow.make(byteCount: bytes.count)
        window.withBytes { bytes.withUnsafeBytes($0.copyMemory) }
        for (index, range) in try cacheRanges(slot, count).enumerated() {
            let part = try window.slice(index * range.byteCount, range.byteCount)
            try await context.completed(try await context.copyIn(part, to: range, on: stream))
        }
    }

    private func cacheRanges(_ slot: Int, _ count: Int) throws(DeviceError) -> [DeviceRange] {
        guard count > 0 else { return [] }
        let rowBytes = shape.keyWidth * 2
        var ranges: [DeviceRange] = []
        for half in 0..<shape.layerCount * 2 {
            let first = (half * slotCount + slot) * contextCount
            ranges.append(try memory.range(.cache, at: first * rowBytes, count * rowBytes))
        }
        return ranges
    }

    /// Gives back stream and code; the memory goes with the value.
    func close() async throws(DeviceError) {
        try await context.destroy(stream)
        try await context.unload(module)
    }
}
