internal import CHash

/// What a manifest knows of one chunk: its name, its fast checksum and its length.
public struct ChunkRef: Sendable, Hashable {
    /// SHA-256 of the bytes: the chunk's name in every store.
    public let hash: ContentHash
    /// CRC-64/NVME of the bytes, checked on every restore.
    public let crc64: UInt64
    /// Number of bytes, at least 1.
    public let byteCount: Int

    /// A chunk that is known from elsewhere.
    public init(hash: ContentHash, crc64: UInt64, byteCount: Int) {
        self.hash = hash
        self.crc64 = crc64
        self.byteCount = byteCount
    }

    /// The chunk that `memory` holds.
    public init(of memory: Memory) {
        self.init(hash: ContentHash(of: memory), crc64: Checksum.crc64(memory), byteCount: memory.count)
    }

    /// Throws `chunkCorrupt` unless `memory` holds this chunk, by its fast checksum.
    public func verify(_ memory: Memory, in place: String) throws(SnapshotError) {
        guard memory.count == byteCount, Checksum.crc64(memory) == crc64 else {
            throw SnapshotError(
                .chunkCorrupt, "chunk \(hash.hex) does not have its checksum; take it from another store", file: place)
        }
    }

    /// `SHA256:CRC64:BYTES`, as it stands in a manifest.
    var text: String { "\(hash.hex):\(Hex.text(crc64)):\(byteCount)" }

    /// Reads `text` back; nil when it is not exactly that.
    init?(text: [UInt8]) {
        let colon = UInt8(ascii: ":")
        guard text.count > 82, text.count <= 100, text[64] == colon, text[81] == colon,
            let hash = ContentHash(hex: text[..<64]), let crc64 = Hex.word(text[65..<81]),
            text[82] != UInt8(ascii: "0"), text[82...].allSatisfy({ (0x30...0x39).contains($0) }),
            let byteCount = Int(String(decoding: text[82...], as: UTF8.self))
        else { return nil }
        self.init(hash: hash, crc64: crc64, byteCount: byteCount)
    }
}

/// The checksum of restores: CRC-64/NVME, which finds every flipped burst of up to 64 bits and costs a fraction of the
/// read it checks. It protects against faults, not against an adversary: that is what `ContentHash` is for.
public enum Checksum {
    /// CRC-64/NVME of `memory`, continuing `crc` (0 to begin). Fastest on pieces that are still in the core's cache, so
    /// check what was read in pieces of a megabyte or less.
    public static func crc64(_ memory: Memory, continuing crc: UInt64 = 0) -> UInt64 {
        chash_crc64(crc, memory.base, memory.count)
    }

    /// Copies `source` to `target`, which is as long and elsewhere, and gives its CRC-64/NVME like `crc64`, in one pass. The
    /// copy goes past the core's cache: good for places that are longer than it and that nobody reads next.
    static func copy(_ source: Memory, to target: MutableMemory, continuing crc: UInt64 = 0) -> UInt64 {
        precondition(source.count == target.count, "a copy of \(source.count) bytes into \(target.count)")
        return chash_copy_crc64(crc, target.base, source.base, source.count)
    }
}
