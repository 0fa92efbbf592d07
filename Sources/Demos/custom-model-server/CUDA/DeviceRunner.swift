import ModelFiles

/// A `DeviceLlama` as the engine's thread uses it, which waits for each pass.
final class DeviceRunner: PassRunner {
    private let model: DeviceLlama

    init(_ model: DeviceLlama) { self.model = model }

    var shape: ModelShape { model.shape }
    var passTokenCount: Int { model.passTokenCount }
    var contextCount: Int { model.contextCount }
    var slotCount: Int { model.slotCount }

    func run(_ steps: [Llama.Step]) throws -> [[Float]] {
        try Blocking.run { [model] in try await model.run(steps) }.get()
    }

    func cached(slot: Int, count: Int) throws -> [UInt8] {
        try Blocking.run { [model] in try await model.cached(slot: slot, count: count) }.get()
    }

    func putCached(_ bytes: [UInt8], slot: Int, count: Int) throws {
        guard count > 0 else { return }
        try Blocking.run { [model] in try await model.putCached(bytes, slot: slot, count: count) }.get()
    }
}
