/// In which order a forward pass needs tensors, guessed from their names: embeddings, then layer by layer as numbers count
/// (`layers.2` before `layers.10`), then the rest, such as the last norm and the head.
enum NeedOrder {
    /// For each name its place in the order, from 0; tensors of one layer share theirs.
    static func orders(of names: [String]) -> [Int] {
        let keys = names.map(key)
        var places: [Key: Int] = [:]
        for key in Set(keys).sorted() { places[key] = places.count }
        return keys.map { places[$0]! }
    }

    private struct Key: Hashable, Comparable {
        /// 0 embeddings, 1 layers, 2 the rest.
        var phase: Int
        var layer: Int

        static func < (left: Key, right: Key) -> Bool { (left.phase, left.layer) < (right.phase, right.layer) }
    }

    private static func key(_ name: String) -> Key {
        let parts = name.utf8.split(whereSeparator: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "/") })
        // The first component that is a number is the layer.
        for part in parts where part.allSatisfy({ (0x30...0x39).contains($0) }) {
            return Key(phase: 1, layer: Int(Substring(part)) ?? .max)
        }
        let lowered = name.lowercased()
        return Key(
            phase: lowered.contains("emb") || lowered.contains("wte") || lowered.contains("wpe") ? 0 : 2, layer: 0)
    }
}
