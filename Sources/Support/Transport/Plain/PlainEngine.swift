import Glibc
import Wire

/// A native HTTP/1.1 client for plain `http://` and Unix sockets on one event loop: connections that are kept and used
/// again, the latest used first.
///
/// It exists because libcurl costs 25 to 30 us of processor time a request, most of a gateway's budget.
///
/// `@unchecked Sendable`: everything but `loop`, `home`, `limits`, `counters` and `resolver` is touched only on the
/// loop's thread, which `Settlement`, `abandon` and `assertCurrent` see to.
final class PlainEngine: @unchecked Sendable {
    let loop: EventLoop
    let home: LoopActor
    let limits: Limits
    let counters = UpstreamCounters()
    let resolver: PlainResolver

    // Confined to the loop's thread.
    /// One receive buffer for all connections: bytes are handed on at once, so that an idle one needs none.
    let input: UnsafeMutableRawBufferPointer
    /// Room for a body's bytes without their chunks.
    var decoded: [UInt8] = []
    /// Room for a request's bytes on their way out.
    private var output: [UInt8] = []
    private var hosts: [PlainEndpoint: PlainHost] = [:]
    private var routes: [PlainRouteKey: PlainRoute] = [:]
    private var transfers: [PlainTransfer] = []
    /// Connections, those being made included.
    private var slots = 0
    private var idleCount = 0
    private var waitingCount = 0
    private var isServingWaiting = false
    private var isShutDown = false

    /// An output buffer that grew beyond this for one request is given back.
    private static let keptOutputBytes = 64 * 1024

    init(_ loop: EventLoop, limits: Limits, resolver: PlainResolver) {
        self.loop = loop
        home = LoopActor(loop)
        self.limits = limits
        self.resolver = resolver
        input = .allocate(byteCount: max(1, limits.upstreamReadBytes), alignment: 16)
    }

    deinit { input.deallocate() }

    // MARK: Starting

    /// Starts a transfer; its outcome reaches it through `PlainTransfer`.
    func start(_ transfer: PlainTransfer) {
        loop.assertCurrent()
        guard !isShutDown else {
            return transfer.failed(TransportError(.shuttingDown, "the upstream engine is shut down"))
        }
        guard let route = route(for: transfer.request) else { return transfer.notPlain() }
        guard transfer.request.method != .head || transfer.request.body.isEmpty else {
            return transfer.failed(TransportError(.invalidRequest, "\(transfer.origin): a HEAD with a body"))
        }
        guard transfers.count < limits.upstreamTransferCount else {
            return transfer.failed(
                TransportError(
                    .tooManyTransfers, "more than \(limits.upstreamTransferCount) simultaneous upstream requests"))
        }
        transfer.index = transfers.count
        transfers.append(transfer)
        counters.transferStarted()
        transfer.began(route)
        if let connection = route.host.idle.popLast() {
            idleCount -= 1
            activate(transfer, on: connection)
        } else if mayConnect(to: route.host) {
            takeSlot(route.host)
            dial(transfer)
        } else {
            transfer.phase = .queued
            route.host.waiting.append(transfer)
            waitingCount += 1
            transfer.watchTime()
        }
    }

    private func route(for request: UpstreamRequest) -> PlainRoute? {
        let key = PlainRouteKey(url: request.url, unixSocketPath: request.unixSocketPath)
        if let known = routes[key] { return known }
        guard let url = PlainURL(request.url) else { return nil }
        if routes.count >= limits.upstreamRouteCount {
            routes.removeAll(keepingCapacity: true)
            hosts = hosts.filter { !$0.value.isUnused }
        }
        let endpoint =
            request.unixSocketPath.map { PlainEndpoint.unix(path: $0) } ?? .tcp(host: url.host, port: url.port)
        let host = hosts[endpoint] ?? PlainHost(endpoint)
        hosts[endpoint] = host
        let route = PlainRoute(url, to: host)
        routes[key] = route
        return route
    }

    func activate(_ transfer: PlainTransfer, on connection: PlainConnection) {
        guard let route = transfer.route else { preconditionFailure("a transfer without a route") }
        transfer.phase = .active(connection)
        connection.begin(transfer, route)
    }

