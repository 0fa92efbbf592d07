import Glibc
import Synchronization
public import Wire

/// A strict HTTP/1.1 server on epoll loops. Any thread may call it.
///
/// ```swift
/// let server = HTTPServer(
///     configuration: .init(address: .tcp(host: "127.0.0.1", port: 8080)), handler: MyHandler())
/// print("listening on", try await server.start())
/// let report = await server.drain(deadline_ms: 30_000)
/// ```
public final class HTTPServer: Sendable {
    /// How a server listens and what it allows.
    public struct Configuration: Sendable {
        /// Which loops serve.
        public enum Loops: Sendable {
            /// The server makes, starts and stops this many.
            case own(count: Int)
            /// Running loops of the caller, who stops them after the drain. Sharing them with an upstream engine keeps
            /// a proxied request on one thread.
            case shared([EventLoop])
        }

        /// Where to listen.
        public var address: ListenAddress
        /// Bounds on everything a client can make the server hold or wait for.
        public var limits: Limits
        /// Which loops serve.
        public var loops: Loops

        /// A configuration with one loop of the server's own.
        public init(address: ListenAddress, limits: Limits = .standard, loops: Loops = .own(count: 1)) {
            self.address = address
            self.limits = limits
            self.loops = loops
        }
    }

    private enum State {
        case new
        case starting
        case running([ServerLoop], owned: [EventLoop])
        case draining
        case stopped(DrainReport)
    }

    private let configuration: Configuration
    private let handler: any HTTPHandler
    private let calls: SocketCalls
    private let counters = ServerCounters()
    private let state = Lock(State.new)

    /// A server that is not listening yet.
    public convenience init(configuration: Configuration, handler: any HTTPHandler) {
        self.init(configuration: configuration, handler: handler, calls: .system)
    }

    init(configuration: Configuration, handler: any HTTPHandler, calls: SocketCalls) {
        self.configuration = configuration
        self.handler = handler
        self.calls = calls
    }

    /// What the server has done so far.
    public var counts: ServerCounts { counters.snapshot }

    // MARK: Start

    /// Binds, listens and begins to accept. Call once.
    ///
    /// - Throws: `bindFailed` with the address and reason; `system` when the process is out of descriptors or threads.
    public func start() async throws(TransportError) -> BoundAddress {
        state.withLock { state in
            guard case .new = state else { preconditionFailure("a server starts once") }
            state = .starting
        }
        let (loops, owned) = try makeLoops()
        let parts = loops.enumerated().map { index, loop in
            ServerLoop(
                loop: loop, index: index, limits: configuration.limits, calls: calls, counters: counters,
                handler: handler)
        }
        do throws(TransportError) {
            let (bound, listeners) = try makeListeners(parts)
            for (part, listener) in zip(parts, listeners) {
                try await part.loop.run { () throws(TransportError) in try part.listen(listener) }
            }
            state.withLock { $0 = .running(parts, owned: owned) }
            return bound
        } catch {
            for part in parts { await part.loop.run { part.beginDrain() } }
            for loop in owned { loop.stop() }
            throw error
        }
    }

    private func makeLoops() throws(TransportError) -> (all: [EventLoop], owned: [EventLoop]) {
        switch configuration.loops {
        case .shared(let loops):
            precondition(!loops.isEmpty, "a server needs a loop")
            return (loops, [])
        case .own(let count):
            precondition(count > 0, "a server needs a loop")
            var loops: [EventLoop] = []
            for index in 0..<count { loops.append(try EventLoop(name: "http-\(index)")) }
            for loop in loops { loop.start() }
            return (loops, loops)
        }
    }

    /// One listener a loop for TCP; one on the first loop, dealing out to all, for a Unix socket.
    private func makeListeners(_ parts: [ServerLoop]) throws(TransportError) -> (BoundAddress, [Listener]) {
        switch configuration.address {
        case .tcp(let host, let port):
            let bound = try ListeningSocket.tcp(
                host: host, port: port, count: parts.count, limits: configuration.limits)
            let listeners = zip(bound.descriptors, parts).map { descriptor, part in
                Listener(server: part, descriptor: descriptor) { [unowned part] in
                    part.adopt($0, peer: $1)
                }
            }
            return (BoundAddress(address: .tcp(host: host, port: bound.port)), listeners)
        case .unix(let path):
            let descriptor = try ListeningSocket.unix(
                path: path, backlog: configuration.limits.listenBacklogCount)
            var turn = 0
            let listener = Listener(
                server: parts[0], descriptor: descriptor, file: SocketFile(path)
            ) { accepted, peer in
                let part = parts[turn % parts.count]
                turn += 1
                if part.loop.isCurrent {
                    part.adopt(accepted, peer: peer)
                } else {
                    part.loop.execute { part.adopt(accepted, peer: peer) }
                }
            }
            return (BoundAddress(address: configuration.address), [listener])
        }
    }

    // MARK: Drain

    /// Stops accepting, lets requests in flight finish with `Connection: close`, closes idle connections; after
    /// `deadline_ms` aborts what is left. Ends the server's own loops. Never call it on one of them. A second call
    /// returns at once with what is known.
    public func drain(deadline_ms: Int) async -> DrainReport {
        let taken = state.withLock { state -> (parts: [ServerLoop], owned: [EventLoop])? in
            guard case .running(let parts, let owned) = state else { return nil }
            state = .draining
            return (parts, owned)
        }
        guard let taken else {
            return state.withLock { if case .stopped(let report) = $0 { report } else { DrainReport() } }
        }
        var report = DrainReport()
        let deadline_ns = EventLoop.clock_ns() &+ UInt64(max(0, deadline_ms)) &* 1_000_000
        for part in taken.parts { await part.loop.run { part.beginDrain() } }
        for part in taken.parts { await part.waitUntilEmpty(deadline_ns: deadline_ns) }
        for part in taken.parts { report.aborted += await part.loop.run { part.abortAll() } }
        let grace_ns = EventLoop.clock_ns() &+ UInt64(configuration.limits.abortGrace_ms) &* 1_000_000
        for part in taken.parts {
            await part.waitUntilEmpty(deadline_ns: grace_ns)
            let end = await part.loop.run {
                DrainReport(
                    finished: part.finishedDuringDrain, idleClosed: part.idleClosedByDrain, stuck: part.connectionCount)
            }
            report.finished += end.finished
            report.idleClosed += end.idleClosed
            report.stuck += end.stuck
        }
        for loop in taken.owned { loop.stop() }
        state.withLock { $0 = .stopped(report) }
        return report
    }
}

/// What became of the connections when a server stopped.
public struct DrainReport: Sendable, Hashable {
    /// Responses completed after the drain began.
    public var finished = 0
    /// Connections that had nothing to answer.
    public var idleClosed = 0
    /// Connections aborted at the deadline, their handlers cancelled.
    public var aborted = 0
    /// Handlers that had not returned `Limits.abortGrace_ms` after they were cancelled.
    public var stuck = 0
}

extension EventLoop {
    /// Runs `body` on the loop's thread and waits for its result.
    func run<Result: Sendable, E: Error>(_ body: @Sendable () throws(E) -> Result) async throws(E) -> Result {
        try await LoopActor(self).run(body)
    }
}
