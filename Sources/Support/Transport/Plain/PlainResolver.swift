import Glibc
import Synchronization
import Wire

/// Looks host names up without holding an event loop: getaddrinfo blocks, so it runs on threads that live only as long
/// as there is work. Answers are remembered for a while, failures are not.
final class PlainResolver: Sendable {
    typealias Answer = Result<[SocketAddress], TransportError>
    /// Finds a name's addresses, with port 0; may block.
    typealias Lookup = @Sendable (_ host: String) -> Answer

    private struct Remembered {
        var addresses: [SocketAddress]
        var expires_ns: UInt64
    }

    private struct State {
        var remembered: [String: Remembered] = [:]
        /// Who waits for a name that is being looked up or queued. Bounded by the transfers in flight.
        var waiting: [String: [@Sendable (Answer) -> Void]] = [:]
        var queue: [String] = []
        var threadCount = 0
    }

    private let state = Lock(State())
    private let limits: Limits
    private let lookup: Lookup

    init(limits: Limits, lookup: @escaping Lookup = PlainResolver.systemLookup) {
        self.limits = limits
        self.lookup = lookup
    }

    /// The addresses of `host` if they are remembered; else nil, and `then` is called once with them on another thread.
    func addresses(
        of host: String, then: @escaping @Sendable (Answer) -> Void
    ) -> [SocketAddress]? {
        let now_ns = EventLoop.clock_ns()
        let (found, needsThread) = state.withLock { state -> ([SocketAddress]?, Bool) in
            if let known = state.remembered[host], known.expires_ns > now_ns { return (known.addresses, false) }
            let isNew = state.waiting[host] == nil
            state.waiting[host, default: []].append(then)
            guard isNew else { return (nil, false) }
            state.queue.append(host)
            guard state.threadCount < limits.resolverThreadCount else { return (nil, false) }
            state.threadCount += 1
            return (nil, true)
        }
        if needsThread { startThread() }
        return found
    }

    private func startThread() {
        var thread = pthread_t()
        let me = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { pointer in
                Unmanaged<PlainResolver>.fromOpaque(pointer!).takeRetainedValue().work()
                return nil
            }, me.toOpaque())
        guard status == 0 else {
            me.release()
            return failAll(TransportError(.system, "no thread to look up host names: errno \(status)"))
        }
        pthread_detach(thread)
    }

    /// Looks up what is queued, then ends.
    private func work() {
        while true {
            let next = state.withLock { state -> String? in
                guard !state.queue.isEmpty else {
                    state.threadCount -= 1
                    return nil
                }
                return state.queue.removeFirst()
            }
            guard let host = next else { return }
            let answer = lookup(host)
            let waiting = state.withLock { state in
                if case .success(let addresses) = answer { remember(addresses, of: host, &state) }
                return state.waiting.removeValue(forKey: host) ?? []
            }
            for then in waiting { then(answer) }
        }
    }

    private func remember(_ addresses: [SocketAddress], of host: String, _ state: inout State) {
        if state.remembered.count >= limits.resolvedHostCount, state.remembered[host] == nil,
            let oldest = state.remembered.min(by: { $0.value.expires_ns < $1.value.expires_ns })
        {
            state.remembered[oldest.key] = nil
        }
        let expires_ns = EventLoop.clock_ns() &+ UInt64(max(0, limits.resolvedHost_ms)) &* 1_000_000
        state.remembered[host] = Remembered(addresses: addresses, expires_ns: expires_ns)
    }

    private func failAll(_ error: TransportError) {
        let waiting = state.withLock { state in
            state.threadCount -= 1
            // Another thread, if there is one, serves what is queued.
            guard state.threadCount == 0 else { return [] as [@Sendable (Answer) -> Void] }
            defer {
                state.waiting = [:]
                state.queue = []
            }
            return state.waiting.values.flatMap { $0 }
        }
        for then in waiting { then(.failure(error)) }
    }

    /// getaddrinfo, in the order of RFC 6724.
    static let systemLookup: Lookup = { host in
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        var addresses: [SocketAddress] = []
        var next = status == 0 ? list : nil
        while let info = next {
            if let address = SocketAddress(info.pointee) { addresses.append(address) }
            next = info.pointee.ai_next
        }
        guard !addresses.isEmpty else {
            let reason = status == 0 ? "the name has no internet address" : String(cString: gai_strerror(status))
            return .failure(TransportError(.dnsFailure, "\(host): \(reason)"))
        }
        return .success(addresses)
    }
}
