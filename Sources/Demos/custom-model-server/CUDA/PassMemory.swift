import GPUServeKit
import ModelFiles

/// Where everything lies that a pass needs besides weights: parts of one allocation.
struct PassMemory: Sendable {
    enum Part: CaseIterable { case numbers, rotations, stream, normed, queries, keys, values, gate, up, logits, cache }

    /// A block's shared memory holds 32 floats and a score a position; 48 KiB of it are sure to be there.
    static let contextLimit = 48 * 1024 / 4 - 32

    private let memory: DeviceRange
    private let offsets: [Part: (start: Int, byteCount: Int)]

    /// Bytes of each part, for passes of at most `passTokenCount` tokens.
    static func sizes(_ shape: ModelShape, slotCount: Int, contextCount: Int, passTokenCount: Int) -> [Part: Int] {
        func floats(_ width: Int) -> Int { 4 * width * passTokenCount }
        return [
            .numbers: 3 * 4 * passTokenCount, .rotations: 4 * contextCount * shape.headSize,
            .stream: floats(shape.width), .normed: floats(max(shape.width, shape.queryWidth)),
            .queries: floats(shape.queryWidth), .keys: floats(shape.keyWidth), .values: floats(shape.keyWidth),
            .gate: floats(shape.innerWidth), .up: floats(shape.innerWidth), .logits: 4 * shape.vocabularyCount,
            // As in `KVCache`: [layer][keys, then values][slot][position][key width] of 2 bytes.
            .cache: shape.layerCount * 2 * slotCount * contextCount * shape.keyWidth * 2,
        ]
    }

    /// Bytes of all parts, each at a multiple of 256.
    static func byteCount(_ sizes: [Part: Int]) -> Int { sizes.values.reduce(0) { $0 + ($1 + 255) / 256 * 256 } }

    init(_ sizes: [Part: Int], in memory: DeviceRange) {
        self.memory = memory
        var offsets: [Part: (start: Int, byteCount: Int)] = [:]
        var end = 0
        for part in Part.allCases {
            let byteCount = sizes[part] ?? 0
            offsets[part] = (end, byteCount)
            end += (byteCount + 255) / 256 * 256
        }
        self.offsets = offsets
    }

    /// The memory of a part, or of some of its bytes.
    func range(_ part: Part, at offset: Int = 0, _ byteCount: Int? = nil) throws(DeviceError) -> DeviceRange {
        let (start, whole) = offsets[part] ?? (0, 0)
        return try memory.slice(start, whole).slice(offset, byteCount ?? whole - offset)
    }
}
