/// Something that snapshots are made of: a model file, memory, a live device context.
///
/// `read` may be called from several tasks at once.
public protocol SnapshotSource: Sendable {
    /// The regions, with unique names.
    var regions: [RegionDescription] { get }
    /// Code images that belong to them.
    var modules: [CodeImage] { get }
    /// The host's side of the state, opaque here.
    var hostState: [UInt8]? { get }
    /// What the manifest's `producer` is to say.
    var facts: [String: String] { get }
    /// What the manifest's `device` is to say.
    var deviceFacts: [String: String] { get }

    /// Fills `memory` with the bytes of region `index` from `offset` on.
    func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError)
}

extension SnapshotSource {
    /// None.
    public var modules: [CodeImage] { [] }
    /// None.
    public var hostState: [UInt8]? { nil }
    /// None.
    public var facts: [String: String] { [:] }
    /// None.
    public var deviceFacts: [String: String] { [:] }

    /// The bytes of a region, or of a part of it, which must lie inside.
    public func bytes(ofRegion index: Int, _ part: Range<Int>? = nil) async throws(SnapshotError) -> [UInt8] {
        let part = part ?? 0..<regions[index].byteCount
        let buffer = PageBuffer(byteCount: part.count)
        let memory = buffer.memory[0..<part.count]
        try await read(region: index, at: part.lowerBound, into: memory)
        return withExtendedLifetime(buffer) { [UInt8](memory.buffer) }
    }
}

/// Code for a device.
public struct CodeImage: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// `ptx`, `cubin` or `fatbin`.
    public var kind: String
    /// The image.
    public var bytes: [UInt8]

    /// An image.
    public init(name: String, kind: String, bytes: [UInt8]) {
        self.name = name
        self.kind = kind
        self.bytes = bytes
    }
}

/// Regions whose bytes are at hand.
public struct MemorySource: SnapshotSource {
    /// The regions.
    public let regions: [RegionDescription]
    /// Code images.
    public var modules: [CodeImage]
    /// The host's side of the state.
    public var hostState: [UInt8]?
    /// Facts for the manifest.
    public var facts: [String: String]
    private let bytes: [[UInt8]]

    /// Regions and their bytes, in order of need unless they say otherwise.
    public init(
        _ regions: [(RegionDescription, [UInt8])], modules: [CodeImage] = [], hostState: [UInt8]? = nil,
        facts: [String: String] = ["source": "memory"]
    ) {
        self.regions = regions.map(\.0)
        bytes = regions.map(\.1)
        self.modules = modules
        self.hostState = hostState
        self.facts = facts
    }

    /// Copies the bytes.
    public func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        guard offset >= 0, memory.count <= bytes[index].count - offset else {
            throw SnapshotError(.truncatedSource, "the region ends before its length", file: regions[index].name)
        }
        bytes[index].withUnsafeBytes {
            memory.buffer.copyMemory(from: .init(rebasing: $0[offset..<offset + memory.count]))
        }
    }
}
