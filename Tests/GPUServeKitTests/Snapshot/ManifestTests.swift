import GPUServeKit
import Testing
import Wire

/// The text of manifests: written in one way, read strictly, damage and newer versions named.
@Suite struct ManifestTests {
    static func chunk(_ seed: UInt64, _ count: Int = 4096) -> ChunkRef {
        TestBytes.random(count: count, seed: seed).withUnsafeBytes { ChunkRef(of: Memory($0)) }
    }

    static let full = SnapshotManifest(
        name: "tiny \"model\"\n".filter { $0 != "\n" }, chunkBytes: 4096,
        producer: ["source": "safetensors", "created_unix_s": "1790000000"],
        device: ["architecture": "sm_90", "driver_version": "570.1"],
        regions: [
            .init(
                RegionDescription(
                    name: "a/weight", dtype: DataType("BF16"), shape: [3, 1024], byteCount: 6144, order: 1,
                    address: 0x7F00_0000_0000, shardAxis: 1),
                content: .init(chunks: [chunk(1), chunk(2, 2048)])),
            .init(
                RegionDescription(name: "none", dtype: DataType("F32"), shape: [0], byteCount: 0),
                content: .init(chunks: [])),
            .init(
                RegionDescription(name: "odd", dtype: DataType("MY_TYPE"), shape: [], byteCount: 5),
                content: .init(chunks: [chunk(3, 5)])),
        ],
        modules: [.init(name: "kernels", kind: "ptx", content: .init(chunks: [chunk(4, 77)]))],
        hostState: .init(chunks: [chunk(5, 100)]))

    @Test func `what is written is read back, under the same name`() throws {
        let (bytes, id) = try Self.full.encoded()
        let read = try SnapshotManifest.decode(bytes, file: "m.json", id: id)
        #expect(read.manifest == Self.full)
        #expect(read.id == id)
        #expect(try read.manifest.encoded().bytes == bytes)
        #expect(String(decoding: bytes, as: UTF8.self).contains("\"name\": \"a/weight\""))
    }

    @Test func `the same content has the same name, whatever the order of facts`() throws {
        var other = Self.full
        other.producer = [:]
        other.producer["source"] = "safetensors"
        other.producer["created_unix_s"] = "1790000000"
        #expect(try other.encoded().id == Self.full.encoded().id)
        other.name = "other"
        #expect(try other.encoded().id != Self.full.encoded().id)
    }

