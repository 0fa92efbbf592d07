/// An exact amount in US dollars. One unit is a picodollar (1e-12), so that a token at a price per million of them, and a
/// millisecond at a price per second, are whole numbers and sums never round.
public struct Money: Sendable, Hashable, Comparable {
    /// The amount in 1e-12 dollars.
    public var picodollars: Int128

    /// That many picodollars.
    public init(picodollars: Int128) { self.picodollars = picodollars }

    /// Nothing.
    public static let zero = Money(picodollars: 0)

    /// Which is less.
    public static func < (one: Money, other: Money) -> Bool { one.picodollars < other.picodollars }
    /// Their sum.
    public static func + (one: Money, other: Money) -> Money {
        Money(picodollars: one.picodollars + other.picodollars)
    }
    /// Adds to it.
    public static func += (one: inout Money, other: Money) { one = one + other }
}

extension Money: CustomStringConvertible {
    /// Dollars as an exact decimal: "0.00000135", "12".
    public var description: String {
        let scale: Int128 = 1_000_000_000_000
        let amount = picodollars.magnitude
        let (whole, rest) = amount.quotientAndRemainder(dividingBy: scale.magnitude)
        var text = (picodollars < 0 ? "-" : "") + String(whole)
        guard rest > 0 else { return text }
        var digits = String(rest)
        digits = String(repeating: "0", count: 12 - digits.count) + digits
        while digits.hasSuffix("0") { digits.removeLast() }
        text += "." + digits
        return text
    }
}
