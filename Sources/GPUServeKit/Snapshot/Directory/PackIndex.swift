/// Where one chunk lies in a pack.
struct PackEntry: Sendable, Hashable {
    let chunk: ChunkRef
    let offset: Int

    /// The bytes that the entry takes in the pack.
    var span: Range<Int> { offset..<offset + chunk.byteCount.roundedUp(to: PageBuffer.alignment) }
}

/// The file beside a pack that says where its chunks are: a magic of 8 bytes, the number of entries, then for each entry
/// hash, checksum, offset and length, all numbers of 8 bytes, lowest first; at the end the SHA-256 of everything before.
enum PackIndex {
    private static let magic = Array("gskpack1".utf8)
    /// Length of an entry.
    static let entryBytes = 56

    static func encode(_ entries: [PackEntry]) -> [UInt8] {
        var bytes = magic
        bytes.reserveCapacity(16 + entries.count * entryBytes + 32)
        append(UInt64(entries.count), to: &bytes)
        for entry in entries { bytes += record(entry) }
        bytes += ContentHash(of: bytes).bytes
        return bytes
    }

    /// Reads the entries back. `packBytes` is the length of the pack, in which all of them must lie.
    static func decode(_ bytes: [UInt8], packBytes: Int, file: String) throws(SnapshotError) -> [PackEntry] {
        guard bytes.count >= 48, bytes.starts(with: magic),
            Array(bytes.suffix(32)) == ContentHash(of: Array(bytes.dropLast(32))).bytes
        else { throw damaged("it does not have its checksum", file) }
        let count = number(bytes, 8)
        guard count == UInt64((bytes.count - 48) / entryBytes), (bytes.count - 48) % entryBytes == 0 else {
            throw damaged("its length does not fit its count", file)
        }
        var entries: [PackEntry] = []
        for index in 0..<Int(count) {
            let at = 16 + index * entryBytes
            guard let entry = entry(bytes, at: at, packBytes: packBytes) else {
                throw damaged("an entry lies outside the pack", file, at)
            }
            entries.append(entry)
        }
        return entries
    }

    /// One entry: hash, checksum, offset, length.
    static func record(_ entry: PackEntry) -> [UInt8] {
        var bytes = entry.chunk.hash.bytes
        append(entry.chunk.crc64, to: &bytes)
        append(UInt64(entry.offset), to: &bytes)
        append(UInt64(entry.chunk.byteCount), to: &bytes)
        return bytes
    }

    /// The entry at `at`, where there are `entryBytes` bytes; nil when it does not lie in a pack of `packBytes`.
    static func entry(_ bytes: [UInt8], at: Int, packBytes: Int) -> PackEntry? {
        guard let hash = ContentHash(bytes: Array(bytes[at..<at + 32])),
            let offset = Int(exactly: number(bytes, at + 40)), let length = Int(exactly: number(bytes, at + 48)),
            length > 0, length <= packBytes, offset <= packBytes - length, offset % PageBuffer.alignment == 0
        else { return nil }
        return PackEntry(
            chunk: ChunkRef(hash: hash, crc64: number(bytes, at + 32), byteCount: length), offset: offset)
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func number(_ bytes: [UInt8], _ at: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64($1 * 8) }
    }

    private static func damaged(_ detail: String, _ file: String, _ offset: Int? = nil) -> SnapshotError {
        SnapshotError(
            .chunkCorrupt, "the index of a pack is damaged (\(detail)): its chunks must come from another store",
            file: file, offset: offset)
    }
}
