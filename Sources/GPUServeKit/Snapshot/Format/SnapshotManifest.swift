public import Wire

/// Everything about a snapshot but the bytes: what `SnapshotStore.commit` makes visible, and what a restore plans from.
public struct SnapshotManifest: Sendable, Hashable {
    /// The newest version that this library reads, and the one it writes.
    public static let version = 1
    /// The usual length of a chunk. Of 2 to 8 MiB: long enough that a disk or an object store answers at full speed and that
    /// opening, hashing and listing cost little; short enough that a small change moves little, that the first layer is
    /// there early, and that a piece is still in cache when it is checked.
    public static let standardChunkBytes = 4 * 1024 * 1024

    /// Some bytes in chunks. All but the last chunk have the manifest's `chunkBytes`; each content begins a new chunk, so
    /// that a change in one never moves the boundaries of another.
    public struct Content: Sendable, Hashable {
        /// Number of bytes, which may be 0.
        public let byteCount: Int
        /// The chunks in order.
        public let chunks: [ChunkRef]

        /// The content that `chunks` make.
        public init(chunks: [ChunkRef]) {
            byteCount = chunks.reduce(0) { $0 + $1.byteCount }
            self.chunks = chunks
        }
    }

    /// A tensor, or another piece of memory that a model needs.
    public struct Region: Sendable, Hashable {
        /// What it is.
        public var description: RegionDescription
        /// Its bytes.
        public var content: Content

        /// A region with its bytes.
        public init(_ description: RegionDescription, content: Content) {
            self.description = description
            self.content = content
        }

        /// Its name.
        public var name: String { description.name }
    }

    /// Code for a device.
    public struct Module: Sendable, Hashable {
        /// Its name, unique among the modules.
        public var name: String
        /// `ptx`, `cubin` or `fatbin`.
        public var kind: String
        /// Its bytes.
        public var content: Content

        /// A module with its bytes.
        public init(name: String, kind: String, content: Content) {
            self.name = name
            self.kind = kind
            self.content = content
        }
    }

    /// What people call the snapshot; several may have one name.
    public var name: String
    /// Length of a chunk in bytes: a multiple of 4,096.
    public var chunkBytes: Int
    /// Who made it from what: `source`, `tool`, `created_unix_s`, ...
    public var producer: [String: String]
    /// What it was made on and needs: `architecture`, `driver_version`, `device_name`, ...; empty when it needs nothing.
    public var device: [String: String]
    /// The regions. Restore in rising `order`.
    public var regions: [Region]
    /// Code images.
    public var modules: [Module]
    /// An opaque state of the host's side: a tokenizer's configuration, a file's own header.
    public var hostState: Content?

    /// A manifest of these parts; `encoded` checks them.
    public init(
        name: String, chunkBytes: Int = SnapshotManifest.standardChunkBytes, producer: [String: String] = [:],
        device: [String: String] = [:], regions: [Region] = [], modules: [Module] = [], hostState: Content? = nil
    ) {
        self.name = name
        self.chunkBytes = chunkBytes
        self.producer = producer
        self.device = device
        self.regions = regions
        self.modules = modules
        self.hostState = hostState
    }

    /// Every content, in order: regions, modules, the host's state.
    public var contents: [Content] {
        regions.map(\.content) + modules.map(\.content) + (hostState.map { [$0] } ?? [])
    }

    /// Every chunk once, in order of first use.
    public var distinctChunks: [ChunkRef] {
        var seen: Set<ContentHash> = []
        return contents.flatMap(\.chunks).filter { seen.insert($0.hash).inserted }
    }

    /// Bytes of all contents, chunks used twice counted twice.
    public var byteCount: Int { contents.reduce(0) { $0 + $1.byteCount } }

    /// The manifest's text and the name that follows from it. Throws `manifestMalformed`, `unsafeName` or `tooLarge` when
    /// the parts do not make a manifest that could be read back.
    public func encoded(limits: Limits = .standard) throws(SnapshotError) -> (bytes: [UInt8], id: SnapshotID) {
        try ManifestRules.check(self, limits: limits)
        let encoded = ManifestText.encode(self)
        guard encoded.bytes.count <= limits.manifestBytes else {
            throw SnapshotError(
                .tooLarge, "the manifest is longer than \(limits.manifestBytes) bytes: use longer chunks")
        }
        return encoded
    }

    /// Reads a manifest. `file` is named in errors.
    ///
    /// Throws `manifestCorrupt` when the bytes do not have the checksum they end with (or not the one `id` wants),
    /// `manifestTooNew`, `manifestMalformed`, `unsafeName` or `tooLarge`.
    public static func decode(
        _ bytes: [UInt8], file: String, id: SnapshotID? = nil, limits: Limits = .standard
    ) throws(SnapshotError) -> (manifest: SnapshotManifest, id: SnapshotID) {
        do throws(SnapshotError) {
            let found = try ManifestText.checkSum(bytes, limits: limits)
            if let id, id != found {
                throw SnapshotError(.manifestCorrupt, "the manifest is that of snapshot \(found), not of \(id)")
            }
            var reader = try ManifestReader(bytes, limits: limits)
            let manifest = try reader.manifest()
            try ManifestRules.check(manifest, limits: limits)
            return (manifest, found)
        } catch {
            throw error.at(file: file)
        }
    }
}

/// What is known of a region besides its bytes.
public struct RegionDescription: Sendable, Hashable {
    /// Its name, unique among the regions.
    public var name: String
    /// Type of its elements.
    public var dtype: DataType
    /// Its dimensions, slowest first; empty for a scalar.
    public var shape: [Int]
    /// Number of bytes.
    public var byteCount: Int
    /// Order of need, from 0: what the first step of a computation reads comes first. Equal numbers are needed together.
    public var order: Int
    /// The device address that pointers to it hold; nil when it may lie anywhere.
    public var address: UInt64?
    /// The dimension along which it is cut for several devices; nil when each device needs all of it.
    public var shardAxis: Int?

    /// Describes a region.
    public init(
        name: String, dtype: DataType, shape: [Int], byteCount: Int, order: Int = 0, address: UInt64? = nil,
        shardAxis: Int? = nil
    ) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.byteCount = byteCount
        self.order = order
        self.address = address
        self.shardAxis = shardAxis
    }
}
