/// What one run found.
struct Figures {
    struct Figure {
        let name: String
        let value: Double
        /// What is wanted, in words; empty when the figure only stands beside others.
        let target: String
        /// Whether it is met.
        let isMet: Bool?

        var verdict: String { isMet.map { $0 ? "met" : "MISSED" } ?? "" }
    }

    var device = ""
    /// How many timed restores, switches and contexts stand behind the figures.
    var count = 0
    var notes: [String] = []
    private(set) var all: [Figure] = []
    /// Regions whose checksum, computed on the device, is not that of what was snapshot, and after what.
    var mismatches: [String] = []

    mutating func add(_ name: String, _ value: Double) {
        all.append(Figure(name: name, value: value, target: "", isMet: nil))
    }

    mutating func add(_ name: String, _ value: Double, atLeast limit: Double) {
        all.append(Figure(name: name, value: value, target: "at least \(limit)", isMet: value >= limit))
    }

    mutating func add(_ name: String, _ value: Double, below limit: Double) {
        all.append(Figure(name: name, value: value, target: "under \(limit)", isMet: value < limit))
    }

    subscript(_ name: String) -> Double? { all.first { $0.name == name }?.value }
}
