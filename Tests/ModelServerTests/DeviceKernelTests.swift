import CEmulatedCuda
import CModelKernels
import GPUServeKit
import ModelFiles
import Synchronization
import Testing

@testable import custom_model_server

/// The CUDA kernels, compiled for the host and run thread by thread (a fake GPU), and the launches that use them, against the
/// arithmetic of the CPU.
@Suite struct DeviceKernelTests {
    /// Functions of the names in `model.ptx`.
    static let code = ModuleImage(
        name: "emulated model.cu",
        code: .host(
            Dictionary(
                uniqueKeysWithValues: ["embed", "norm", "multiply", "rotate", "attend", "gate"].map { name in
                    let kernel: HostKernel = { shape, arguments in launch("model_" + name, shape, arguments) }
                    return ("model_" + name, kernel)
                })))

    private static func launch(_ name: String, _ shape: LaunchShape, _ arguments: [HostKernelArgument]) {
        // The emulator keeps its state in globals.
        emulator.withLock { _ in
            let bits = arguments.map { argument -> UInt64 in
                switch argument {
                case .memory(let window): UInt64(UInt(bitPattern: window.base))
                case .bits(let bits): bits
                }
            }
            let known = emulated_launch(name, shape.grid.x, shape.block.x, shape.sharedBytes, bits, Int32(bits.count))
            #expect(known == 1, "\(name) takes other arguments than these \(bits.count)")
        }
    }
    private static let emulator = Mutex(())

    @Test(arguments: KernelTests.types) func `products are those of the dequantized weights`(type: Int32) {
        let (rows, columns, tokens) = (11, 512, 6)
        var random = SystemRandomNumberGenerator()
        let rowBytes = mk_row_bytes(type, Int32(columns))
        var weights = (0..<rowBytes * rows).map { _ in UInt8.random(in: 0...255, using: &random) }
        KernelTests.makeFinite(&weights, type)
        let x = (0..<columns * tokens).map { _ in Float.random(in: -2...2, using: &random) }
        var y = [Float](repeating: 1, count: rows * tokens)
        var embedded = [Float](repeating: .nan, count: columns)
        weights.withUnsafeBytes { weights in
            x.withUnsafeBytes { x in
                y.withUnsafeMutableBytes { y in
                    Self.run(
                        "model_multiply", blocks: 2, threads: 256, shared: 0,
                        [
                            UInt64(type), Self.address(weights), UInt64(rowBytes), UInt64(columns), UInt64(rows),
                            Self.address(x), UInt64(tokens), Self.address(UnsafeRawBufferPointer(y)), 1,
                        ])
                }
            }
            let token: [UInt32] = [7]
            token.withUnsafeBytes { token in
                embedded.withUnsafeMutableBytes { embedded in
                    Self.run(
                        "model_embed", blocks: 1, threads: 32, shared: 0,
                        [
                            UInt64(type), Self.address(weights), UInt64(rowBytes), UInt64(columns),
                            Self.address(token), Self.address(UnsafeRawBufferPointer(embedded)),
                        ])
                }
            }
        }
        var row = [Float](repeating: 0, count: columns)
        for r in 0..<rows {
            weights.withUnsafeBytes { mk_dequantize(type, $0.baseAddress! + r * rowBytes, Int32(columns), &row) }
            if r == 7 { #expect(zip(embedded, row).allSatisfy { abs($0 - $1) <= abs($1) * 1e-5 + 1e-7 }) }
            for t in 0..<tokens {
                var (sum, size) = (1.0, 1.0)
                for c in 0..<columns {
                    let product = Double(row[c]) * Double(x[t * columns + c])
                    sum += product
                    size += abs(product)
                }
                #expect(abs(Double(y[t * rows + r]) - sum) <= size * 1e-5, "type \(type) row \(r) token \(t)")
            }
        }
    }

    private static func address(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        UInt64(UInt(bitPattern: bytes.baseAddress))
    }

    private static func run(_ name: String, blocks: UInt32, threads: UInt32, shared: UInt32, _ bits: [UInt64]) {
        emulator.withLock { _ in
            #expect(emulated_launch(name, blocks, threads, shared, bits, Int32(bits.count)) == 1)
        }
    }

    @Test func `a model on a device says what it says on the host`() async throws {
        let shape = ModelShape(
            layerCount: 2, width: 64, innerWidth: 96, headCount: 4, keyHeadCount: 2, headSize: 16, vocabularyCount: 50,
            contextCount: 32, ropeBase: 10_000, epsilon: 1e-5)
        let context = try HostContext()
        let model = try await RandomModel(shape, on: context)
        let host = Llama(
            shape, weights: model.weights, cache: KVCache(shape, slotCount: 2, contextCount: 32), passTokenCount: 8)
        let device = try await DeviceLlama(
            shape, weights: model.weights, on: context, code: Self.code, slotCount: 2, contextCount: 32,
            passTokenCount: 8)
        // Two sequences at once, a prompt first and then a token each.
        var passes = [
            (0..<5).map { Llama.Step(token: 3 + $0 * 7, position: $0, slot: 1, wantsLogits: $0 == 4) }
                + (0..<3).map { Llama.Step(token: 11 + $0, position: $0, slot: 0, wantsLogits: $0 == 2) }
        ]
        passes.append([
            Llama.Step(token: 42, position: 5, slot: 1, wantsLogits: true),
            Llama.Step(token: 0, position: 3, slot: 0, wantsLogits: true),
        ])
        for pass in passes {
            let (wanted, found) = (host.run(pass), try await device.run(pass))
            #expect(wanted.count == 2 && found.count == 2)
            for (one, other) in zip(wanted, found) {
                let worst = zip(one, other).map { abs($0 - $1) }.max() ?? .infinity
                // The host rounds queries and the sums of attention to half precision, as llama.cpp does; a device does not.
                #expect(worst < 0.02, "logits differ by \(worst)")
                #expect((one.max() ?? 0) - (one.min() ?? 0) > 1, "logits of a model that says something")
            }
        }
        try await context.close()
    }

    @Test func `a context that a block cannot hold is refused by name`() async throws {
        let shape = ModelShape(
            layerCount: 1, width: 32, innerWidth: 32, headCount: 1, keyHeadCount: 1, headSize: 32, vocabularyCount: 50,
            contextCount: 20_000, ropeBase: 10_000, epsilon: 1e-5)
        let context = try HostContext()
        let model = try await RandomModel(shape, on: context)
        let error = await #expect(throws: ModelError.self) {
            try await DeviceLlama(
                shape, weights: model.weights, on: context, code: Self.code, slotCount: 1, contextCount: 20_000)
        }
        #expect(error?.message.contains("at most 12256 tokens") == true)
        try await context.close()
    }
}

