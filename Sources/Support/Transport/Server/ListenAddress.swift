/// Where a server listens.
public enum ListenAddress: Sendable, Hashable {
    /// A TCP address. `host` is a numeric IPv4 or IPv6 address or `localhost`; port 0 lets the kernel choose.
    case tcp(host: String, port: UInt16)
    /// A Unix socket at this path, at most 107 bytes, readable and writable by its owner only.
    case unix(path: String)
}

/// Where a server listens indeed: the port is the kernel's choice where 0 was asked for.
public struct BoundAddress: Sendable, Hashable, CustomStringConvertible {
    /// The address, with its real port.
    public let address: ListenAddress

    /// The TCP port; nil for a Unix socket.
    public var port: UInt16? {
        if case .tcp(_, let port) = address { return port }
        return nil
    }

    /// `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.
    public var description: String {
        switch address {
        case .tcp(let host, let port): host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
