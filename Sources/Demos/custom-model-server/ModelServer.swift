import DemoSupport
import GPUServeKit
import Glibc
import Transport
import Wire

/// The server's life: bring the model into memory, listen, serve until told to stop.
struct ModelServer {
    let start: ModelStart
    let address: ListenAddress
    let contextCount: Int
    let sequenceCount: Int
    let threadCount: Int

    init(_ arguments: Arguments) throws(UsageError) {
        let path = try arguments.required("model")
        let listen = try arguments.required("listen")
        guard let address = ListenAddress(text: listen) else {
            throw UsageError(message: "--listen \(listen) is not HOST:PORT or unix:/path")
        }
        self.address = address
        func number(_ option: String, _ standard: Int, _ range: ClosedRange<Int>) throws(UsageError) -> Int {
            guard let text = arguments[option: option] else { return standard }
            guard let value = Int(text), range.contains(value) else {
                throw UsageError(
                    message: "--\(option) \(text) is not a number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        contextCount = try number("context", 2048, 16...1_048_576)
        sequenceCount = try number("sequences", 4, 1...256)
        threadCount = try number("threads", 1, 1...256)
        let file = path.split(separator: "/").last.map { String($0) } ?? path
        let name = arguments[option: "name"] ?? (file.hasSuffix(".gguf") ? String(file.dropLast(5)) : file)
        start = ModelStart(path: path, name: name, storePath: arguments[option: "snapshot-store"])
    }

    func run() async throws {
        var waterfall = ModelStart.Waterfall()
        let device = try HostContext()
        waterfall.mark("device")
        let (loaded, report) = try await start.load(device, &waterfall)
        let context = min(contextCount, loaded.shape.contextCount)
        let engine = Engine(tokenizer: loaded.tokenizer)
        engine.start { [sequenceCount, threadCount] in
            let cache = KVCache(loaded.shape, slotCount: sequenceCount, contextCount: context)
            return Llama(loaded.shape, weights: loaded.weights, cache: cache, threadCount: threadCount)
        }
        let model = ServedModel(
            name: start.name, tokenizer: loaded.tokenizer, template: loaded.template, contextCount: context,
            created_s: Int64(time(nil)))
        let handler = ModelHandler(engine: engine, model: model, limits: .standard)
        let server = HTTPServer(configuration: .init(address: address), handler: handler)
        let bound = try await server.start()
        waterfall.mark("listen")
        Console.say("listening on \(bound.port == nil ? "" : "http://")\(bound)")
        Console.note(
            "\(waterfall.text); \(report.choice.rawValue) restore of \(report.bytesByTier.total) bytes, "
                + "\(report.verifiedChunkCount) chunks verified")
        while await Signals.next() == SIGHUP {}
        _ = await server.drain(deadline_ms: 10_000)
        withExtendedLifetime(loaded) {}
    }
}
