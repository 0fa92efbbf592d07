import Synchronization
import Transport
import Wire

/// A fake upstream for Router tests: answers by the request's host from a script, and records what was sent.
/// The real counterpart, libcurl against real servers, is tested in TransportTests and EndToEnd.
final class FakeTransport: UpstreamTransport {
    enum Step: Sendable {
        case fail(TransportError.Code)
        case answer(Int, [(String, String)], String)
        /// A body that ends with an error after the text.
        case breaksOff(Int, [(String, String)], String, TransportError.Code)
        /// Waits until the task is cancelled.
        case hang
    }

    private struct State {
        var script: [String: [Step]] = [:]
        var sent: [UpstreamRequest] = []
    }
    private let state = Lock(State())

    /// - Parameter script: steps by host, used in order; the last one repeats.
    init(_ script: [String: [Step]]) { state.withLock { $0.script = script } }

    var sent: [UpstreamRequest] { state.withLock { $0.sent } }

    nonisolated(nonsending) func send(_ request: UpstreamRequest) async throws(TransportError) -> UpstreamResponse {
        let host = String(request.url.split(separator: "/")[1])
        let step = state.withLock { state -> Step? in
            state.sent.append(request)
            guard var steps = state.script[host], let step = steps.first else { return nil }
            if steps.count > 1 { steps.removeFirst() }
            state.script[host] = steps
            return step
        }
        switch step {
        case nil: throw TransportError(.dnsFailure, "no script for \(host)")
        case .fail(let code): throw TransportError(code, "scripted")
        case .answer(let status, let lines, let text):
            return UpstreamResponse(
                status: status, fields: fields(lines), body: UpstreamBody(bytes: Array(text.utf8)))
        case .breaksOff(let status, let lines, let text, let code):
            let stream = ByteStream(highWaterBytes: 1 << 20)
            _ = stream.append(Array(text.utf8).span)
            stream.finish(.failure(TransportError(code, "scripted")))
            return UpstreamResponse(status: status, fields: fields(lines), body: UpstreamBody(stream))
        case .hang:
            let stream = ByteStream(highWaterBytes: 1)
            let body = UpstreamBody(stream)
            _ = try await body.next()
            throw TransportError(.cancelled, "the task was cancelled")
        }
    }

    private func fields(_ lines: [(String, String)]) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in lines { try? fields.append(name, value) }
        return fields
    }
}
