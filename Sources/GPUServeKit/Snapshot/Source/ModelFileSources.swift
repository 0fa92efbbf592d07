public import Wire

/// One model in one or more safetensors files. Their headers, one after the other, are the host's state, so that the files
/// can be made again from the snapshot.
public struct SafetensorsSource: SnapshotSource {
    /// The tensors, in order of need by `NeedOrder`.
    public let regions: [RegionDescription]
    /// The files' headers, one after the other.
    public let hostState: [UInt8]?
    /// `source`, and the files' `__metadata__`.
    public let facts: [String: String]
    private let places: FileRegions

    /// Opens the files. Throws `truncatedSource`, `malformedSource`, `unsupportedSource`, `unsafeName` or `tooLarge`, each
    /// with file and offset, or the failure to open.
    public init(paths: [String], limits: Limits = .standard) throws(SnapshotError) {
        var files: [ModelFile] = []
        var found: [(SafetensorsHeader.Tensor, file: Int)] = []
        var headers: [UInt8] = []
        var facts: [String: String] = [:]
        for path in paths {
            let file = try ModelFile(path)
            do throws(SnapshotError) {
                let start = try file.prefix(min(8, file.byteCount))
                let end = try SafetensorsHeader.byteCount(prefix: start, fileBytes: file.byteCount, limits: limits)
                let bytes = try file.prefix(end)
                let header = try SafetensorsHeader.parse(bytes, fileBytes: file.byteCount, limits: limits)
                found += header.tensors.map { ($0, files.count) }
                headers += bytes
                facts.merge(header.metadata.filter { Facts.isShort($0) }) { first, _ in first }
            } catch {
                throw error.at(file: path)
            }
            files.append(file)
        }
        facts["source"] = "safetensors"
        let orders = NeedOrder.orders(of: found.map(\.0.name))
        regions = zip(found, orders).map { tensor, order in
            RegionDescription(
                name: tensor.0.name, dtype: tensor.0.dtype, shape: tensor.0.shape, byteCount: tensor.0.range.count,
                order: order)
        }
        places = FileRegions(files: files, places: found.map { ($0.file, $0.0.range.lowerBound) })
        hostState = headers
        self.facts = facts
    }

    /// Reads from the file.
    public func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        try await places.read(region: index, at: offset, into: memory)
    }
}

/// A model in a GGUF file. Its header is the host's state.
public struct GGUFSource: SnapshotSource {
    /// The tensors, in order of need by `NeedOrder`.
    public let regions: [RegionDescription]
    /// The file's header up to the tensors.
    public let hostState: [UInt8]?
    /// `source`, `general.architecture`, `general.name`.
    public let facts: [String: String]
    /// What the file says beside its tensors.
    public let metadata: GGUFMetadata
    private let places: FileRegions

    /// Opens the file. Throws `truncatedSource`, `malformedSource`, `unsupportedSource` or `unsafeName`, with file and
    /// offset, or the failure to open.
    public init(path: String, limits: Limits = .standard) throws(SnapshotError) {
        let file = try ModelFile(path)
        do throws(SnapshotError) {
            let header = try GGUFSource.header(of: file, limits)
            let orders = NeedOrder.orders(of: header.tensors.map(\.name))
            regions = zip(header.tensors, orders).map { tensor, order in
                RegionDescription(
                    name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, byteCount: tensor.range.count,
                    order: order)
            }
            places = FileRegions(files: [file], places: header.tensors.map { (0, $0.range.lowerBound) })
            hostState = try file.prefix(header.dataStart)
            metadata = header.metadata
            var facts = ["source": "gguf"]
            for key in ["general.architecture", "general.name"] { facts[key] = header.metadata.string(key) }
            self.facts = facts.filter { Facts.isShort($0) }
        } catch {
            throw error.at(file: path)
        }
    }

    /// The header's length is known only at its end, so it is read in growing pieces.
    private static func header(of file: ModelFile, _ limits: Limits) throws(SnapshotError) -> GGUFHeader {
        var count = 1024 * 1024
        while true {
            let prefix = try file.prefix(min(count, file.byteCount))
            if let header = try GGUFHeader.parse(prefix: prefix, fileBytes: file.byteCount, limits: limits) {
                return header
            }
            precondition(prefix.count < file.byteCount, "the whole file was not enough")
            count *= 4
        }
    }

    /// Reads from the file.
    public func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        try await places.read(region: index, at: offset, into: memory)
    }
}

/// Any files: each is one region of bytes, named by the last component of its path.
public struct FileSource: SnapshotSource {
    /// One region for each file.
    public let regions: [RegionDescription]
    /// `source`.
    public let facts = ["source": "file"]
    private let places: FileRegions

    /// Opens the files.
    public init(paths: [String]) throws(SnapshotError) {
        var files: [ModelFile] = []
        for path in paths { files.append(try ModelFile(path)) }
        regions = files.enumerated().map { index, file in
            let name = file.path.split(separator: "/").last.map { String($0) } ?? file.path
            return RegionDescription(
                name: name, dtype: .bytes, shape: [file.byteCount], byteCount: file.byteCount, order: index)
        }
        places = FileRegions(files: files, places: files.indices.map { ($0, 0) })
    }

    /// Reads from the file.
    public func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        try await places.read(region: index, at: offset, into: memory)
    }
}

extension FileSource {
    /// The bytes of one small file.
    ///
    /// - Throws: `tooLarge` when it is longer than `limitBytes`, or the failure to open or read it, with the file.
    public static func contents(of path: String, limitBytes: Int) async throws(SnapshotError) -> [UInt8] {
        let file = try FileSource(paths: [path])
        guard file.regions[0].byteCount <= limitBytes else {
            throw SnapshotError(.tooLarge, "the file is longer than \(limitBytes) bytes", file: path)
        }
        return try await file.bytes(ofRegion: 0)
    }

    /// The JSON in a configuration file.
    ///
    /// - Throws: `malformedSource` with the offset when it is none; what `contents` throws.
    public static func json(of path: String, limits: Limits = .standard) async throws(SnapshotError) -> JSONValue {
        let bytes = try await contents(of: path, limitBytes: limits.modelConfigBytes)
        do throws(WireError) {
            return try JSONValue.parse(bytes, limits: limits)
        } catch {
            throw SnapshotError(.malformedSource, "not JSON: \(error.detail)", file: path, offset: error.offset)
        }
    }
}

enum Facts {
    /// Whether a fact that a file brings is short and clean enough for a manifest.
    static func isShort(_ fact: (key: String, value: String)) -> Bool {
        let isNamed: Bool
        do throws(SnapshotError) {
            try SafeName.check(fact.key, what: "a fact", byteLimit: 128)
            isNamed = true
        } catch {
            isNamed = false
        }
        return isNamed && fact.value.utf8.count <= 256
    }
}
