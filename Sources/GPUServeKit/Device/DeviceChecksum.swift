/// The checksum that devices compute over their own memory: 64 bits, made for thousands of threads.
///
/// The bytes are little-endian words of eight, the last one filled up with zeros. Each word, with its position mixed in, goes
/// through a bijection (the finaliser of SplitMix64, Steele, Lea and Flood 2014), and the results are added modulo 2^64; the
/// length is mixed in last. Addition has no order, so any split over threads gives the same sum, and since each word's
/// part is a bijection, damage within one word is always found; other damage escapes with a chance of about 2^-64.
/// It is no cryptographic hash: it finds accidents, not forgeries.
public enum DeviceChecksum {
    /// 2^64 divided by the golden ratio: the position's stride.
    static let stride: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// The checksum of bytes in host memory.
    public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        finish(sum(bytes, firstWord: 0), byteCount: bytes.count)
    }

    /// The sum over words whose first has the index `firstWord`; sums of consecutive pieces (of whole words) add up.
    static func sum(_ bytes: UnsafeRawBufferPointer, firstWord: Int) -> UInt64 {
        let wordCount = bytes.count / 8
        var total: UInt64 = 0
        var salt = UInt64(firstWord) &* stride
        for index in 0..<wordCount {
            salt &+= stride
            total &+= mix(bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self).littleEndian ^ salt)
        }
        guard bytes.count > wordCount * 8 else { return total }
        var last: UInt64 = 0
        for (shift, byte) in bytes[(wordCount * 8)...].enumerated() { last |= UInt64(byte) << (8 * UInt64(shift)) }
        return total &+ mix(last ^ (salt &+ stride))
    }

    static func finish(_ sum: UInt64, byteCount: Int) -> UInt64 { mix(sum ^ UInt64(byteCount)) }

    @inline(__always)
    static func mix(_ word: UInt64) -> UInt64 {
        var mixed = word
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
