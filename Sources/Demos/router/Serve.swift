import CPosix
import DemoSupport
import Glibc
import RouterKit
import Transport
import Wire

/// `router serve`: the gateway in the foreground until SIGTERM or SIGINT.
struct Serve {
    let file: String
    let listen: ListenAddress?

    /// Buffers from this size on have mappings of their own.
    private static let mappedBytes: Int32 = 256 * 1024

    func run() async throws {
        // What a burst needed (the log's queue, long bodies) goes back to the system with it. By default glibc keeps such memory
        // from the second time on, in the heap of whatever thread asked: 3 MB here and 3 MB there in a million requests.
        cposix_map_buffers_from(Self.mappedBytes)
        let configuration = try ConfigurationFile.load(file)
        let address = listen ?? configuration.listen
        var loops: [EventLoop] = []
        for index in 0..<configuration.loopCount {
            let loop = try EventLoop(name: "router-\(index)")
            loop.start()
            loops.append(loop)
        }
        let transport = try LoopTransport(loops: loops, limits: configuration.limits)
        let metrics = GatewayMetrics()
        let assembly = Assembly(transport: transport, metrics: metrics)
        var started = timespec()
        clock_gettime(CLOCK_REALTIME, &started)
        let gateway = Gateway(
            Gateway.State(router: try assembly.router(configuration), clients: ClientKeys(configuration.clients)),
            metrics: metrics, started_s: Int64(started.tv_sec))
        let server = HTTPServer(
            configuration: HTTPServer.Configuration(
                address: address, limits: configuration.limits, loops: .shared(loops)),
            handler: gateway)
        let bound = try await server.start()
        Console.say("listening on \(bound.port == nil ? "" : "http://")\(bound)")
        if configuration.clients.isEmpty, !address.isLocal {
            Console.warn("\(address) is reachable from other machines and no client_keys are configured")
        }
        if let path = configuration.outcomesPath {
            Console.note("outcomes are collected in \(path), prompts included")
        }
        while true {
            switch await Signals.next() {
            case SIGHUP: reload(gateway, assembly, metrics)
            default:
                gateway.startDraining()
                // Nobody waits for comparisons: they go first.
                gateway.current.router.configuration.learner?.stopShadows()
                Console.note("draining for at most \(configuration.drain_ms) ms")
                let report = await server.drain(deadline_ms: configuration.drain_ms)
                await gateway.current.router.configuration.learner?.shadowsEnded()
                close(gateway.current.router.configuration)
                Console.note(
                    "stopped: \(report.finished) answers finished, \(report.idleClosed) idle connections closed, "
                        + "\(report.aborted) cut off at the limit")
                return
            }
        }
    }

    /// What the disk did not take is lost now; whoever adds up the log must know.
    private func close(_ configuration: Router.Configuration) {
        configuration.log?.close()
        configuration.learner?.close()
        let lost = configuration.log?.status.droppedCount ?? 0
        if lost > 0 { Console.warn("\(lost) lines of the decision log were lost: the disk or the queue was full") }
        let rows = configuration.learner?.store.status.droppedCount ?? 0
        if rows > 0 { Console.warn("\(rows) rows of outcomes were lost: the disk or the queue was full") }
    }

    /// A bad file changes nothing: the configuration in use stays, and says so.
    private func reload(_ gateway: Gateway, _ assembly: Assembly, _ metrics: GatewayMetrics) {
        do {
            let configuration = try ConfigurationFile.load(file)
            let old = gateway.current.router
            let router = try assembly.router(configuration, replacing: old)
            gateway.replace(router: router, clients: ClientKeys(configuration.clients))
            if let learner = old.configuration.learner, learner !== router.configuration.learner { learner.close() }
            metrics.reloaded("ok")
            Console.note("configuration reloaded; listen, loops and drain_ms take effect at the next start")
        } catch {
            metrics.reloaded("refused")
            Console.warn("configuration not reloaded, the old one stays in use: \(error)")
        }
    }
}

/// Puts routers together from configurations.
struct Assembly {
    let transport: any UpstreamTransport
    let metrics: GatewayMetrics?

    /// - Parameter old: the router in use, whose pool (with its health), pins, receipts and log live on.
    func router(
        _ file: GatewayConfiguration, replacing old: Router? = nil, withLog: Bool = true
    ) throws -> Router {
        // Whatever can be refused is read before anything in use is touched.
        let classifier = try file.classifier()
        let policy = try file.policy()
        let learner = withLog ? try learner(file, old) : nil
        let pool: ModelPool
        if let old {
            pool = old.configuration.pool
            try pool.replace(cards: file.cards)
        } else {
            pool = try ModelPool(cards: file.cards, limits: file.limits)
        }
        var configuration = Router.Configuration(pool: pool, transport: transport)
        configuration.mode = file.mode
        configuration.classifier = classifier
        configuration.policy = policy
        configuration.cascade = file.cascade
        configuration.limits = file.limits
        configuration.learner = learner
        configuration.shadow = file.shadow
        configuration.observer = metrics
        configuration.logsPrompts = file.log?.includesPrompts ?? false
        if let old {
            configuration.receipts = old.configuration.receipts
            configuration.log = old.configuration.log
            return old.reconfigured(configuration)
        }
        if withLog, let log = file.log {
            configuration.log = try DecisionLog(
                DecisionLog.Configuration(
                    path: log.path, maxFileBytes: log.maxBytes, keptFilesCount: log.keptFiles), limits: file.limits)
        }
        return Router(configuration)
    }

    /// The learner in use, when it writes to the file that is wanted: it remembers whom feedback is for.
    private func learner(_ file: GatewayConfiguration, _ old: Router?) throws(LogError) -> TrafficLearner? {
        guard let path = file.outcomesPath else { return nil }
        if let learner = old?.configuration.learner, learner.store.path == path { return learner }
        return TrafficLearner(try OutcomeStore(path: path, limits: file.limits), limits: file.limits)
    }
}

/// Lines for the person who runs the program; standard output stays for what was asked for.
enum Console {
    /// What was asked for, at once: another program may be waiting for the line.
    static func say(_ text: String) { Terminal.write("\(text)\n", to: STDOUT_FILENO) }
    static func note(_ text: String) { Terminal.write("router: \(text)\n", to: STDERR_FILENO) }
    static func warn(_ text: String) { Terminal.write("router: warning: \(text)\n", to: STDERR_FILENO) }
    static func fail(_ text: String) { Terminal.write("router: \(text)\n", to: STDERR_FILENO) }
}
