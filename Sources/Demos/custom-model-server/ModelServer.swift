import DemoSupport
import GPUServeKit
import Glibc
import ModelFiles
import Transport
import Wire

/// The server's life: bring the model into memory, listen, serve until told to stop.
struct ModelServer {
    let start: ModelStart
    let address: ListenAddress
    /// Where the operator's socket lies.
    let adminPath: String?
    let settings: ModelHost.Settings
    /// The number of the GPU; nil for the host.
    let gpu: Int?

    static let options = [
        "model", "listen", "snapshot-store", "name", "context", "sequences", "threads", "admin-socket", "while-asleep",
        "variants", "variant-budget", "adapter-base", "device",
    ]

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
        let whileAsleep = arguments[option: "while-asleep"] ?? "wake"
        guard ["wake", "refuse"].contains(whileAsleep) else {
            throw UsageError(message: "--while-asleep \(whileAsleep) is neither wake nor refuse")
        }
        let device = arguments[option: "device"] ?? "host"
        let words = device.split(separator: ":", omittingEmptySubsequences: false)
        gpu = device == "host" ? nil : words.count == 1 ? 0 : Int(words[1])
        guard device == "host" || words[0] == "cuda" && words.count <= 2 && (0..<1024).contains(gpu ?? -1) else {
            throw UsageError(message: "--device \(device) is neither host nor cuda nor cuda:NUMBER")
        }
        let name = ModelFiles.name(of: path)
        adminPath = arguments[option: "admin-socket"]
        settings = ModelHost.Settings(
            contextCount: try number("context", 2048, 16...1_048_576),
            sequenceCount: try number("sequences", 4, 1...256), threadCount: try number("threads", 1, 1...256),
            wakesOnRequest: whileAsleep == "wake",
            code: gpu.map { _ in ModuleImage(name: "model.ptx", code: .ptx(PackageResources.model_ptx)) },
            variants: VariantShelf.Settings(
                directory: arguments[option: "variants"],
                // Without what tells the quantisation.
                base: arguments[option: "adapter-base"] ?? String(name.prefix { $0 != "." }),
                budgetBytes: try number("variant-budget", 256, 1...1_048_576) << 20))
        start = ModelStart(
            path: path, name: arguments[option: "name"] ?? name, storePath: arguments[option: "snapshot-store"])
    }

    func run() async throws {
        var waterfall = Waterfall()
        let device = try await context()
        waterfall.mark("device")
        let host = ModelHost(name: start.name, try await start.open(device, &waterfall), settings)
        _ = try await host.wake()
        waterfall.mark("tokenizer and engine", restored: await host.report)
        let server = HTTPServer(
            configuration: .init(address: address), handler: ModelHandler(host, name: start.name, limits: .standard))
        let bound = try await server.start()
        let admin = adminPath.map {
            HTTPServer(
                configuration: .init(address: .unix(path: $0)),
                handler: AdminHandler(host, name: start.name, limits: .standard))
        }
        _ = try await admin?.start()
        waterfall.mark("listen")
        Console.say("listening on \(bound.port == nil ? "" : "http://")\(bound)")
        let report = await host.report
        Console.note(
            "\(waterfall.text); \(report?.choice.rawValue ?? "no") restore of \(report?.bytesByTier.total ?? 0) bytes in "
                + "\(report?.ready_ms ?? 0) ms, \(report?.verifiedChunkCount ?? 0) chunks verified")
        while await Signals.next() == SIGHUP {}
        _ = await admin?.drain(deadline_ms: 1000)
        _ = await server.drain(deadline_ms: 10_000)
    }

    /// The device that the model runs on. GPUs have never been tried.
    ///
    /// - Throws: `DeviceError` saying why there is no such GPU.
    private func context() async throws -> any GPUContext {
        if let gpu { return try await CUDAContext.make(driver: try DeviceCatalog.discover().cuda.get(), ordinal: gpu) }
        // The weights are the snapshot's own pages in the page cache, and go back when nobody uses them: asleep means asleep.
        var pool = HostMemoryPool.Configuration()
        pool.mapsFiles = true
        return try HostContext(pool: HostMemoryPool(pool))
    }
}
