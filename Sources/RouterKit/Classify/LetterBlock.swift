/// ASCII letters at a place of a text, up to eight of them in one step: words are the most of every prompt.
///
/// Loads and masks as `Word` in Wire does, and does not call that: functions of another module are not inlined here, `@inlinable
/// package` ones neither, and the calls took 14,000 instructions for a prompt of 2 KB, a quarter of what all its words take.
struct LetterBlock {
    /// The letters in lower case, the first one lowest; zero where there are none.
    let letters: UInt64
    /// How many letters there are, 0...8.
    let count: Int
    let uppercaseCount: Int

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080
    private static let caseBits: UInt64 = 0x2020_2020_2020_2020

    /// Looks at `text` from `index` on.
    @inline(__always)
    init(_ text: Span<UInt8>, at index: Int) {
        if index &+ 8 <= text.count {
            // Bounds are checked; "unsafe" in the library's name is about the type.
            self.init(UInt64(littleEndian: text.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)))
        } else {
            var bytes: UInt64 = 0
            for place in index..<max(index, text.count) { bytes |= UInt64(text[place]) << UInt64(8 * (place - index)) }
            self.init(bytes)
        }
    }

    /// Looks at eight bytes, the first one lowest. "SIMD within a register": with the high bit of each byte set, none borrows
    /// from the next one.
    @inline(__always)
    init(_ bytes: UInt64) {
        let folded = bytes | Self.caseBits
        let raised = folded | Self.highs
        let atLeastA = raised &- Self.ones &* 0x61
        let beyondZ = raised &- Self.ones &* 0x7B
        let others = ~(atLeastA & ~beyondZ & ~bytes) & Self.highs
        count = others.trailingZeroBitCount &>> 3
        let mask = others == 0 ? UInt64.max : (1 &<< UInt64(truncatingIfNeeded: count &* 8)) &- 1
        letters = folded & mask
        // One bit a byte, added up in the highest one: without POPCNT, which not every x86-64 has, less than counting bits.
        uppercaseCount = Int(truncatingIfNeeded: (((~bytes & Self.caseBits & mask) &>> 5) &* Self.ones) &>> 56)
    }
}
