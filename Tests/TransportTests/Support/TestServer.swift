import Glibc
import Synchronization
import Transport
import Wire

@testable import Transport

/// A handler from a closure.
struct ClosureHandler: HTTPHandler {
    let body: nonisolated(nonsending) @Sendable (ServerRequest, consuming ResponseStart) async throws -> Void

    nonisolated(nonsending) func handle(
        _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(HandlerError) {
        do { try await body(request, response) } catch { throw HandlerError(error) }
    }
}

/// Starts a server around a closure, runs `body` against it and drains it. Returns what the drain reported.
@discardableResult
func withServer(
    limits: Limits = .standard, loops: HTTPServer.Configuration.Loops = .own(count: 1),
    address: ListenAddress = .tcp(host: "127.0.0.1", port: 0), calls: SocketCalls = .system,
    handler: nonisolated(nonsending) @escaping @Sendable (ServerRequest, consuming ResponseStart) async throws -> Void,
    _ body: (BoundAddress, HTTPServer) async throws -> Void
) async throws -> DrainReport {
    let server = HTTPServer(
        configuration: .init(address: address, limits: limits, loops: loops), handler: ClosureHandler(body: handler),
        calls: calls)
    let bound = try await server.start()
    do {
        try await body(bound, server)
    } catch {
        _ = await server.drain(deadline_ms: 0)
        throw error
    }
    return await server.drain(deadline_ms: 0)
}

extension Limits {
    /// The standard limits with changes.
    static func with(_ change: (inout Limits) -> Void) -> Limits {
        var limits = Limits.standard
        change(&limits)
        return limits
    }
}

/// A gate that handlers wait at until a test opens it, and that a test can wait at until handlers have come.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Lock(State())

    func open() {
        let waiters = state.withLock { state in
            state.isOpen = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    nonisolated(nonsending) func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiters.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    /// Waits until opened or until the waiting task is cancelled; true when cancelled.
    nonisolated(nonsending) func waitOrCancelled() async -> Bool {
        await withTaskCancellationHandler {
            await wait()
            return Task.isCancelled
        } onCancel: {
            open()
        }
    }
}

/// A handler that answers with the path.
nonisolated(nonsending) func echoPath(_ request: ServerRequest, _ response: consuming ResponseStart) async throws {
    try await response.send(status: 200, fields: HTTPFields(), body: Array(request.head.path.utf8))
}

/// Bytes in which a piece that is lost, doubled or moved shows: a block of prime length, repeated.
func pattern(_ count: Int) -> [UInt8] {
    var bytes = (0..<251).map { UInt8($0) }
    while bytes.count < count { bytes += bytes }
    return Array(bytes[..<count])
}

/// Runs blocking code on a thread of its own: the pool's few threads may all be held by tests that block in a socket call.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        detachThread { continuation.resume(with: Swift.Result { try body() }) }
    }
}

/// Starts a thread that runs `body` once.
func detachThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void; init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { pointer in
            Unmanaged<Box>.fromOpaque(pointer!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    precondition(status == 0, "pthread_create failed: \(status)")
    pthread_detach(thread)
}
