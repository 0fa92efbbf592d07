import Glibc
import Synchronization
import Transport

/// A fake upstream: a listening socket whose every connection runs a script on a thread of its own, byte for byte.
/// Never a source of reported figures.
final class FakeUpstream: Sendable {
    typealias Script = @Sendable (FakeConnection) -> Void

    private struct State {
        var threads: [pthread_t] = []
        var open: [Int32] = []
        var acceptedCount = 0
        var isStopped = false
    }

    let port: UInt16
    let unixPath: String?
    private let listener: Int32
    private let script: Script
    private let state = Lock(State())

    /// Listens on a free port of 127.0.0.1, or on a Unix socket at `unixPath`.
    init(unixPath: String? = nil, _ script: @escaping Script) {
        self.unixPath = unixPath
        self.script = script
        let family = unixPath == nil ? AF_INET : AF_UNIX
        let listener = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        precondition(listener >= 0, "the fake upstream has no socket: errno \(errno)")
        self.listener = listener
        port = unixPath.map { FakeUpstream.bindUnix(listener, $0) } ?? FakeUpstream.bindLoopback(listener)
        let status = listen(listener, 512)
        precondition(status == 0, "the fake upstream cannot listen: errno \(errno)")
        spawn { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                let index = state.withLock { state -> Int? in
                    guard !state.isStopped else { return nil }
                    state.open.append(connection)
                    defer { state.acceptedCount += 1 }
                    return state.acceptedCount
                }
                guard let index else {
                    close(connection)
                    return
                }
                spawn { [self] in
                    script(FakeConnection(connection, index))
                    state.withLock { state in
                        // Closed under the lock: `stop` must not shut down a descriptor that someone else got since.
                        state.open.removeAll { $0 == connection }
                        _ = close(connection)
                    }
                }
            }
        }
    }

    var origin: String { "http://127.0.0.1:\(port)" }
    var acceptedCount: Int { state.withLock { $0.acceptedCount } }

    /// Ends every connection and waits for every script.
    func stop() {
        state.withLock { state in
            state.isStopped = true
            for connection in state.open { shutdown(connection, Int32(SHUT_RDWR)) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
        while let thread = state.withLock({ $0.threads.popLast() }) { pthread_join(thread, nil) }
        close(listener)
        if let unixPath { unlink(unixPath) }
    }

    private func spawn(_ body: @escaping @Sendable () -> Void) {
        let thread = startJoinableThread(body)
        state.withLock { $0.threads.append(thread) }
    }

    private static func bindLoopback(_ listener: Int32) -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                let status = bind(listener, generic, length)
                precondition(status == 0, "the fake upstream cannot bind: errno \(errno)")
                getsockname(listener, generic, &length)
            }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
    }

    private static func bindUnix(_ listener: Int32, _ path: String) -> UInt16 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { target in
            precondition(path.utf8.count < target.count, "the socket's path is too long")
            target.copyBytes(from: path.utf8)
        }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        precondition(status == 0, "the fake upstream cannot bind: errno \(errno)")
        return 0
    }

    /// A port of 127.0.0.1 that was free a moment ago, for a program that cannot be handed a socket.
    static func freePort() -> UInt16 {
        let holder = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(holder) }
        return bindLoopback(holder)
    }

    /// A port of 127.0.0.1 on which nobody listens: bound, so that nobody else gets it, and never listened on.
    static func withRefusingPort<Result>(
        _ body: nonisolated(nonsending) (UInt16) async throws -> Result
    ) async throws -> Result {
        let holder = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(holder) }
        return try await body(bindLoopback(holder))
    }
}

/// The server's side of one connection, in the hands of a script.
struct FakeConnection: Sendable {
    private let descriptor: Int32
    /// Which connection this is, from 0.
    let index: Int

    init(_ descriptor: Int32, _ index: Int) {
        self.descriptor = descriptor
        self.index = index
        // A script that waits for what never comes must not hang the test run.
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// The next request, head and body as they came; nil when the client closed instead.
    func readRequest() -> String? {
        var received: [UInt8] = []
        var byte: UInt8 = 0
        while !received.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            guard recv(descriptor, &byte, 1, 0) == 1 else { return nil }
            received.append(byte)
        }
        let head = String(decoding: received, as: UTF8.self)
        let length =
            head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.drop { $0 != ":" }.dropFirst().drop { $0 == " " }) } ?? 0
        guard length > 0 else { return head }
        var body = [UInt8](repeating: 0, count: length)
        guard recv(descriptor, &body, length, Int32(MSG_WAITALL)) == length else { return nil }
        return head + String(decoding: body, as: UTF8.self)
    }

    /// Writes all of `bytes`; false when the client is gone.
    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Writes all of `text`; false when the client is gone.
    @discardableResult
    func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    /// Writes a whole answer with a length.
    @discardableResult
    func answer(_ body: String, status: String = "200 OK", fields: String = "") -> Bool {
        write("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")
    }

    /// Sends the end of the stream now, while the script goes on.
    func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Makes the close that follows a reset (RST) instead of an orderly end.
    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    /// Waits until the client closes; true when it did so in time.
    func waitForClose() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { return true }
            if count < 0 { return errno == ECONNRESET }
        }
    }
}

/// Holds a script until the test has seen what it wanted to see, or the other way round: a pipe of tokens.
final class FakeGate: Sendable {
    private let readEnd: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [0, 0]
        let status = pipe(&ends)
        precondition(status == 0, "the gate has no pipe: errno \(errno)")
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// Lets one `wait` through, now or later.
    func open() {
        var token: UInt8 = 1
        _ = Glibc.write(writeEnd, &token, 1)
    }

    /// Waits for one `open` without holding one of the few threads that tests share; false when none came.
    @discardableResult
    func opened() async -> Bool {
        await withCheckedContinuation { continuation in
            pthread_detach(startJoinableThread { continuation.resume(returning: self.wait()) })
        }
    }

    /// Waits for one `open`; at most 20 s. False when none came. For scripts, which have threads of their own.
    @discardableResult
    func wait() -> Bool {
        var watched = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        guard poll(&watched, 1, 20_000) == 1 else { return false }
        var token: UInt8 = 0
        return read(readEnd, &token, 1) == 1
    }
}

private func startJoinableThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    let status = pthread_create(
        &thread, nil,
        { pointer in
            Unmanaged<Box>.fromOpaque(pointer!).takeRetainedValue().body()
            return nil
        }, box.toOpaque())
    precondition(status == 0, "pthread_create failed: \(status)")
    return thread
}
