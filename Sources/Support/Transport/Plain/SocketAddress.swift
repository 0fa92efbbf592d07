import CPosix
import Glibc

/// An address to connect to: IPv4, IPv6 or a Unix socket's path, in the kernel's form.
struct SocketAddress: Sendable, Hashable {
    let family: Int32
    /// A `sockaddr_in`, `sockaddr_in6` or `sockaddr_un`.
    private var bytes: [UInt8]

    /// An IPv4 or IPv6 address in numbers; nil when `host` is a name.
    init?(numeric host: String, port: UInt16) {
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        if inet_pton(AF_INET, host, &v4.sin_addr) == 1 {
            v4.sin_family = sa_family_t(AF_INET)
            self.init(AF_INET, v4)
        } else if inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 {
            v6.sin6_family = sa_family_t(AF_INET6)
            self.init(AF_INET6, v6)
        } else {
            return nil
        }
        setPort(port)
    }

    /// A Unix socket; nil when the path is empty, too long for the kernel or holds NUL.
    init?(unixPath path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard !path.isEmpty, path.utf8.count <= room, !path.utf8.contains(0) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        self.init(AF_UNIX, address)
    }

    /// One result of getaddrinfo; nil when it is no internet address.
    init?(_ info: addrinfo) {
        guard info.ai_family == AF_INET || info.ai_family == AF_INET6, let address = info.ai_addr else { return nil }
        family = info.ai_family
        bytes = Array(UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen)))
    }

    private init<Address>(_ family: Int32, _ address: Address) {
        self.family = family
        bytes = withUnsafeBytes(of: address) { Array($0) }
    }

    /// Sets the port of an internet address. IPv4 and IPv6 keep it at the same place, high byte first.
    mutating func setPort(_ port: UInt16) {
        precondition(family != AF_UNIX, "a Unix socket has no port")
        bytes[2] = UInt8(port >> 8)
        bytes[3] = UInt8(port & 0xFF)
    }

    /// A non-blocking socket for this address, and its connect begun. Answers a negated errno on failure.
    func startConnecting() -> (descriptor: Int32, isConnected: Bool) {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { return (-errno, false) }
        if family != AF_UNIX {
            var on: Int32 = 1
            let size = socklen_t(MemoryLayout<Int32>.size)
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
            setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, size)
        }
        let status = bytes.withUnsafeBytes {
            connect(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        guard status != 0 else { return (descriptor, true) }
        let code = errno
        guard code == EINPROGRESS else {
            close(descriptor)
            return (-code, false)
        }
        return (descriptor, false)
    }
}
