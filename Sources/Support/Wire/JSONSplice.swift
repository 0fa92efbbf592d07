/// A set of edits to bytes: everything not edited stays as it is.
public struct JSONSplice: Sendable {
    private struct Edit: Sendable {
        let range: Range<Int>
        let bytes: [UInt8]
    }

    private var edits: [Edit] = []

    /// No edits.
    public init() {}

    /// Whether there are no edits.
    public var isEmpty: Bool { edits.isEmpty }

    /// Puts `bytes` in the place of `range`, which counts in the bytes before any edit.
    public mutating func replace(_ range: Range<Int>, with bytes: [UInt8]) {
        edits.append(Edit(range: range, bytes: bytes))
    }

    /// Puts `bytes` before the byte at `offset`. Several at one place come out in the order they were given, and
    /// before a replacement that begins there.
    public mutating func insert(_ bytes: [UInt8], at offset: Int) {
        replace(offset..<offset, with: bytes)
    }

    /// Takes out `range`.
    public mutating func remove(_ range: Range<Int>) {
        replace(range, with: [])
    }

    /// The edited bytes. Edits may have been given in any order; that two of them overlap, or reach outside `bytes`,
    /// is a bug of the caller and traps.
    public func apply(to bytes: [UInt8]) -> [UInt8] {
        guard !edits.isEmpty else { return bytes }
        let sorted = edits.enumerated().sorted { left, right in
            let (a, b) = (left.element.range, right.element.range)
            return (a.lowerBound, a.upperBound, left.offset) < (b.lowerBound, b.upperBound, right.offset)
        }
        var output: [UInt8] = []
        let growth = edits.reduce(0) { $0 + $1.bytes.count - $1.range.count }
        output.reserveCapacity(max(bytes.count + growth, 0))
        var copied = 0
        for (_, edit) in sorted {
            precondition(edit.range.lowerBound >= copied, "two edits overlap")
            output.append(contentsOf: bytes[copied..<edit.range.lowerBound])
            output.append(contentsOf: edit.bytes)
            copied = edit.range.upperBound
        }
        output.append(contentsOf: bytes[copied...])
        return output
    }
}
