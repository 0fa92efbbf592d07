import CWeights

/// What the learned classifier sees of a text: which hashed words and word pairs occur, and counts of its structure.
///
/// Stored inline, so that scanning allocates nothing. Any bytes will do. Training and inference use this one scan.
struct PromptScan: ~Copyable {
    /// Hashed words and pairs fall into this many buckets.
    static let bucketCount = 8_192
    /// Structural counts.
    static let countCount = 64
    /// Distinct buckets kept: more than a text of `Limits.classifiedTextBytes` has, unless its words are of one letter.
    static let mostBuckets = 1_024

    /// Distinct buckets in the order of their first occurrence.
    private(set) var buckets = InlineArray<1_024, UInt16>(repeating: 0)
    /// A wider hash of the same occurrence, for the measure of coverage.
    private(set) var marks = InlineArray<1_024, UInt16>(repeating: 0)
    /// Valid entries of `buckets` and `marks`.
    private(set) var bucketsCount = 0
    /// Structural counts, raw.
    var counts = InlineArray<64, Float>(repeating: 0)
    /// Words, repeated ones included.
    private(set) var wordsCount = 0
    /// Control characters and U+FFFD, which stands for what was not UTF-8.
    private(set) var garbageCount = 0
    /// Bytes outside ASCII.
    private(set) var foreignCount = 0

    private var seen = InlineArray<128, UInt64>(repeating: 0)

    /// Scans `text`, of any bytes.
    init(_ text: Span<UInt8>) {
        var lengths = StructureCounts()
        var previous = Self.noWord
        var index = 0
        let end = text.count
        while index < end {
            let byte = text[index]
            guard Self.isWord(byte) else {
                lengths.mark(byte, at: index, in: text)
                if byte < 0x20, byte != 0x0A, byte != 0x0D, byte != 0x09 || byte == 0x7F { garbageCount += 1 }
                index += 1
                continue
            }
            var hash = Self.emptyWord
            let start = index
            while index < end, Self.isWord(text[index]) {
                let letter = text[index]
                if letter >= 0x80 {
                    foreignCount += 1
                    if letter == 0xEF, index + 2 < end, text[index + 1] == 0xBF, text[index + 2] == 0xBD {
                        garbageCount += 1
                    }
                }
                hash = Self.hashed(hash, Self.folded(letter))
                index += 1
            }
            hash = Self.mix(hash)
            let isNew = add(hash)
            add(Self.paired(previous, hash))
            previous = hash
            wordsCount += 1
            lengths.word(text, start, index, isNew: isNew)
        }
        lengths.finish(text, words: wordsCount, foreign: foreignCount, into: &counts)
    }

    /// Adds a hash; `true` when its bucket is new.
    @discardableResult
    private mutating func add(_ hash: UInt32) -> Bool {
        let bucket = Int(Self.bucket(hash))
        let bit: UInt64 = 1 << UInt64(bucket & 63)
        guard seen[bucket >> 6] & bit == 0, bucketsCount < Self.mostBuckets else { return false }
        seen[bucket >> 6] |= bit
        buckets[bucketsCount] = UInt16(bucket)
        marks[bucketsCount] = UInt16(truncatingIfNeeded: hash >> 16)
        bucketsCount += 1
        return true
    }

    /// Sums rows of 32 signed bytes over the buckets present.
    func sum(_ rows: [SIMD32<Int8>]) -> SIMD32<Float> {
        var sums = SIMD32<Int32>(repeating: 0)
        buckets.span.withUnsafeBufferPointer { buckets in
            withUnsafeMutableBytes(of: &sums) { sums in
                ckernels_sum32(
                    rows, buckets.baseAddress, bucketsCount, sums.baseAddress!.assumingMemoryBound(to: Int32.self))
            }
        }
        return SIMD32<Float>(sums)
    }

    /// Sums rows of 16 signed bytes over the buckets present.
    func sum(_ rows: [SIMD16<Int8>]) -> SIMD16<Float> {
        var sums = SIMD16<Int32>(repeating: 0)
        buckets.span.withUnsafeBufferPointer { buckets in
            withUnsafeMutableBytes(of: &sums) { sums in
                ckernels_sum16(
                    rows, buckets.baseAddress, bucketsCount, sums.baseAddress!.assumingMemoryBound(to: Int32.self))
            }
        }
        return SIMD16<Float>(sums)
    }

    /// The value of each bucket present: rows have unit norm.
    var value: Float { bucketsCount == 0 ? 0 : 1 / Float(bucketsCount).squareRoot() }

    static func isWord(_ byte: UInt8) -> Bool {
        (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5A)
            || byte >= 0x80
    }

    /// The hash before a word's first byte (FNV-1a with another beginning).
    static let emptyWord: UInt32 = 0x1234_5679
    /// What stands before the first word.
    static let noWord: UInt32 = 7

    /// A byte as words are compared: small letters, all digits alike.
    @inline(__always)
    static func folded(_ byte: UInt8) -> UInt8 {
        if byte >= 0x41, byte <= 0x5A { return byte | 0x20 }
        return byte >= 0x30 && byte <= 0x39 ? 0x30 : byte
    }

    /// A word's hash with one byte more.
    @inline(__always)
    static func hashed(_ hash: UInt32, _ byte: UInt8) -> UInt32 { (hash ^ UInt32(byte)) &* 16_777_619 }

    /// The hash of two words that follow each other.
    @inline(__always)
    static func paired(_ previous: UInt32, _ hash: UInt32) -> UInt32 { mix(previous &* 31 &+ hash) }

    /// The bucket of a hash.
    @inline(__always)
    static func bucket(_ hash: UInt32) -> UInt16 { UInt16(hash & UInt32(bucketCount - 1)) }

    /// The finaliser of MurmurHash3 with other constants: spreads what FNV-1a leaves in the high bits.
    static func mix(_ hash: UInt32) -> UInt32 {
        var mixed = hash
        mixed ^= mixed >> 16
        mixed = mixed &* 0x7FEB_352D
        mixed ^= mixed >> 15
        mixed = mixed &* 0x846C_A68B
        return mixed ^ (mixed >> 16)
    }
}
