import DemoSupport
import GPUServeKit

/// `gpuserve snapshot delete`.
enum DeleteSnapshot {
    static func run(_ arguments: Arguments) async throws {
        try arguments.expect("SNAPSHOT")
        let store = try Places.local(arguments)
        let id = try await store.find(arguments.words[0])
        try await store.delete(id)
        guard !arguments.has("json") else { return JSONOutput.object([("deleted", .text("\(id)"))]).show() }
        print("deleted \(id); its space comes back with: gpuserve snapshot gc")
    }
}

/// `gpuserve snapshot gc`.
enum CollectGarbage {
    static func run(_ arguments: Arguments) async throws {
        try arguments.expect()
        let store = try Places.local(arguments)
        let isDry = arguments.has("dry-run")
        let report = isDry ? try await store.previewGarbage() : try await store.collectGarbage()
        guard !arguments.has("json") else {
            JSONOutput.object([
                ("dry_run", .bool(isDry)), ("removed_chunks", .number(report.removedChunkCount)),
                ("freed_bytes", .number(report.freedBytes)), ("kept_chunks", .number(report.keptChunkCount)),
                ("leftovers", .number(report.leftoverCount)),
            ]).show()
            return
        }
        print(
            "\(isDry ? "would remove" : "removed") \(report.removedChunkCount) chunks and \(report.leftoverCount) leftovers "
                + "(\(report.freedBytes.bytesText)), kept \(report.keptChunkCount) chunks")
    }
}
