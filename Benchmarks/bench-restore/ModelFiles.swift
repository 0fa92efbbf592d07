import Foundation
import GPUServeKit

/// Safetensors files in the shape of a decoder model, with bytes that do not compress, and variants of them.
enum ModelFiles {
    /// Writes a file of about `byteCount` bytes: an embedding and layers of seven matrices and two norms.
    static func write(_ path: String, byteCount: Int, seed: UInt64) throws {
        if let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int, size >= byteCount {
            return
        }
        let hidden = 2048
        let matrices = [("q", 1), ("k", 1), ("v", 1), ("o", 1), ("gate", 4), ("up", 4), ("down", 4)]
        var tensors: [(name: String, rows: Int)] = [("model.embed_tokens.weight", 8192)]
        var total = 8192 * hidden * 2
        var layer = 0
        while total < byteCount {
            for (name, factor) in matrices where total < byteCount {
                let rows = min(hidden * factor, max(1, (byteCount - total) / (hidden * 2)))
                tensors.append(("model.layers.\(layer).\(name).weight", rows))
                total += rows * hidden * 2
            }
            for name in ["input_norm", "post_norm"] { tensors.append(("model.layers.\(layer).\(name).weight", 1)) }
            total += 2 * hidden * 2
            layer += 1
        }
        var header = "{"
        var offset = 0
        for tensor in tensors {
            let end = offset + tensor.rows * hidden * 2
            header += offset == 0 ? "" : ","
            header +=
                "\"\(tensor.name)\":{\"dtype\":\"BF16\",\"shape\":[\(tensor.rows),\(hidden)],"
                + "\"data_offsets\":[\(offset),\(end)]}"
            offset = end
        }
        header += "}"
        while header.utf8.count % 8 != 0 { header += " " }
        let file = fopen(path + ".part", "w")!
        defer { fclose(file) }
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { _ = fwrite($0.baseAddress, 1, 8, file) }
        _ = Array(header.utf8).withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
        var words = [UInt64](repeating: 0, count: 1 << 20)
        var state = seed
        var left = offset
        while left > 0 {
            for index in words.indices {
                state &+= 0x9E37_79B9_7F4A_7C15
                var word = state
                word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
                words[index] = word ^ (word >> 27)
            }
            let count = min(left, words.count * 8)
            guard words.withUnsafeBytes({ fwrite($0.baseAddress, 1, count, file) }) == count else {
                throw POSIXError(.ENOSPC)
            }
            left -= count
        }
        fflush(file)
        fsync(fileno(file))
        try FileManager.default.moveItem(atPath: path + ".part", toPath: path)
    }

    /// Adds a snapshot that differs from `base` in `share` of its chunks, chosen by `seed`, by storing only those.
    static func variant(
        of base: SnapshotManifest, in store: any SnapshotStore, share: Double, seed: UInt64
    ) async throws -> (id: SnapshotID, storedBytes: Int) {
        var generator = Generator(state: seed)
        let places = base.regions.indices.flatMap { region in
            base.regions[region].content.chunks.indices.map { (region, $0) }
        }.filter { base.regions[$0.0].content.chunks[$0.1].byteCount > 1 << 20 }
        let total = base.regions.reduce(0) { $0 + $1.content.chunks.count }
        let changed = places.shuffled(using: &generator).prefix(max(1, Int(Double(total) * share)))
        let upload = try await store.begin()
        var manifest = base
        manifest.name = "variant-\(seed)"
        var contents = base.regions.map(\.content.chunks)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: base.chunkBytes, alignment: 4096)
        defer { buffer.deallocate() }
        var storedBytes = 0
        for (region, index) in changed {
            let old = contents[region][index]
            let memory = MutableMemory(UnsafeMutableRawBufferPointer(rebasing: buffer[..<old.byteCount]))
            try await store.read(old, into: memory)
            memory.buffer.storeBytes(of: seed, toByteOffset: 4096, as: UInt64.self)
            let chunk = ChunkRef(of: Memory(memory))
            if try await upload.put(chunk, Memory(memory)) { storedBytes += chunk.byteCount }
            contents[region][index] = chunk
        }
        for chunk in base.distinctChunks { _ = try await upload.keep(chunk) }
        for (index, chunks) in contents.enumerated() {
            manifest.regions[index].content = SnapshotManifest.Content(chunks: chunks)
        }
        return (try await upload.commit(manifest), storedBytes)
    }

    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
            return word ^ (word >> 31)
        }
    }
}
