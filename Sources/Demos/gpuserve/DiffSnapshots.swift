import DemoSupport
import GPUServeKit

/// `gpuserve snapshot diff`: what two snapshots share, and what the second would cost over the first.
enum DiffSnapshots {
    private struct Row {
        var name: String
        var change: String
        var byteCount: Int
        var differentBytes: Int
    }

    static func run(_ arguments: Arguments) async throws {
        try arguments.expect("SNAPSHOT", "OTHER")
        let store = try Places.local(arguments)
        let (left, right) = (
            try await store.manifest(try await store.find(arguments.words[0])),
            try await store.manifest(try await store.find(arguments.words[1]))
        )
        let known = Set(left.distinctChunks.map(\.hash))
        let new = right.distinctChunks.filter { !known.contains($0.hash) }
        let total = right.distinctChunks.reduce(0) { $0 + $1.byteCount }
        let newBytes = new.reduce(0) { $0 + $1.byteCount }
        let rows = rows(left, right)
        guard !arguments.has("json") else {
            JSONOutput.object([
                ("shared_chunks", .number(right.distinctChunks.count - new.count)),
                ("shared_bytes", .number(total - newBytes)), ("different_chunks", .number(new.count)),
                ("different_bytes", .number(newBytes)),
                (
                    "regions",
                    .list(
                        rows.map { row in
                            .object([
                                ("name", .text(row.name)), ("change", .text(row.change)),
                                ("bytes", .number(row.byteCount)), ("different_bytes", .number(row.differentBytes)),
                            ])
                        })
                ),
            ]).show()
            return
        }
        print(
            "shared \((total - newBytes).bytesText) in \(right.distinctChunks.count - new.count) chunks, "
                + "different \(newBytes.bytesText) in \(new.count) chunks")
        guard !rows.isEmpty else { return }
        var table = TextTable(["region", "", "size", "different"])
        for row in rows { table.add([row.name, row.change, row.byteCount.bytesText, row.differentBytes.bytesText]) }
        print("\n" + table.text)
    }

    /// The regions that are not the same, in the order of the second, then those that only the first has.
    private static func rows(_ left: SnapshotManifest, _ right: SnapshotManifest) -> [Row] {
        let before = Dictionary(uniqueKeysWithValues: left.regions.map { ($0.name, $0) })
        var rows: [Row] = []
        for region in right.regions {
            guard let old = before[region.name] else {
                rows.append(
                    Row(
                        name: region.name, change: "added", byteCount: region.content.byteCount,
                        differentBytes: region.content.byteCount))
                continue
            }
            guard old != region else { continue }
            let different = region.content.chunks.enumerated().filter { index, chunk in
                index >= old.content.chunks.count || old.content.chunks[index] != chunk
            }.reduce(0) { $0 + $1.element.byteCount }
            rows.append(
                Row(
                    name: region.name, change: different > 0 ? "changed" : "described anew",
                    byteCount: region.content.byteCount, differentBytes: different))
        }
        let names = Set(right.regions.map(\.name))
        for region in left.regions where !names.contains(region.name) {
            rows.append(
                Row(name: region.name, change: "removed", byteCount: region.content.byteCount, differentBytes: 0))
        }
        return rows
    }
}
