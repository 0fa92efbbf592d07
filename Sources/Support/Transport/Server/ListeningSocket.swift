import CPosix
import Glibc
import Wire

/// Makes listening sockets.
enum ListeningSocket {
    /// Binds `count` sockets to one TCP address; with more than one, the kernel spreads connections over them
    /// (SO_REUSEPORT).
    static func tcp(
        host: String, port: UInt16, count: Int, limits: Limits
    ) throws(TransportError) -> (descriptors: [Int32], port: UInt16) {
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        var address = try resolve(host: host, port: port, name: name)
        if count > 1, port != 0 {
            // SO_REUSEPORT would let two servers of one user share a port without either noticing; this one bind, which
            // lacks it, fails when somebody else is there.
            close(try bound(address, shared: false, name: name))
        }
        var descriptors: [Int32] = []
        do throws(TransportError) {
            for _ in 0..<count {
                let descriptor = try bound(address, shared: count > 1, name: name)
                descriptors.append(descriptor)
                address.setPort(try boundPort(descriptor, name: name))
            }
            for descriptor in descriptors {
                setConnectionOptions(descriptor, limits)
                try startListening(descriptor, backlog: limits.listenBacklogCount, name: name)
            }
        } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        return (descriptors, address.port)
    }

    /// Binds a Unix socket with mode 0600. A socket file that nobody listens on is replaced.
    static func unix(path: String, backlog: Int) throws(TransportError) -> Int32 {
        let name = "unix:\(path)"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard !path.isEmpty, path.utf8.count <= room, !path.utf8.contains(0) else {
            throw TransportError(.bindFailed, "\(name): a Unix socket path has 1 to \(room) bytes and no NUL")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, streamType, 0)
        guard descriptor >= 0 else { throw failure("socket", name) }
        do throws(TransportError) {
            // The file gets the socket's mode at bind (less umask), so there is no moment at which others may connect.
            guard fchmod(descriptor, 0o600) == 0 else { throw failure("fchmod", name) }
            if !bindUnix(descriptor, &address) {
                guard errno == EADDRINUSE else { throw failure("bind", name) }
                try removeStale(path, address, name)
                guard bindUnix(descriptor, &address) else { throw failure("bind", name) }
            }
            try startListening(descriptor, backlog: backlog, name: name)
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    // MARK: Parts

    private static let streamType = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

    private static func failure(_ call: String, _ name: String) -> TransportError {
        let code = errno
        let hint = code == EADDRINUSE ? "; another process listens there" : ""
        return TransportError(.bindFailed, "\(name): \(call): \(String(cString: strerror(code)))\(hint)")
    }

    private static func bound(_ address: InternetAddress, shared: Bool, name: String) throws(TransportError) -> Int32 {
        let descriptor = socket(address.family, streamType, 0)
        guard descriptor >= 0 else { throw failure("socket", name) }
        set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if shared { set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        guard address.bind(descriptor) else {
            let error = failure("bind", name)
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Options that accepted connections inherit from their listener (Linux), which saves their system calls each time.
    private static func setConnectionOptions(_ descriptor: Int32, _ limits: Limits) {
        // Without it, a small response after another waits for the client's delayed acknowledgement: 40 ms.
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        // A client whose machine vanished says nothing; while a handler waits for upstream, only probes find that out.
        let probe_s = max(1, Int32(clamping: limits.peerProbe_ms / 1000))
        set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, probe_s)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, max(1, probe_s / 4))
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func boundPort(_ descriptor: Int32, name: String) throws(TransportError) -> UInt16 {
        var address = InternetAddress()
        guard address.readName(of: descriptor) else { throw failure("getsockname", name) }
        return address.port
    }

    private static func startListening(_ descriptor: Int32, backlog: Int, name: String) throws(TransportError) {
        guard listen(descriptor, Int32(clamping: backlog)) == 0 else { throw failure("listen", name) }
    }

    private static func resolve(host: String, port: UInt16, name: String) throws(TransportError) -> InternetAddress {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV | (host == "localhost" ? 0 : AI_NUMERICHOST)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0, let first = list else {
            throw TransportError(
                .bindFailed, "\(name): \(String(cString: gai_strerror(status))); give a numeric address or localhost")
        }
        defer { freeaddrinfo(list) }
        return InternetAddress(first.pointee)
    }

    private static func bindUnix(_ descriptor: Int32, _ address: inout sockaddr_un) -> Bool {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// Removes a socket file whose server is gone; refuses when it is no socket or somebody answers.
    private static func removeStale(_ path: String, _ address: sockaddr_un, _ name: String) throws(TransportError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw failure("lstat", name) }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw TransportError(.bindFailed, "\(name): the file exists and is no socket; it is left alone")
        }
        let probe = socket(AF_UNIX, streamType, 0)
        guard probe >= 0 else { throw failure("socket", name) }
        defer { close(probe) }
        let answered = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(probe, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard !answered, errno == ECONNREFUSED else {
            throw TransportError(.bindFailed, "\(name): another process listens there")
        }
        guard unlink(path) == 0 else { throw failure("unlink", name) }
    }
}

/// An IPv4 or IPv6 socket address.
struct InternetAddress {
    private var storage = sockaddr_in6()
    private var length = socklen_t(MemoryLayout<sockaddr_in6>.size)

    init() {}

    init(_ info: addrinfo) {
        precondition(Int(info.ai_addrlen) <= MemoryLayout<sockaddr_in6>.size, "not an internet address")
        length = info.ai_addrlen
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen)))
        }
    }

    var family: Int32 { Int32(storage.sin6_family) }

    /// IPv4 and IPv6 keep the port at the same place.
    var port: UInt16 { UInt16(bigEndian: storage.sin6_port) }
    mutating func setPort(_ port: UInt16) { storage.sin6_port = port.bigEndian }

    func bind(_ descriptor: Int32) -> Bool {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, length) == 0 }
        }
    }

    mutating func readName(of descriptor: Int32) -> Bool {
        withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
        }
    }
}
