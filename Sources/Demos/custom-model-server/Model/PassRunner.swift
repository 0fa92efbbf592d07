import ModelFiles

/// What runs passes of the model: `Llama` on the host, `DeviceRunner` on a GPU. The engine's thread alone uses it.
protocol PassRunner: AnyObject {
    var shape: ModelShape { get }
    /// The most tokens of a pass, the most of a sequence, and the most sequences.
    var passTokenCount: Int { get }
    var contextCount: Int { get }
    var slotCount: Int { get }

    /// Takes `steps` in, at most `passTokenCount`, and returns the logits of those that want them, in order.
    func run(_ steps: [Llama.Step]) throws -> [[Float]]
    /// Keys and values of the first `count` positions of a slot: [layer][keys, then values][position][key width], in halves.
    func cached(slot: Int, count: Int) throws -> [UInt8]
    /// Puts back what `cached` gave.
    func putCached(_ bytes: [UInt8], slot: Int, count: Int) throws
}

extension Llama: PassRunner {
    var contextCount: Int { cache.contextCount }
    var slotCount: Int { cache.slotCount }
    func cached(slot: Int, count: Int) -> [UInt8] { cache.bytes(slot: slot, count: count) }
    func putCached(_ bytes: [UInt8], slot: Int, count: Int) { cache.put(bytes, slot: slot, count: count) }
}
