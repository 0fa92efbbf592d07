import DemoSupport
import GPUServeKit

/// `gpuserve snapshot create`.
enum CreateSnapshot {
    static func run(_ arguments: Arguments) async throws {
        try arguments.expect("NAME")
        let paths = arguments.all("from")
        guard !paths.isEmpty else { throw UsageError(message: "--from is required: the model's files") }
        let source = try source(paths)
        var options = SnapshotOptions(name: arguments.words[0])
        if let text = arguments[option: "chunk-mib"] {
            guard let count = Int(text), (1...64).contains(count) else {
                throw UsageError(message: "--chunk-mib takes a whole number from 1 to 64, not \(text)")
            }
            options.chunkBytes = count << 20
        }
        let bar = ProgressBar("create", arguments)
        defer { bar.clear() }
        options.progress = { bar.update($0, $1) }
        let store = try Places.local(arguments, makes: true)
        Transfer.show(try await store.create(from: source, options), "stored", arguments)
    }

    /// By what the files are called; what they hold is checked.
    private static func source(_ paths: [String]) throws -> any SnapshotSource {
        func all(_ suffix: String) -> Bool { paths.allSatisfy { $0.hasSuffix(suffix) } }
        if all(".safetensors") { return try SafetensorsSource(paths: paths) }
        guard all(".gguf") else { return try FileSource(paths: paths) }
        guard paths.count == 1 else {
            throw UsageError(message: "--from takes one .gguf file; a split one is not known here")
        }
        return try GGUFSource(path: paths[0])
    }
}

/// What making and copying print.
enum Transfer {
    static func show(_ transfer: SnapshotTransfer, _ word: String, _ arguments: Arguments) {
        guard !arguments.has("json") else {
            JSONOutput.object([
                ("id", .text("\(transfer.id)")), ("name", .text(transfer.manifest.name)),
                ("bytes", .number(transfer.manifest.byteCount)), ("regions", .number(transfer.manifest.regions.count)),
                ("chunks", .number(transfer.chunkCount)), ("\(word)_chunks", .number(transfer.storedChunkCount)),
                ("\(word)_bytes", .number(transfer.storedBytes)),
            ]).show()
            return
        }
        print(
            """
            \(transfer.id)  \(transfer.manifest.name)
            \(transfer.manifest.byteCount.bytesText) in \(transfer.manifest.regions.count) regions, \
            \(transfer.storedBytes.bytesText) \(word) (\(transfer.storedChunkCount) of \(transfer.chunkCount) chunks)
            """)
    }
}
