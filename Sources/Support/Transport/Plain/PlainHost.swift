import Wire

/// Where connections go: what makes two requests able to share one.
enum PlainEndpoint: Hashable {
    case tcp(host: String, port: UInt16)
    case unix(path: String)
}

/// One endpoint's connections and the requests that wait for one. Confined to its engine's loop.
final class PlainHost {
    let endpoint: PlainEndpoint
    /// Unused connections, the latest used last: it is taken first, so that the others can expire.
    var idle: [PlainConnection] = []
    /// Requests that found the endpoint at its limit, oldest first.
    var waiting: [PlainTransfer] = []
    /// Connections, those being made included.
    var slots = 0

    init(_ endpoint: PlainEndpoint) { self.endpoint = endpoint }

    /// Nothing would be lost by forgetting this.
    var isUnused: Bool { slots == 0 && waiting.isEmpty }

    /// The addresses that need no lookup; nil when the host is a name.
    ///
    /// Loopback is what RFC 6761 section 6.3 makes of `localhost`; IPv4 first, because that is where most local model
    /// servers listen.
    func knownAddresses() -> [SocketAddress]? {
        switch endpoint {
        case .unix(let path): SocketAddress(unixPath: path).map { [$0] } ?? []
        case .tcp("localhost", let port):
            ["127.0.0.1", "::1"].compactMap { SocketAddress(numeric: $0, port: port) }
        case .tcp(let host, let port): SocketAddress(numeric: host, port: port).map { [$0] }
        }
    }
}

/// A parsed URL and the endpoint it leads to.
final class PlainRoute {
    let host: PlainHost
    let hostField: [UInt8]
    let target: [UInt8]

    init(_ url: PlainURL, to host: PlainHost) {
        self.host = host
        hostField = url.hostField
        target = url.target
    }
}

/// What tells routes apart. Hashed once a request.
struct PlainRouteKey: Hashable {
    let url: String
    let unixSocketPath: String?
}
