import GPUServeKit
import Testing
import Wire

/// Model files as sources: what they hold, and what is said of broken ones.
@Suite struct ModelFileTests {
    static func safetensors(_ header: String, data: [UInt8], length: UInt64? = nil) -> [UInt8] {
        let text = Array(header.utf8)
        return ModelBytes.integer(length ?? UInt64(text.count), 8) + text + data
    }

    static let good = safetensors(
        """
        {"__metadata__": {"format": "pt"},
        "model.layers.10.w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [16, 40]},
        "model.layers.2.w": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]},
        "lm_head": {"dtype": "U8", "shape": [8], "data_offsets": [8, 16]},
        "model.embed_tokens": {"dtype": "F16", "shape": [0], "data_offsets": [40, 40]}}
        """, data: (0..<40).map { UInt8($0) })

    @Test func `safetensors become regions in order of need`() async throws {
        let scratch = try ScratchDirectory()
        let source = try SafetensorsSource(paths: [scratch.write(Self.good, "m.safetensors")])
        let order = source.regions.sorted { $0.order < $1.order }.map(\.name)
        #expect(order == ["model.embed_tokens", "model.layers.2.w", "model.layers.10.w", "lm_head"])
        #expect(source.facts == ["source": "safetensors", "format": "pt"])
        let store = MemorySnapshotStore(quotaBytes: 1 << 20)
        let made = try await store.create(from: source, SnapshotOptions(name: "m", chunkBytes: 4096))
        let region = try #require(made.manifest.regions.first { $0.name == "model.layers.10.w" })
        #expect(region.description.dtype == DataType("F32") && region.description.shape == [2, 3])
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 24, alignment: 8)
        defer { bytes.deallocate() }
        try await store.read(region.content.chunks[0], into: MutableMemory(bytes))
        #expect(Array(bytes) == Array(16..<40))
        #expect(made.manifest.hostState?.byteCount == Self.good.count - 40)
    }

    @Test func `a changed tensor changes its own chunks and no others`() async throws {
        let scratch = try ScratchDirectory()
        let store = MemorySnapshotStore(quotaBytes: 1 << 20)
        let options = SnapshotOptions(name: "m", chunkBytes: 4096)
        _ = try await store.create(from: try SafetensorsSource(paths: [scratch.write(Self.good, "a")]), options)
        var changed = Self.good
        changed[changed.count - 1] ^= 1
        let made = try await store.create(from: try SafetensorsSource(paths: [scratch.write(changed, "b")]), options)
        #expect(made.storedChunkCount == 1)
    }

    @Test func `several files are one model`() async throws {
        let scratch = try ScratchDirectory()
        let second = Self.safetensors(
            "{\"other\": {\"dtype\": \"U8\", \"shape\": [2], \"data_offsets\": [0, 2]}}", data: [1, 2])
        let paths = [scratch.write(Self.good, "1"), scratch.write(second, "2")]
        #expect(try SafetensorsSource(paths: paths).regions.count == 5)
    }

    @Test func `every cut of a safetensors file is named with file and offset`() throws {
        let scratch = try ScratchDirectory()
        for count in 0..<Self.good.count {
            let path = scratch.write(Array(Self.good[..<count]), "m")
            let error = #expect(throws: SnapshotError.self) { try SafetensorsSource(paths: [path]) }
            #expect(error?.code == .truncatedSource, "\(count) bytes: \(String(describing: error))")
            #expect(error?.file == path)
            #expect(error?.offset != nil)
        }
    }

    @Test(arguments: [
        (
            "{\"t\": {\"dtype\": \"U8\", \"shape\": [4398046511104], \"data_offsets\": [0, 4398046511104]}}",
            "truncatedSource"
        ),
        (
            "{\"t\": {\"dtype\": \"F64\", \"shape\": [4611686018427387904, 4], \"data_offsets\": [0, 8]}}",
            "malformedSource"
        ),
        (
            "{\"t\": {\"dtype\": \"U8\", \"shape\": [8], \"data_offsets\": [0, 18446744073709551616]}}",
            "malformedSource"
        ),
        ("{\"t\": {\"dtype\": \"U8\", \"shape\": [8], \"data_offsets\": [8, 0]}}", "malformedSource"),
        ("{\"t\": {\"dtype\": \"U8\", \"shape\": [7], \"data_offsets\": [0, 8]}}", "malformedSource"),
        ("{\"t\": {\"dtype\": \"U8\", \"shape\": [7], \"data_offsets\": [1, 8]}}", "malformedSource"),
        ("{\"t\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]}}", "malformedSource"),
        (
            "{\"t\": {\"dtype\": \"U8\", \"shape\": [8], \"data_offsets\": [0, 8]}, "
                + "\"u\": {\"dtype\": \"U8\", \"shape\": [2], \"data_offsets\": [4, 6]}}", "malformedSource"
        ),
        ("{\"t\": {\"dtype\": \"Z9\", \"shape\": [8], \"data_offsets\": [0, 8]}}", "unsupportedSource"),
        ("{\"t\": 5}", "malformedSource"), ("[]", "malformedSource"), ("{", "malformedSource"),
        ("{\"../../x\": {\"dtype\": \"U8\", \"shape\": [8], \"data_offsets\": [0, 8]}}", "unsafeName"),
        (
            "{\"t\": {\"dtype\": \"U8\", \"shape\": [8], \"data_offsets\": [0, 8]}, "
                + "\"t\": {\"dtype\": \"U8\", \"shape\": [0], \"data_offsets\": [8, 8]}}", "malformedSource"
        ),
    ])
    func `a lying safetensors header is named`(header: String, code: String) throws {
        let scratch = try ScratchDirectory()
        let path = scratch.write(Self.safetensors(header, data: [UInt8](repeating: 7, count: 8)), "m")
        let error = #expect(throws: SnapshotError.self) { try SafetensorsSource(paths: [path]) }
        #expect(error?.code.label == code, "\(String(describing: error))")
        #expect(error?.file == path && error?.offset != nil)
    }

    @Test func `a header that claims terabytes is refused by its length`() throws {
        let scratch = try ScratchDirectory()
        for length: UInt64 in [4 << 40, .max, 5_000] {
            let path = scratch.write(Self.safetensors("{}", data: [], length: length), "m")
            let error = #expect(throws: SnapshotError.self) { try SafetensorsSource(paths: [path]) }
            #expect(error?.offset == 0)
        }
    }

    @Test func `GGUF tensors become regions, slowest dimension first`() async throws {
        let scratch = try ScratchDirectory()
        let source = try GGUFSource(path: scratch.write(ModelBytes.gguf(), "m.gguf"))
        #expect(source.regions.map(\.name) == ["token_embd.weight", "blk.0.w"])
        #expect(source.regions[0].shape == [3, 32] && source.regions[0].dtype == DataType("Q8_0"))
        #expect(source.regions[0].byteCount == 102)
        #expect(source.facts == ["source": "gguf", "general.architecture": "llama"])
        let store = MemorySnapshotStore(quotaBytes: 1 << 20)
        let made = try await store.create(from: source, SnapshotOptions(name: "m", chunkBytes: 4096))
        #expect(try await store.verify(made.id) == [])
        #expect(made.manifest.regions[1].content.byteCount == 8)
    }

    @Test func `every cut of a GGUF file is named with file and offset`() throws {
        let scratch = try ScratchDirectory()
        let good = ModelBytes.gguf()
        for count in 0..<good.count {
            let path = scratch.write(Array(good[..<count]), "m")
            let error = #expect(throws: SnapshotError.self) { try GGUFSource(path: path) }
            #expect(
                [.truncatedSource, .malformedSource].contains(error?.code), "\(count): \(String(describing: error))")
            #expect(error?.file == path && error?.offset != nil)
        }
    }

    @Test(arguments: [
        ("tensors", "malformedSource"), ("pairs", "malformedSource"), ("string", "malformedSource"),
        ("array", "malformedSource"), ("dimension", "malformedSource"), ("offset", "truncatedSource"),
        ("overflow", "truncatedSource"), ("unaligned", "malformedSource"), ("type", "unsupportedSource"),
        ("version", "unsupportedSource"), ("row", "malformedSource"), ("overlap", "malformedSource"),
        ("alignment", "malformedSource"), ("rank", "malformedSource"), ("name", "unsafeName"),
    ])
    func `a lying GGUF header is named`(lie: String, code: String) throws {
        let scratch = try ScratchDirectory()
        let path = scratch.write(ModelBytes.gguf(lie: lie), "m")
        let error = #expect(throws: SnapshotError.self) { try GGUFSource(path: path) }
        #expect(error?.code.label == code, "\(lie): \(String(describing: error))")
        #expect(error?.file == path && error?.offset != nil)
    }

    @Test func `any file can be a snapshot, a directory cannot`() async throws {
        let scratch = try ScratchDirectory()
        let source = try FileSource(paths: [scratch.write([1, 2, 3], "blob.bin"), scratch.write([], "empty")])
        #expect(source.regions.map(\.name) == ["blob.bin", "empty"])
        let store = MemorySnapshotStore(quotaBytes: 1 << 20)
        let made = try await store.create(from: source, SnapshotOptions(name: "f"))
        #expect(made.manifest.byteCount == 3)
        let error = #expect(throws: SnapshotError.self) { try FileSource(paths: [scratch.path]) }
        #expect(error?.code == .unsupportedSource)
        #expect(throws: SnapshotError.self) { try FileSource(paths: [scratch.path + "/none"]) }
    }
}

