/// Counts of non-negative values in buckets that grow with the value: bounded memory for any number of values.
///
/// Values up to 32 have a bucket each, above that 32 buckets per power of two, so that a percentile is at most
/// 1/32 (3.2 %) above the true value.
struct Histogram: Sendable, Hashable {
    private static let perOctave = 32
    private var buckets: [Int] = []
    private(set) var count = 0
    private(set) var largest: UInt64 = 0

    mutating func add(_ value: UInt64) {
        let index = Self.index(of: value)
        if index >= buckets.count { buckets += [Int](repeating: 0, count: index + 1 - buckets.count) }
        buckets[index] += 1
        count += 1
        largest = max(largest, value)
    }

    /// A value that `share` (0...1) of the values do not exceed; `nil` without values.
    func percentile(_ share: Double) -> UInt64? {
        guard count > 0 else { return nil }
        let rank = max(1, Int((share * Double(count)).rounded(.up)))
        var seen = 0
        for (index, inBucket) in buckets.enumerated() {
            seen += inBucket
            if seen >= rank { return min(largest, Self.upperBound(of: index)) }
        }
        return largest
    }

    private static func index(of value: UInt64) -> Int {
        guard value >= UInt64(perOctave) else { return Int(value) }
        let octave = 63 - value.leadingZeroBitCount
        // The five bits after the leading one.
        let step = Int((value >> (octave - 5)) & 31)
        return perOctave + (octave - 5) * perOctave + step
    }

    private static func upperBound(of index: Int) -> UInt64 {
        guard index >= perOctave else { return UInt64(index) }
        let octave = (index - perOctave) / perOctave + 5
        let step = UInt64((index - perOctave) % perOctave)
        return ((32 + step) << (octave - 5)) + ((UInt64(1) << (octave - 5)) - 1)
    }
}