/// Random float weights in the memory of a context.
private struct RandomModel {
    let weights: Weights
    private let buffer: DeviceBufferBox

    init(_ shape: ModelShape, on context: HostContext) async throws {
        var names: [(String, [Int])] = [
            ("token_embd", [shape.vocabularyCount, shape.width]), ("output_norm", [shape.width]),
        ]
        for layer in 0..<shape.layerCount {
            let parts: [(String, [Int])] = [
                ("attn_norm", [shape.width]), ("attn_q", [shape.queryWidth, shape.width]),
                ("attn_k", [shape.keyWidth, shape.width]), ("attn_v", [shape.keyWidth, shape.width]),
                ("attn_output", [shape.width, shape.queryWidth]), ("ffn_norm", [shape.width]),
                ("ffn_gate", [shape.innerWidth, shape.width]), ("ffn_up", [shape.innerWidth, shape.width]),
                ("ffn_down", [shape.width, shape.innerWidth]),
            ]
            names += parts.map { ("blk.\(layer).\($0.0)", $0.1) }
        }
        let counts = names.map { $0.1.reduce(1, *) }
        let buffer = try await context.allocate(byteCount: 4 * counts.reduce(0, +))
        guard let window = try context.hostWindow(of: buffer.range) else { throw DeviceErrorOfTest() }
        let floats = window.base.assumingMemoryBound(to: Float.self)
        var generator = SplitMix(5)
        var places: [String: (UnsafeRawPointer, RegionDescription)] = [:]
        var start = 0
        for ((name, shape), count) in zip(names, counts) {
            for index in start..<start + count {
                let size = shape.count == 1 ? Float(0.5) : 2 / Float(shape[1]).squareRoot()
                floats[index] = .random(in: -size...size, using: &generator) + (shape.count == 1 ? 1 : 0)
            }
            places[name + ".weight"] = (
                UnsafeRawPointer(floats + start),
                RegionDescription(name: name + ".weight", dtype: DataType("F32"), shape: shape, byteCount: 4 * count)
            )
            start += count
        }
        weights = try Weights(shape) { places[$0].map { (base: $0.0, description: $0.1) } }
        self.buffer = DeviceBufferBox(buffer)
    }

    struct DeviceErrorOfTest: Error {}

    /// Keeps the memory.
    private final class DeviceBufferBox: Sendable {
        let buffer: DeviceBuffer
        init(_ buffer: consuming DeviceBuffer) { self.buffer = buffer }
    }
}

/// SplitMix64 (Steele et al. 2014).
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
