import DemoSupport
import GPUServeKit
import Glibc
import Transport
import Wire

/// `gpuserve serve`: the daemon in the foreground until SIGTERM or SIGINT. Its engines live on for the next one to take
/// over, unless `--end-engines`.
enum Daemon {
    static let options = ["state", "listen", "loops", "host-memory", "gpu-memory"]
    static let flags = ["end-engines"]

    static func run(_ arguments: Arguments) async throws {
        try arguments.expect()
        let listen = arguments[option: "listen"] ?? "127.0.0.1:8089"
        guard let address = ListenAddress(text: listen) else {
            throw UsageError(message: "--listen takes HOST:PORT or unix:PATH, not \(listen)")
        }
        let count = Int(arguments[option: "loops"] ?? "1") ?? 0
        guard (1...64).contains(count) else { throw UsageError(message: "--loops must be a number from 1 to 64") }
        let machine = MachineMemory.discover()
        let budget = try budget(arguments, machine)
        let directory = try StateDirectory(path: try arguments.required("state"))
        let key = try directory.key()
        var loops: [EventLoop] = []
        for index in 0..<count {
            let loop = try EventLoop(name: "serve-\(index)")
            loop.start()
            loops.append(loop)
        }
        let transport = try LoopTransport(loops: loops)
        let runtime = try await ServeRuntime(
            directory: directory, transport: transport, machine: machine, budget: budget,
            bandwidths: KeptBandwidths.file().flatMap { Bandwidths.kept(at: $0) }
        ) { line in
            Console.error("gpuserve: \(line)\n")
        }
        Console.error("gpuserve: engines may hold \(words(budget))\n")
        let server = HTTPServer(
            configuration: HTTPServer.Configuration(address: address, loops: .shared(loops)),
            handler: ServeHandler(runtime, key: key))
        let bound = try await server.start()
        try directory.announce("\(bound)")
        Terminal.write("listening on \(bound.port == nil ? "" : "http://")\(bound)\n", to: STDOUT_FILENO)
        while await Signals.next() == SIGHUP {}
        Console.error("gpuserve: stopping\n")
        _ = await server.drain(deadline_ms: 10_000)
        await runtime.shutDown(endsEngines: arguments.has("end-engines"))
    }

    /// What was said, else what the machine has.
    private static func budget(_ arguments: Arguments, _ machine: MachineMemory) throws(UsageError) -> MemorySize {
        let standard = machine.standardBudget
        return MemorySize(
            hostBytes: try arguments.size("host-memory") ?? standard.hostBytes,
            gpuBytes: try arguments.size("gpu-memory") ?? standard.gpuBytes)
    }

    private static func words(_ budget: MemorySize) -> String {
        MemorySize.Kind.allCases.map { "\(MemorySize.text(budget[$0])) of \($0.words)" }.joined(separator: " and ")
    }
}