    /// Builds a request in the shared buffer. `body` must not suspend or come back here.
    func withOutput(_ body: (inout [UInt8]) -> Int) -> Int {
        output.removeAll(keepingCapacity: true)
        defer { if output.capacity > Self.keptOutputBytes { output = [] } }
        return body(&output)
    }

    // MARK: Ending

    /// The answer is complete.
    func completed(_ transfer: PlainTransfer, _ connection: PlainConnection, isReusable: Bool) {
        forget(transfer)
        transfer.completed()
        guard isReusable, !isShutDown else {
            connection.close()
            return returnSlot(connection.host)
        }
        let host = connection.host
        connection.park()
        if !host.waiting.isEmpty {
            let next = host.waiting.removeFirst()
            waitingCount -= 1
            next.stopWatchingTime()
            return activate(next, on: connection)
        }
        host.idle.append(connection)
        idleCount += 1
        if idleCount > limits.upstreamIdleConnectionCount, let oldest = host.idle.first { discard(idle: oldest) }
        serveWaiting()
    }

    /// Ends a transfer before its answer did; harmless when it is over.
    func abort(_ transfer: PlainTransfer, _ error: TransportError) {
        loop.assertCurrent()
        guard let host = transfer.route?.host, transfer.index >= 0 else { return }
        let holdsSlot: Bool
        switch transfer.phase {
        case .new, .over: return
        case .queued:
            holdsSlot = false
            if let index = host.waiting.firstIndex(where: { $0 === transfer }) {
                host.waiting.remove(at: index)
                waitingCount -= 1
            }
        case .resolving: holdsSlot = true
        case .connecting(let connection), .active(let connection):
            connection.close()
            holdsSlot = true
        }
        forget(transfer)
        transfer.failed(error)
        if holdsSlot { returnSlot(host) }
    }

    /// Closes an unused connection: its time is over, or the peer closed it.
    func discard(idle connection: PlainConnection) {
        let host = connection.host
        guard let index = host.idle.firstIndex(where: { $0 === connection }) else { return }
        host.idle.remove(at: index)
        idleCount -= 1
        connection.close()
        returnSlot(host)
    }

    /// Fails every transfer with `shuttingDown` and closes every connection. Later submissions fail at once.
    func shutDown() {
        loop.assertCurrent()
        guard !isShutDown else { return }
        isShutDown = true
        while let transfer = transfers.last {
            abort(transfer, TransportError(.shuttingDown, "the upstream engine was shut down"))
        }
        for host in hosts.values {
            while let connection = host.idle.last { discard(idle: connection) }
        }
        hosts = [:]
        routes = [:]
    }

    private func forget(_ transfer: PlainTransfer) {
        counters.transferEnded()
        let last = transfers.removeLast()
        if last !== transfer {
            transfers[transfer.index] = last
            last.index = transfer.index
        }
        transfer.index = -1
    }

    // MARK: Slots

    private func mayConnect(to host: PlainHost) -> Bool {
        guard host.slots < limits.upstreamConnectionPerHostCount else { return false }
        if slots < limits.upstreamConnectionCount { return true }
        // Someone else's unused connection makes room.
        guard let other = hosts.values.first(where: { !$0.idle.isEmpty }) else { return false }
        other.idle.removeFirst().close()
        idleCount -= 1
        other.slots -= 1
        slots -= 1
        return true
    }

    private func takeSlot(_ host: PlainHost) {
        host.slots += 1
        slots += 1
    }

    private func returnSlot(_ host: PlainHost) {
        host.slots -= 1
        slots -= 1
        serveWaiting()
    }

    /// Gives free slots to requests that wait for one. Not nested: a request that fails at once returns its slot here.
    private func serveWaiting() {
        guard waitingCount > 0, !isServingWaiting, !isShutDown else { return }
        isServingWaiting = true
        defer { isServingWaiting = false }
        for host in hosts.values {
            while !host.waiting.isEmpty, mayConnect(to: host) {
                let next = host.waiting.removeFirst()
                waitingCount -= 1
                takeSlot(host)
                dial(next)
            }
        }
    }
}
