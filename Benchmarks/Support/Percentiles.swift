/// Order statistics of one set of measurements.
public struct Percentiles: Sendable {
    private let sorted: [Double]

    /// Sorts `samples`, which must not be empty and must hold no NaN.
    public init(_ samples: [Double]) {
        precondition(!samples.isEmpty, "percentiles of no samples")
        sorted = samples.sorted()
    }

    /// The number of samples.
    public var count: Int { sorted.count }

    /// The smallest sample at or below which `fraction` of all samples lie (nearest-rank method).
    ///
    /// - Parameter fraction: 0...1, for example 0.99.
    public subscript(_ fraction: Double) -> Double {
        precondition((0...1).contains(fraction), "a percentile lies in 0...1")
        let rank = Int((fraction * Double(sorted.count)).rounded(.up))
        return sorted[max(0, min(sorted.count - 1, rank - 1))]
    }

    /// The arithmetic mean.
    public var mean: Double { sorted.reduce(0, +) / Double(sorted.count) }
}
