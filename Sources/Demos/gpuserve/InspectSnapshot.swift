import DemoSupport
import GPUServeKit

/// `gpuserve snapshot list`.
enum ListSnapshots {
    static func run(_ arguments: Arguments) async throws {
        try arguments.expect()
        let summaries = try await Places.local(arguments).list()
        guard !arguments.has("json") else {
            JSONOutput.list(
                summaries.map { summary in
                    .object(
                        [
                            ("id", .text("\(summary.id)")), ("name", .text(summary.name)),
                            ("bytes", .number(summary.byteCount)), ("regions", .number(summary.regionCount)),
                        ] + (summary.problem.map { [("problem", .text("\($0)"))] } ?? []))
                }
            ).show()
            return
        }
        var table = TextTable(["snapshot", "name", "size", "regions"])
        for summary in summaries {
            let id = String("\(summary.id)".prefix(12))
            table.add(
                summary.problem.map { [id, "unusable", "-", "\($0)"] }
                    ?? [id, summary.name, summary.byteCount.bytesText, "\(summary.regionCount)"])
        }
        print(table.text)
    }
}

/// `gpuserve snapshot inspect`: what a manifest says.
enum InspectSnapshot {
    static func run(_ arguments: Arguments) async throws {
        try arguments.expect("SNAPSHOT")
        let store = try Places.local(arguments)
        let id = try await store.find(arguments.words[0])
        let manifest = try await store.manifest(id)
        arguments.has("json") ? json(id, manifest).show() : print(text(id, manifest))
    }

    private static func json(_ id: SnapshotID, _ manifest: SnapshotManifest) -> JSONOutput {
        func facts(_ facts: [String: String]) -> JSONOutput {
            .object(facts.sorted { $0.key < $1.key }.map { ($0.key, .text($0.value)) })
        }
        return .object([
            ("id", .text("\(id)")), ("name", .text(manifest.name)), ("bytes", .number(manifest.byteCount)),
            ("chunk_bytes", .number(manifest.chunkBytes)), ("chunks", .number(manifest.distinctChunks.count)),
            ("producer", facts(manifest.producer)), ("device", facts(manifest.device)),
            ("host_state_bytes", .number(manifest.hostState?.byteCount ?? 0)),
            (
                "modules",
                .list(
                    manifest.modules.map {
                        .object([
                            ("name", .text($0.name)), ("kind", .text($0.kind)),
                            ("bytes", .number($0.content.byteCount)),
                        ])
                    })
            ),
            ("regions", .list(manifest.regions.map(region))),
        ])
    }

    private static func region(_ region: SnapshotManifest.Region) -> JSONOutput {
        let description = region.description
        return .object(
            [
                ("name", .text(region.name)), ("dtype", .text("\(description.dtype)")),
                ("shape", .list(description.shape.map { .number($0) })), ("bytes", .number(description.byteCount)),
                ("order", .number(description.order)), ("chunks", .number(region.content.chunks.count)),
            ] + (description.shardAxis.map { [("shard_axis", .number($0))] } ?? []))
    }

    private static func text(_ id: SnapshotID, _ manifest: SnapshotManifest) -> String {
        var lines = [
            "snapshot  \(id)", "name      \(manifest.name)",
            "size      \(manifest.byteCount.bytesText) in \(manifest.distinctChunks.count) distinct chunks of up to "
                + manifest.chunkBytes.bytesText,
        ]
        let titled = [("made of   ", manifest.producer), ("device    ", manifest.device)]
        for (title, facts) in titled where !facts.isEmpty {
            let sorted = facts.sorted { $0.key < $1.key }
            lines.append(title + sorted.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
        }
        var table = TextTable(["order", "region", "type", "shape", "size", "chunks"])
        for region in manifest.regions.sorted(by: { $0.description.order < $1.description.order }) {
            let description = region.description
            table.add([
                "\(description.order)", region.name, "\(description.dtype)",
                description.shape.map(String.init).joined(separator: "x"), description.byteCount.bytesText,
                "\(region.content.chunks.count)",
            ])
        }
        return (lines + ["", table.text]).joined(separator: "\n")
    }
}
