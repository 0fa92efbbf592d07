import Glibc
import Transport

/// A blocking client over a raw socket: what it sends is exactly what a test says, and what it sees is exactly what came.
/// Every receive is bounded by `patience_s`, so that a server that hangs fails a test instead of stopping the run.
/// `@unchecked Sendable`: a test that shares one reads on one thread and sends on another, which sockets allow.
final class RawClient: @unchecked Sendable {
    static let patience_s = 20

    private var descriptor: Int32
    private var buffer: [UInt8] = []

    init(_ address: BoundAddress, receiveBufferBytes: Int32? = nil) throws {
        switch address.address {
        case .tcp(_, let port):
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            if var size = receiveBufferBytes {
                setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
            }
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = port.bigEndian
            target.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let status = withUnsafePointer(to: target) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard status == 0 else { throw ClientFault("connect: errno \(errno)") }
        case .unix(let path):
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var target = sockaddr_un()
            target.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: path.utf8) }
            let status = withUnsafePointer(to: target) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard status == 0 else { throw ClientFault("connect: errno \(errno)") }
        }
        var patience = timeval(tv_sec: Self.patience_s, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close() }

    func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Closes with a reset.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// Closes the sending side only.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var index = 0
        while index < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + index, $0.count - index, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw ClientFault("send: errno \(errno)") }
            index += count
        }
    }

    /// Sends until the server takes no more or the connection breaks; for servers that answer early.
    func sendIgnoringFailure(_ bytes: [UInt8]) { try? send(bytes) }

    /// Waits for bytes from the server, for a moment at most.
    func pause_ms(_ timeout_ms: Int32) {
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        poll(&poller, 1, timeout_ms)
    }

    /// What one receive brings; nil at the end of the stream.
    func receive() throws -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 64 * 1024)
        let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw ClientFault(errno == EAGAIN ? "nothing came in time" : "recv: errno \(errno)") }
        return count == 0 ? nil : Array(bytes[..<count])
    }

    /// Everything until the server closes in order.
    func readToEnd() throws -> [UInt8] {
        while let bytes = try receive() { buffer += bytes }
        defer { buffer = [] }
        return buffer
    }

    /// True when the server ends the connection, in order or by a reset, without another byte.
    func seesEnd() -> Bool {
        guard buffer.isEmpty else { return false }
        do {
            return try receive() == nil
        } catch {
            return "\(error)".contains("errno \(ECONNRESET)")
        }
    }

    /// One whole response. `toHead`: the request was HEAD, so no body follows.
    func readResponse(toHead: Bool = false) throws -> RawResponse {
        let head = try readHead()
        var response = RawResponse(head: head, body: [])
        if toHead || response.status == 204 || response.status == 304 || response.status < 200 { return response }
        if response["transfer-encoding"] == "chunked" {
            while let chunk = try readChunk() { response.body += chunk }
        } else if let length = response["content-length"].flatMap({ Int($0) }) {
            response.body = try readExactly(length)
        } else {
            response.body = try readToEnd()
        }
        return response
    }

    /// The bytes of a head up to and with its empty line.
    func readHead() throws -> String {
        var head: [UInt8] = []
        while true {
            let line = try readLine()
            head += line
            if line == [13, 10] { return String(decoding: head, as: UTF8.self) }
        }
    }

    /// The data of the next chunk; nil for the last one.
    func readChunk() throws -> [UInt8]? {
        let line = try readLine()
        guard let size = Int(String(decoding: line.dropLast(2), as: UTF8.self), radix: 16) else {
            throw ClientFault("no chunk size in \(line)")
        }
        let data = try readExactly(size)
        guard try readExactly(2) == [13, 10] else { throw ClientFault("no CR LF after a chunk") }
        return size == 0 ? nil : data
    }

    private func readLine() throws -> [UInt8] {
        while true {
            if let end = buffer.firstIndex(of: 10) { return take(end + 1) }
            try fill()
        }
    }

    func readExactly(_ count: Int) throws -> [UInt8] {
        while buffer.count < count { try fill() }
        return take(count)
    }

    private func fill() throws {
        guard let bytes = try receive() else { throw ClientFault("the stream ended inside a response") }
        buffer += bytes
    }

    private func take(_ count: Int) -> [UInt8] {
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }
}

struct ClientFault: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A response as it came.
struct RawResponse: Sendable {
    let head: String
    var body: [UInt8]

    var status: Int { Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0 }
    var text: String { String(decoding: body, as: UTF8.self) }

    /// The first value of a field.
    subscript(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == name { return String(parts[1].drop { $0 == " " }) }
        }
        return nil
    }
}