/// Model files made by hand.
enum ModelBytes {
    static func integer(_ value: UInt64, _ width: Int) -> [UInt8] {
        (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    }

    static func string(_ text: String, length: UInt64? = nil) -> [UInt8] {
        integer(length ?? UInt64(text.utf8.count), 8) + Array(text.utf8)
    }

    /// Two tensors, a string, an array of strings and an alignment; `lie` names what is wrong with it.
    static func gguf(lie: String = "") -> [UInt8] {
        func value(_ name: String, _ wrong: UInt64, _ right: UInt64) -> UInt64 { lie == name ? wrong : right }
        var bytes = Array("GGUF".utf8) + integer(value("version", 7, 3), 4)
        bytes += integer(value("tensors", 1 << 60, 2), 8) + integer(value("pairs", 1 << 40, 3), 8)
        bytes += string("general.architecture") + integer(8, 4)
        bytes += string("llama", length: lie == "string" ? 4 << 40 : nil)
        bytes += string("general.alignment") + integer(4, 4) + integer(value("alignment", 48, 64), 4)
        bytes += string("tokenizer.ggml.tokens") + integer(9, 4) + integer(8, 4)
        bytes += integer(value("array", 1 << 50, 2), 8) + string("a") + string("bc")
        bytes += string(lie == "name" ? "../up" : "token_embd.weight") + integer(value("rank", 5, 2), 4)
        bytes += integer(value("dimension", 1 << 63, value("row", 16, 32)), 8) + integer(value("row", 6, 3), 8)
        bytes += integer(value("type", 99, 8), 4) + integer(0, 8)
        bytes += string("blk.0.w") + integer(1, 4) + integer(2, 8) + integer(0, 4)
        let offset =
            switch lie {
            case "offset": UInt64(4096)
            case "overflow": UInt64.max - 63
            case "unaligned": UInt64(130)
            case "overlap": UInt64(64)
            default: UInt64(128)
            }
        bytes += integer(offset, 8)
        bytes += [UInt8](repeating: 0, count: (64 - bytes.count % 64) % 64)
        return bytes + (0..<136).map { UInt8($0) }
    }
}
