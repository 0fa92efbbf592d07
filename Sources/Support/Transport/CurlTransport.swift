import Synchronization
public import Wire

/// The `UpstreamTransport` of libcurl on event loops, with keep-alive pools, TLS and HTTP/2 by ALPN.
///
/// A request that is sent on one of the loops stays on it: no thread hop, and its connections belong to that loop. One
/// from elsewhere goes to the loops in turn.
///
/// A request on a kept-alive connection that dies without one full line of an answer is sent once more on a fresh
/// connection, whatever its method, if that happens within `Limits.upstreamResend_ms` of sending: such a connection had
/// been closed by the upstream for idleness. Later than that, and on a connection made for the request itself, it fails
/// with `reset`, and the caller decides.
public final class CurlTransport: UpstreamTransport {
    private let engines: [CurlEngine]
    /// A loop made here and ended here.
    private let ownLoop: EventLoop?
    private let turn = Atomic<Int>(0)

    /// Sends on `loops`, which the caller runs. Call `shutDown` before stopping them.
    ///
    /// - Parameters:
    ///   - limits: bounds **per loop**: transfers, connections, buffers.
    ///   - proxy: an HTTP proxy's URL for every request; nil for none. Environment variables are not read.
    /// - Throws: `system` when libcurl cannot be set up.
    public init(loops: [EventLoop], limits: Limits = .standard, proxy: String? = nil) throws(TransportError) {
        precondition(!loops.isEmpty, "a transport needs a loop")
        engines = try CurlTransport.engines(loops, limits, proxy)
        ownLoop = nil
    }

    /// Sends on a loop of its own: for programs that run no server of ours.
    ///
    /// - Throws: `system` when the process is out of descriptors or libcurl cannot be set up.
    public init(limits: Limits = .standard, proxy: String? = nil) throws(TransportError) {
        let loop = try EventLoop(name: "upstream")
        engines = try CurlTransport.engines([loop], limits, proxy)
        ownLoop = loop
        loop.start()
    }

    deinit {
        for engine in engines { engine.onLoop { $0.shutDown() } }
        guard let ownLoop else { return }
        // The last reference may go on the loop itself, which cannot wait for its own end.
        if ownLoop.isCurrent { Task.detached { ownLoop.stop() } } else { ownLoop.stop() }
    }

    /// Sends `request`; see `UpstreamTransport.send`.
    nonisolated(nonsending)
        public func send(_ request: UpstreamRequest) async throws(TransportError) -> UpstreamResponse
    {
        try await CurlTransfer(request, engine: engine()).response()
    }

    /// Fails every request in flight and every later one with `shuttingDown`, closes all connections, and returns when
    /// that is done. The loops must still run.
    public func shutDown() async {
        for engine in engines { await engine.loop.run { engine.shutDown() } }
    }

    /// What the engines have done so far, added up.
    public var statistics: UpstreamStatistics {
        var sum = UpstreamStatistics()
        for engine in engines { engine.counters.add(to: &sum) }
        return sum
    }

    /// The loops it sends on, for a transport that shares them.
    var loops: [EventLoop] { engines.map(\.loop) }

    private func engine() -> CurlEngine {
        for engine in engines where engine.loop.isCurrent { return engine }
        guard engines.count > 1 else { return engines[0] }
        let turn = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        return engines[Int(UInt(bitPattern: turn) % UInt(engines.count))]
    }

    private static func engines(
        _ loops: [EventLoop], _ limits: Limits, _ proxy: String?
    ) throws(TransportError) -> [CurlEngine] {
        var engines: [CurlEngine] = []
        for loop in loops { engines.append(try CurlEngine(loop, limits: limits, proxy: proxy)) }
        return engines
    }
}
