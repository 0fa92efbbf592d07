import Synchronization
public import Wire

/// The shipped `UpstreamTransport`: a native HTTP/1.1 client for plain `http://` URLs and Unix sockets, and libcurl
/// (`CurlTransport`) for `https`, HTTP/2, proxies and unusual URLs. Both keep the same promises.
///
/// A request that is sent on one of the loops stays on it: no thread hop, and its connections belong to that loop. One
/// from elsewhere goes to the loops in turn.
///
/// A request on a kept-alive connection that dies without a byte of an answer is sent once more on a fresh connection,
/// whatever its method, if that happens within `Limits.upstreamResend_ms` of sending: in all likelihood the upstream had
/// closed that connection for idleness before the request reached it. (One that takes a request and dies at once sees it
/// twice; set the limit to 0 where that matters more than stale connections do.) Later than that, and on a connection
/// made for the request itself, it fails with `reset`, and the caller decides.
public final class LoopTransport: UpstreamTransport {
    private let engines: [PlainEngine]
    private let curl: CurlTransport
    private let hasProxy: Bool
    private let turn = Atomic<Int>(0)

    /// Sends on `loops`, which the caller runs. Call `shutDown` before stopping them.
    ///
    /// - Parameters:
    ///   - limits: bounds **per loop**, and for each of the two clients: transfers, connections, buffers.
    ///   - proxy: an HTTP proxy's URL for every request; nil for none. Environment variables are not read.
    /// - Throws: `system` when libcurl cannot be set up.
    public convenience init(
        loops: [EventLoop], limits: Limits = .standard, proxy: String? = nil
    ) throws(TransportError) {
        self.init(
            try CurlTransport(loops: loops, limits: limits, proxy: proxy), limits, hasProxy: proxy != nil,
            PlainResolver(limits: limits))
    }

    /// Sends on a loop of its own: for programs that run no server of ours.
    ///
    /// - Throws: `system` when the process is out of descriptors or libcurl cannot be set up.
    public convenience init(limits: Limits = .standard, proxy: String? = nil) throws(TransportError) {
        self.init(
            try CurlTransport(limits: limits, proxy: proxy), limits, hasProxy: proxy != nil,
            PlainResolver(limits: limits))
    }

    /// Shares `curl`'s loops: where it has one of its own, it ends it after this transport's last word.
    init(_ curl: CurlTransport, _ limits: Limits, hasProxy: Bool, _ resolver: PlainResolver) {
        self.curl = curl
        self.hasProxy = hasProxy
        engines = curl.loops.map { PlainEngine($0, limits: limits, resolver: resolver) }
    }

    deinit {
        for engine in engines { engine.loop.execute { engine.shutDown() } }
    }

    /// Sends `request`; see `UpstreamTransport.send`.
    nonisolated(nonsending)
        public func send(_ request: UpstreamRequest) async throws(TransportError) -> UpstreamResponse
    {
        if !hasProxy, request.url.utf8.starts(with: "http://".utf8),
            let response = try await PlainTransfer(request, engine: engine()).response()
        {
            return response
        }
        return try await curl.send(request)
    }

    /// Fails every request in flight and every later one with `shuttingDown`, closes all connections, and returns when
    /// that is done. The loops must still run.
    public func shutDown() async {
        for engine in engines { await engine.loop.run { engine.shutDown() } }
        await curl.shutDown()
    }

    /// What both clients have done so far on all loops, added up.
    public var statistics: UpstreamStatistics {
        var sum = curl.statistics
        for engine in engines { engine.counters.add(to: &sum) }
        return sum
    }

    private func engine() -> PlainEngine {
        for engine in engines where engine.loop.isCurrent { return engine }
        guard engines.count > 1 else { return engines[0] }
        let turn = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        return engines[Int(UInt(bitPattern: turn) % UInt(engines.count))]
    }
}