    @Test func `a flipped bit anywhere is found and named`() throws {
        let (bytes, id) = try Self.full.encoded()
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = #expect(throws: SnapshotError.self) {
                try SnapshotManifest.decode(flipped, file: "m.json", id: id)
            }
            #expect(error?.code == .manifestCorrupt, "bit \(bit)")
            #expect(error?.file == "m.json")
        }
    }

    @Test func `a cut manifest is found`() throws {
        let (bytes, _) = try Self.full.encoded()
        for count in 0..<bytes.count {
            let error = #expect(throws: SnapshotError.self) {
                try SnapshotManifest.decode(Array(bytes[..<count]), file: "m.json")
            }
            #expect(error?.code == .manifestCorrupt, "\(count) bytes")
        }
    }

    @Test func `another snapshot's manifest is not taken for this one`() throws {
        var other = Self.full
        other.name = "other"
        let (bytes, _) = try other.encoded()
        let id = try Self.full.encoded().id
        let error = #expect(throws: SnapshotError.self) { try SnapshotManifest.decode(bytes, file: "m.json", id: id) }
        #expect(error?.code == .manifestCorrupt)
    }

    /// A manifest's text with a right checksum around a body that the encoder would not write.
    static func signed(_ body: String) -> [UInt8] {
        let hash = ContentHash(of: Array(body.utf8)).hex
        return Array((body + ",\n\"sha256\": \"\(hash)\"\n}\n").utf8)
    }

    static let start =
        "{\n\"format\": \"gpuservekit-snapshot\",\n\"version\": 1,\n\"name\": \"m\",\n\"producer\": {},\n\"device\": {},\n"

    @Test func `a newer version is named, whatever it holds`() {
        let text = Self.signed(
            "{\n\"format\": \"gpuservekit-snapshot\",\n\"version\": 2,\n\"regions\": {\"packed\": true}")
        let error = #expect(throws: SnapshotError.self) { try SnapshotManifest.decode(text, file: "new.json") }
        #expect(error?.code == .manifestTooNew)
        #expect(error?.detail.contains("version 2") == true)
        #expect(error?.file == "new.json")
    }

    @Test(arguments: [
        ("\"chunk_bytes\": 4096,\n\"regions\": []", "'modules' is missing"),
        ("\"chunk_bytes\": 4097,\n\"regions\": [],\n\"modules\": []", "chunk_bytes"),
        ("\"chunk_bytes\": 4096,\n\"regions\": [],\n\"modules\": [],\n\"more\": 1", "no member 'more'"),
        ("\"chunk_bytes\": 4096,\n\"chunk_bytes\": 4096,\n\"regions\": [],\n\"modules\": []", "twice"),
        ("\"chunk_bytes\": -1,\n\"regions\": [],\n\"modules\": []", "not negative"),
        ("\"chunk_bytes\": 4096,\n\"regions\": {},\n\"modules\": []", "an array"),
        (
            "\"chunk_bytes\": 4096,\n\"regions\": [{\"name\": \"r\", \"dtype\": \"U8\", \"shape\": [4398046511104], "
                + "\"order\": 0, \"bytes\": 4398046511104, \"chunks\": []}],\n\"modules\": []",
            "'bytes' is 4398046511104"
        ),
        (
            "\"chunk_bytes\": 4096,\n\"regions\": [{\"name\": \"r\", \"dtype\": \"F32\", \"shape\": [2], "
                + "\"order\": 0, \"bytes\": 0, \"chunks\": []}],\n\"modules\": []",
            "has 2 elements of F32 in 0 bytes"
        ),
        (
            "\"chunk_bytes\": 4096,\n\"regions\": [{\"name\": \"r\", \"dtype\": \"F32\", "
                + "\"shape\": [4294967296, 4294967296, 4], \"order\": 0, \"bytes\": 0, \"chunks\": []}],\n\"modules\": []",
            "is not one"
        ),
        (
            "\"chunk_bytes\": 4096,\n\"regions\": [{\"name\": \"r\", \"dtype\": \"U8\", \"shape\": [1], "
                + "\"order\": 0, \"bytes\": 1, \"chunks\": [\"xyz\"]}],\n\"modules\": []",
            "SHA256:CRC64:BYTES"
        ),
    ])
    func `a body that is not a manifest is named`(body: String, detail: String) {
        let error = #expect(throws: SnapshotError.self) {
            try SnapshotManifest.decode(Self.signed(Self.start + body), file: "m.json")
        }
        #expect(error?.code == .manifestMalformed)
        #expect(error?.detail.contains(detail) == true, "\(error?.detail ?? "-")")
    }

    @Test(arguments: [
        "../../etc/passwd", "/etc/passwd", "a/../b", "", "a\u{0}b", "line\nbreak", String(repeating: "x", count: 2000),
    ])
    func `names that could be paths elsewhere are refused, written and read`(name: String) throws {
        var manifest = Self.full
        manifest.regions[0].description.name = name
        let error = #expect(throws: SnapshotError.self) { try manifest.encoded() }
        #expect(error?.code == .unsafeName)
        var quoted: [UInt8] = []
        JSONText.appendQuoted(name, to: &quoted)
        let body =
            Self.start + "\"chunk_bytes\": 4096,\n\"regions\": [{\"name\": \(String(decoding: quoted, as: UTF8.self)), "
            + "\"dtype\": \"U8\", \"shape\": [0], \"order\": 0, \"bytes\": 0, \"chunks\": []}],\n\"modules\": []"
        let readError = #expect(throws: SnapshotError.self) {
            try SnapshotManifest.decode(Self.signed(body), file: "m.json")
        }
        #expect(readError?.code == .unsafeName)
    }

    @Test func `rules hold for what is written`() throws {
        var manifest = Self.full
        manifest.regions[0].description.shardAxis = 2
        #expect(throws: SnapshotError.self) { try manifest.encoded() }
        manifest = Self.full
        manifest.regions.append(manifest.regions[0])
        #expect(throws: SnapshotError.self) { try manifest.encoded() }
        manifest = Self.full
        manifest.regions[0].content = .init(chunks: [Self.chunk(2, 2048), Self.chunk(1)])
        #expect(throws: SnapshotError.self) { try manifest.encoded() }
        manifest = Self.full
        manifest.modules[0].kind = "exe"
        #expect(throws: SnapshotError.self) { try manifest.encoded() }
        var limits = Limits()
        limits.manifestBytes = 500
        let error = #expect(throws: SnapshotError.self) { try Self.full.encoded(limits: limits) }
        #expect(error?.code == .tooLarge)
    }
}
