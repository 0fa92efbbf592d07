internal import Wire

/// What every manifest keeps, whether it is to be written or was read.
enum ManifestRules {
    static func check(_ manifest: SnapshotManifest, limits: Limits) throws(SnapshotError) {
        try name(manifest.name, "the snapshot", limits)
        guard manifest.chunkBytes >= PageBuffer.alignment, manifest.chunkBytes % PageBuffer.alignment == 0,
            manifest.chunkBytes <= limits.chunkBytes
        else {
            throw malformed(
                "'chunk_bytes' is \(manifest.chunkBytes), not a multiple of \(PageBuffer.alignment) up to \(limits.chunkBytes)"
            )
        }
        for facts in [manifest.producer, manifest.device] {
            for (key, value) in facts {
                try name(key, "a fact", limits)
                guard value.utf8.count <= limits.snapshotNameBytes else {
                    throw SnapshotError(.tooLarge, "the fact \(SafeName.show(key)) is longer than a name may be")
                }
            }
        }
        try unique(manifest.regions.map(\.name), "region")
        try unique(manifest.modules.map(\.name), "module")
        for region in manifest.regions { try check(region, manifest.chunkBytes, limits) }
        for module in manifest.modules {
            try name(module.name, "a module", limits)
            guard ["ptx", "cubin", "fatbin"].contains(module.kind) else {
                throw malformed("the module \(SafeName.show(module.name)) is not ptx, cubin or fatbin")
            }
            try check(module.content, of: module.name, manifest.chunkBytes)
        }
        if let hostState = manifest.hostState { try check(hostState, of: "host_state", manifest.chunkBytes) }
        try total(manifest)
    }

    private static func check(
        _ region: SnapshotManifest.Region, _ chunkBytes: Int, _ limits: Limits
    ) throws(SnapshotError) {
        let description = region.description
        try name(description.name, "a region", limits)
        try name(description.dtype.label, "a type", limits)
        let shown = SafeName.show(description.name)
        guard description.shape.count <= limits.tensorRank, let elements = DataType.elementCount(description.shape)
        else {
            throw malformed("the shape of region \(shown) is not one")
        }
        if description.dtype.block != nil,
            description.dtype.byteCount(shape: description.shape) != description.byteCount
        {
            throw malformed(
                "region \(shown) has \(elements) elements of \(description.dtype) in \(description.byteCount) bytes")
        }
        guard description.byteCount == region.content.byteCount else {
            throw malformed(
                "region \(shown) has \(description.byteCount) bytes and its chunks \(region.content.byteCount)")
        }
        if let axis = description.shardAxis, !description.shape.indices.contains(axis) {
            throw malformed("region \(shown) has no dimension \(axis) to be cut along")
        }
        if let address = description.address, address.addingReportingOverflow(UInt64(description.byteCount)).overflow {
            throw malformed("region \(shown) ends beyond the last address")
        }
        guard description.order >= 0 else { throw malformed("region \(shown) has a negative order") }
        try check(region.content, of: description.name, chunkBytes)
    }

    private static func check(
        _ content: SnapshotManifest.Content, of name: String, _ chunkBytes: Int
    ) throws(SnapshotError) {
        for (index, chunk) in content.chunks.enumerated() {
            let isLast = index == content.chunks.count - 1
            guard isLast ? (1...chunkBytes).contains(chunk.byteCount) : chunk.byteCount == chunkBytes else {
                throw malformed(
                    "chunk \(index) of \(SafeName.show(name)) has \(chunk.byteCount) bytes where chunks have \(chunkBytes)"
                )
            }
        }
    }

    /// Chunks with one name are one chunk, and all of them together have a length that can be counted.
    private static func total(_ manifest: SnapshotManifest) throws(SnapshotError) {
        var sum = 0
        var seen: [ContentHash: ChunkRef] = [:]
        for chunk in manifest.contents.lazy.flatMap(\.chunks) {
            let (next, overflow) = sum.addingReportingOverflow(chunk.byteCount)
            guard !overflow else { throw malformed("the lengths of the chunks do not fit") }
            sum = next
            guard seen.updateValue(chunk, forKey: chunk.hash) ?? chunk == chunk else {
                throw malformed("chunk \(chunk.hash) has two lengths or two checksums")
            }
        }
    }

    private static func name(_ name: String, _ what: String, _ limits: Limits) throws(SnapshotError) {
        try SafeName.check(name, what: what, byteLimit: limits.snapshotNameBytes)
    }

    private static func unique(_ names: [String], _ what: String) throws(SnapshotError) {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw malformed("two \(what)s have the name \(SafeName.show(name))")
        }
    }

    private static func malformed(_ detail: String) -> SnapshotError { SnapshotError(.manifestMalformed, detail) }
}
