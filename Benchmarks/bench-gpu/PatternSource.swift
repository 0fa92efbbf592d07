import GPUServeKit

/// A model of equal regions whose bytes are computed as they are read, so that no file of several GB is needed: a word is a
/// hash of its place, and does not compress.
struct PatternSource: SnapshotSource {
    let regions: [RegionDescription]
    let facts = ["source": "pattern"]
    /// Bytes of each region: a multiple of 8.
    let regionBytes: Int
    private let seed: UInt64
    /// Words that are others than in the base, by region.
    private let changes: [Set<Int>]

    /// `changedChunks` of all chunks of `chunkBytes` differ in their first word, spread evenly.
    init(regionCount: Int, regionBytes: Int, seed: UInt64, chunkBytes: Int = 8, changedChunks: Int = 0) {
        self.regionBytes = regionBytes
        self.seed = seed
        regions = (0..<regionCount).map {
            RegionDescription(
                name: "layers.\($0)", dtype: .bytes, shape: [regionBytes], byteCount: regionBytes, order: $0)
        }
        let perRegion = max(1, regionBytes / chunkBytes)
        var changes = [Set<Int>](repeating: [], count: regionCount)
        for index in 0..<changedChunks {
            let chunk = index * (regionCount * perRegion) / changedChunks
            changes[chunk / perRegion].insert(chunk % perRegion * chunkBytes / 8)
        }
        self.changes = changes
    }

    func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        fill(memory.buffer, region: index, at: offset)
    }

    /// `offset` is a multiple of 8.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer, region index: Int, at offset: Int) {
        let salt = seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(index) << 40
        let first = offset / 8
        let words = first..<first + buffer.count / 8
        for word in words {
            var mixed = salt &+ UInt64(word)
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            buffer.storeBytes(of: mixed ^ (mixed >> 31), toByteOffset: (word - first) * 8, as: UInt64.self)
        }
        for word in changes[index] where words.contains(word) {
            buffer.storeBytes(of: 0x5A5A_5A5A_5A5A_5A5A, toByteOffset: (word - first) * 8, as: UInt64.self)
        }
    }

    /// The checksum that a device is to find for each region.
    func checksums() -> [UInt64] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: regionBytes, alignment: 4096)
        defer { buffer.deallocate() }
        return regions.indices.map { index in
            fill(buffer, region: index, at: 0)
            return DeviceChecksum.of(UnsafeRawBufferPointer(buffer))
        }
    }
}
