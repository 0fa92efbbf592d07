internal import Wire

/// Reads the text of a manifest whose checksum is right. Every member is known, comes once, and has the right kind.
struct ManifestReader {
    private let limits: Limits
    private var cursor: JSONCursor

    init(_ bytes: [UInt8], limits: Limits) throws(SnapshotError) {
        self.limits = limits
        do throws(WireError) {
            cursor = JSONCursor(try JSONDocument(validating: bytes, limits: limits))
        } catch {
            throw SnapshotError(.manifestMalformed, error.detail, offset: error.offset)
        }
    }

    mutating func manifest() throws(SnapshotError) -> SnapshotManifest {
        try checkVersion()
        var manifest = SnapshotManifest(name: "")
        try members(required: [
            "format", "version", "name", "producer", "device", "chunk_bytes", "regions", "modules", "sha256",
        ]) {
            (key, reader) throws(SnapshotError) in
            switch key {
            case "format", "version", "sha256": reader.cursor.skipValue()
            case "name": manifest.name = try reader.string()
            case "producer": manifest.producer = try reader.facts()
            case "device": manifest.device = try reader.facts()
            case "chunk_bytes": manifest.chunkBytes = try reader.count()
            case "regions": manifest.regions = try reader.list { (reader) throws(SnapshotError) in try reader.region() }
            case "modules": manifest.modules = try reader.list { (reader) throws(SnapshotError) in try reader.module() }
            case "host_state": manifest.hostState = try reader.hostState()
            default: return false
            }
            return true
        }
        return manifest
    }

    /// Before anything else: a newer version may have members of any kind.
    private func checkVersion() throws(SnapshotError) {
        var (scan, format, version) = (cursor, String?.none, Int?.none)
        guard scan.enterObject() else { throw malformed("the manifest is not an object") }
        while scan.nextKey() {
            if scan.keyEquals("format") {
                format = scan.string()
            } else if scan.keyEquals("version") {
                version = scan.int()
            }
        }
        guard format == ManifestText.format, let version, version >= 1 else {
            throw malformed(
                "this is not a snapshot's manifest: it has no format '\(ManifestText.format)' with a version")
        }
        guard version <= SnapshotManifest.version else {
            throw SnapshotError(
                .manifestTooNew,
                "the manifest has version \(version) and this library reads up to \(SnapshotManifest.version): update it"
            )
        }
    }

    private mutating func region() throws(SnapshotError) -> SnapshotManifest.Region {
        var description = RegionDescription(name: "", dtype: .bytes, shape: [], byteCount: 0)
        var chunks: [ChunkRef] = []
        try members(required: ["name", "dtype", "shape", "order", "bytes", "chunks"]) {
            (key, reader) throws(SnapshotError) in
            switch key {
            case "name": description.name = try reader.string()
            case "dtype": description.dtype = DataType(try reader.string())
            case "shape": description.shape = try reader.list { (reader) throws(SnapshotError) in try reader.count() }
            case "order": description.order = try reader.count()
            case "address": description.address = try reader.address()
            case "shard_axis": description.shardAxis = try reader.count()
            case "bytes": description.byteCount = try reader.count()
            case "chunks": chunks = try reader.chunks()
            default: return false
            }
            return true
        }
        return SnapshotManifest.Region(description, content: try content(chunks, description.byteCount))
    }

    private mutating func module() throws(SnapshotError) -> SnapshotManifest.Module {
        var (name, kind, byteCount, chunks) = ("", "", 0, [ChunkRef]())
        try members(required: ["name", "kind", "bytes", "chunks"]) { (key, reader) throws(SnapshotError) in
            switch key {
            case "name": name = try reader.string()
            case "kind": kind = try reader.string()
            case "bytes": byteCount = try reader.count()
            case "chunks": chunks = try reader.chunks()
            default: return false
            }
            return true
        }
        return SnapshotManifest.Module(name: name, kind: kind, content: try content(chunks, byteCount))
    }

    private mutating func hostState() throws(SnapshotError) -> SnapshotManifest.Content {
        var (byteCount, chunks) = (0, [ChunkRef]())
        try members(required: ["kind", "bytes", "chunks"]) { (key, reader) throws(SnapshotError) in
            switch key {
            case "kind":
                guard try reader.string() == "bytes" else { throw reader.malformed("an unknown kind of state") }
            case "bytes": byteCount = try reader.count()
            case "chunks": chunks = try reader.chunks()
            default: return false
            }
            return true
        }
        return try content(chunks, byteCount)
    }

    private func content(_ chunks: [ChunkRef], _ byteCount: Int) throws(SnapshotError) -> SnapshotManifest.Content {
        // Not a plain sum, which could overflow.
        var sum = 0
        for chunk in chunks {
            let (next, overflow) = sum.addingReportingOverflow(chunk.byteCount)
            guard !overflow else { throw malformed("the lengths of the chunks do not fit") }
            sum = next
        }
        guard sum == byteCount else { throw malformed("'bytes' is \(byteCount) and the chunks have \(sum)") }
        return SnapshotManifest.Content(chunks: chunks)
    }

    // MARK: Parts

    /// Reads the object at the cursor; `body` reads one value and answers false for an unknown key.
    private mutating func members(
        required: [String], _ body: (String, inout ManifestReader) throws(SnapshotError) -> Bool
    ) throws(SnapshotError) {
        guard cursor.enterObject() else { throw malformed("an object was wanted") }
        var seen: Set<String> = []
        while cursor.nextKey() {
            let key = cursor.key
            guard seen.insert(key).inserted else { throw malformed("the member \(SafeName.show(key)) comes twice") }
            guard try body(key, &self) else { throw malformed("there is no member \(SafeName.show(key))") }
        }
        for key in required where !seen.contains(key) { throw malformed("the member '\(key)' is missing") }
    }

    private mutating func list<Element>(
        _ body: (inout ManifestReader) throws(SnapshotError) -> Element
    ) throws(SnapshotError) -> [Element] {
        guard cursor.enterArray() else { throw malformed("an array was wanted") }
        var elements: [Element] = []
        while cursor.nextElement() { elements.append(try body(&self)) }
        return elements
    }

    private mutating func chunks() throws(SnapshotError) -> [ChunkRef] {
        try list { (reader) throws(SnapshotError) in
            guard let chunk = ChunkRef(text: Array(try reader.string().utf8)) else {
                throw reader.malformed("a chunk is written SHA256:CRC64:BYTES")
            }
            return chunk
        }
    }

    private mutating func facts() throws(SnapshotError) -> [String: String] {
        guard cursor.enterObject() else { throw malformed("an object was wanted") }
        var facts: [String: String] = [:]
        while cursor.nextKey() {
            let key = cursor.key
            guard facts.updateValue(try string(), forKey: key) == nil else {
                throw malformed("the member \(SafeName.show(key)) comes twice")
            }
        }
        return facts
    }

    private mutating func string() throws(SnapshotError) -> String {
        guard let text = cursor.string() else { throw malformed("a string was wanted") }
        return text
    }

    private mutating func count() throws(SnapshotError) -> Int {
        guard let number = cursor.int(), number >= 0 else {
            throw malformed("a whole number that is not negative was wanted")
        }
        return number
    }

    private mutating func address() throws(SnapshotError) -> UInt64 {
        let text = try string()
        guard text.hasPrefix("0x"), let address = UInt64(text.dropFirst(2), radix: 16) else {
            throw malformed("an address is written 0x and hexadecimal digits")
        }
        return address
    }

    private func malformed(_ detail: String) -> SnapshotError {
        SnapshotError(.manifestMalformed, detail, offset: cursor.offset)
    }
}
