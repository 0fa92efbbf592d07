internal import CHash
internal import Wire

/// The SHA-256 of some bytes: what chunks and snapshots are named by.
///
/// SHA-256 because the object store's signature covers the same hash of the same bytes (`x-amz-content-sha256`), so it is
/// made once, and because `sha256sum` can check it. Chunks are hashed whole, one chunk a core; no tree is needed.
public struct ContentHash: Sendable, Hashable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// The 32 bytes of a digest.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        func word(_ index: Int) -> UInt64 { bytes[index * 8..<index * 8 + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        words = (word(0), word(1), word(2), word(3))
    }

    /// A hash written as 64 lowercase hexadecimal digits; nil for anything else.
    public init?(hex text: some StringProtocol) {
        self.init(hex: Array(text.utf8)[...])
    }

    init?(hex digits: ArraySlice<UInt8>) {
        guard digits.count == 64 else { return nil }
        var parts: [UInt64] = []
        var start = digits.startIndex
        while start < digits.endIndex {
            guard let word = Hex.word(digits[start..<start + 16]) else { return nil }
            parts.append(word)
            start += 16
        }
        words = (parts[0], parts[1], parts[2], parts[3])
    }

    /// The hash of `memory`. With the processor's SHA instructions about 2 GB/s on one core.
    public init(of memory: Memory) {
        var digest = [UInt8](repeating: 0, count: 32)
        chash_sha256_of(memory.base, memory.count, &digest)
        self.init(bytes: digest)!
    }

    /// The hash of `bytes`.
    public init(of bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { ContentHash(of: Memory($0)) }
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
        }
    }

    /// 64 lowercase hexadecimal digits.
    public var hex: String { SHA256.hex(bytes) }

    /// Equal when all 32 bytes are.
    public static func == (left: ContentHash, right: ContentHash) -> Bool { left.words == right.words }

    /// Feeds all 32 bytes.
    public func hash(into hasher: inout Hasher) {
        // The bytes are uniform already; one word tells hashes apart.
        hasher.combine(words.0)
    }
}

extension ContentHash: Comparable, CustomStringConvertible {
    /// By the bytes, first byte first.
    public static func < (left: ContentHash, right: ContentHash) -> Bool { left.words < right.words }
    /// Same as `hex`.
    public var description: String { hex }
}

/// The name of a snapshot: the SHA-256 that its manifest ends with. The same content has the same name in every store.
public struct SnapshotID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The hash of the manifest.
    public let hash: ContentHash

    /// The snapshot whose manifest has `hash`.
    public init(_ hash: ContentHash) { self.hash = hash }

    /// An identifier as the command line gives it. Throws `unsafeName` for anything but 64 hexadecimal digits, so that an
    /// identifier can never name another file.
    public init(_ text: String) throws(SnapshotError) {
        guard let hash = ContentHash(hex: text) else {
            throw SnapshotError(
                .unsafeName, "a snapshot is named by 64 lowercase hexadecimal digits, not \(SafeName.show(text))")
        }
        self.hash = hash
    }

    /// By the hash.
    public static func < (left: SnapshotID, right: SnapshotID) -> Bool { left.hash < right.hash }
    /// 64 hexadecimal digits.
    public var description: String { hash.hex }
}

/// Lowercase hexadecimal.
enum Hex {
    /// The value of 16 digits.
    static func word(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard digits.count == 16 else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case 0x30...0x39: value = value << 4 | UInt64(digit - 0x30)
            case 0x61...0x66: value = value << 4 | UInt64(digit - 0x57)
            default: return nil
            }
        }
        return value
    }

    /// 16 digits.
    static func text(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
