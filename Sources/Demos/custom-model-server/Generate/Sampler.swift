import Glibc

/// Chooses a token from logits: the likeliest at temperature 0, else by chance among the likeliest that together reach `topP`
/// (nucleus sampling, arXiv 1904.09751). The same seed chooses the same.
struct Sampler: Sendable {
    var temperature: Double
    var topP: Double
    /// State of splitmix64.
    private(set) var state: UInt64

    init(temperature: Double, topP: Double, seed: UInt64) {
        (self.temperature, self.topP, state) = (temperature, topP, seed)
    }

    mutating func choose(_ logits: [Float]) -> Int {
        var best = 0
        for id in logits.indices where logits[id] > logits[best] { best = id }
        guard temperature > 0 else { return best }
        let scale = 1 / temperature
        let top = Double(logits[best])
        var total = 0.0
        var likely: [(id: Int, weight: Double)] = []
        for id in logits.indices {
            let weight = exp((Double(logits[id]) - top) * scale)
            total += weight
            // What is a millionth as likely as the best is never chosen.
            if weight > 1e-6 { likely.append((id, weight)) }
        }
        likely.sort { ($1.weight, $0.id) < ($0.weight, $1.id) }
        var kept = 0.0
        var count = 0
        while count < likely.count, count == 0 || kept < topP * total {
            kept += likely[count].weight
            count += 1
        }
        var mark = uniform() * kept
        for (id, weight) in likely[..<count] {
            mark -= weight
            if mark < 0 { return id }
        }
        return likely[count - 1].id
    }

    /// From 0 up to 1.
    private mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Double((mixed ^ mixed >> 31) >> 11) / Double(1 << 53)
    }
}
