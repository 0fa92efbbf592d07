import ModelFiles

/// Keys and values of the sequences in flight, as half-precision floats. Pages are taken as sequences grow into them.
///
/// Shape: [layer][keys, then values][slot][position][key width]. A slot holds one sequence. The engine's thread alone uses it.
final class KVCache {
    let shape: ModelShape
    let slotCount: Int
    /// The most tokens of a sequence.
    let contextCount: Int
    private let base: UnsafeMutablePointer<UInt16>

    init(_ shape: ModelShape, slotCount: Int, contextCount: Int) {
        (self.shape, self.slotCount, self.contextCount) = (shape, slotCount, contextCount)
        base = .allocate(capacity: shape.layerCount * 2 * slotCount * contextCount * shape.keyWidth)
    }

    deinit { base.deallocate() }

    /// The first `count` positions of a slot as bytes, [layer][keys, then values][position][key width].
    func bytes(slot: Int, count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for part in parts(slot) { bytes += UnsafeRawBufferPointer(start: part, count: count * shape.keyWidth * 2) }
        return bytes
    }

    /// Puts back what `bytes` gave, for `count` positions.
    func put(_ bytes: [UInt8], slot: Int, count: Int) {
        let partBytes = count * shape.keyWidth * 2
        guard count > 0 else { return }
        precondition(
            bytes.count == partBytes * shape.layerCount * 2 && count <= contextCount, "not that many positions")
        bytes.withUnsafeBytes { bytes in
            for (index, part) in parts(slot).enumerated() {
                UnsafeMutableRawPointer(part).copyMemory(
                    from: bytes.baseAddress! + index * partBytes, byteCount: partBytes)
            }
        }
    }

    private func parts(_ slot: Int) -> [UnsafeMutablePointer<UInt16>] {
        (0..<shape.layerCount).flatMap { [keys(layer: $0, slot: slot), values(layer: $0, slot: slot)] }
    }

    func keys(layer: Int, slot: Int) -> UnsafeMutablePointer<UInt16> { place(layer, 0, slot) }
    func values(layer: Int, slot: Int) -> UnsafeMutablePointer<UInt16> { place(layer, 1, slot) }

    private func place(_ layer: Int, _ half: Int, _ slot: Int) -> UnsafeMutablePointer<UInt16> {
        precondition(layer < shape.layerCount && slot < slotCount, "no such part of the cache")
        return base + ((layer * 2 + half) * slotCount + slot) * contextCount * shape.keyWidth
    }
}
