import CPosix
import Glibc

/// The socket calls of the server, as values so that a test can fail the n-th call. Each gives a count or descriptor, or a
/// negated errno; EINTR never comes out.
struct SocketCalls: Sendable {
    /// Accepts one connection, non-blocking and close-on-exec.
    var accept: @Sendable (_ listener: Int32, _ peer: inout PeerAddress) -> Int32
    /// Receives what is there, at most the buffer; 0 at the end of the stream.
    var receive: @Sendable (_ descriptor: Int32, _ into: UnsafeMutableRawBufferPointer) -> Int
    /// Sends what fits, without SIGPIPE.
    var send: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int

    /// The kernel's.
    static let system = SocketCalls(
        accept: { listener, peer in
            retrying { Int(peer.accept(on: listener)) }.asDescriptor
        },
        receive: { descriptor, buffer in
            retrying { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
        },
        send: { descriptor, bytes in
            retrying { Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
        })

    @inline(__always)
    private static func retrying(_ call: () -> Int) -> Int {
        while true {
            let result = call()
            if result >= 0 { return result }
            let code = errno
            if code != EINTR { return -Int(code) }
        }
    }
}

extension Int {
    fileprivate var asDescriptor: Int32 { Int32(truncatingIfNeeded: self) }
}

/// Where a client connected from, kept as the kernel gave it: most requests never ask for the text.
struct PeerAddress: Sendable, CustomStringConvertible {
    /// Large enough for IPv4 and IPv6; a Unix address is cut off after its family, which is all we need of it.
    private var address = sockaddr_in6()

    /// accept4 into this address; -1 and errno on failure.
    mutating func accept(on listener: Int32) -> Int32 {
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        return withUnsafeMutableBytes(of: &address) { bytes in
            cposix_accept(listener, bytes.baseAddress, &length)
        }
    }

    /// `host:port`, with brackets around an IPv6 host, or `unix`.
    var description: String {
        withUnsafeBytes(of: address) { bytes in
            switch Int32(address.sin6_family) {
            case AF_INET:
                let v4 = bytes.loadUnaligned(as: sockaddr_in.self)
                return "\(Self.host(AF_INET, v4.sin_addr)):\(UInt16(bigEndian: v4.sin_port))"
            case AF_INET6:
                return "[\(Self.host(AF_INET6, address.sin6_addr))]:\(UInt16(bigEndian: address.sin6_port))"
            default:
                return "unix"
            }
        }
    }

    private static func host<Address>(_ family: Int32, _ address: Address) -> String {
        withUnsafePointer(to: address) { address in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
                inet_ntop(family, address, text.baseAddress, socklen_t(text.count)).map { String(cString: $0) } ?? "?"
            }
        }
    }
}
