import Glibc
import Synchronization
import Testing
import Wire

@testable import Transport

/// Fails one system call after the other of a fixed exchange: wherever the fault falls, each response is whole or its
/// connection ends, nothing hangs, and every place comes back.
@Suite(.timeLimit(.minutes(1))) struct ServerSystemFaultTests {
    /// Counts calls; the chosen one fails.
    private final class Fault: Sendable {
        private let calls = Atomic<Int>(0)
        private let failing: Int
        let wasReached = Atomic<Bool>(false)

        init(failing: Int) { self.failing = failing }

        func isDue() -> Bool {
            guard calls.wrappingAdd(1, ordering: .relaxed).newValue == failing else { return false }
            wasReached.store(true, ordering: .relaxed)
            return true
        }
    }

    enum Call: CaseIterable { case accept, receive, send }

    private func calls(_ call: Call, error: Int32, _ fault: Fault) -> SocketCalls {
        var calls = SocketCalls.system
        switch call {
        case .accept:
            calls.accept = { fault.isDue() ? -error : SocketCalls.system.accept($0, &$1) }
        case .receive:
            calls.receive = { fault.isDue() ? -Int(error) : SocketCalls.system.receive($0, $1) }
        case .send:
            calls.send = { fault.isDue() ? -Int(error) : SocketCalls.system.send($0, $1) }
        }
        return calls
    }

    /// Four requests and a fault on one connection; each answer is right, or the connection ends there.
    private func exchange(_ address: BoundAddress) throws {
        let client = try RawClient(address)
        do {
            try client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            try expect("/a0", from: client)
            try client.send("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            #expect(try client.readResponse().status == 100)
            try client.send("body")
            try expect("/b4", from: client)
            try client.send("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
            try client.send("1\r\nc\r\n0\r\n\r\nGET /d HTTP/1.1\r\nHost: a\r\n\r\n")
            try expect("/c3", from: client)
            try expect("/d0", from: client)
            try client.send("BAD\r\n")
            #expect(try client.readResponse().status == 400)
        } catch let fault as ClientFault {
            #expect(!fault.description.contains("nothing came in time"))
        }
    }

    private func expect(_ text: String, from client: RawClient) throws {
        let response = try client.readResponse()
        // The server did not see bytes that had come, and said so.
        if response.status == 408 { throw ClientFault("timed out") }
        #expect(response.text == text)
    }

    @Test(arguments: Call.allCases, [ECONNRESET, EAGAIN])
    func theNthCallFails(call: Call, error: Int32) async throws {
        var failing = 0
        var wasReached = true
        while wasReached {
            failing += 1
            let fault = Fault(failing: failing)
            // A call that says EAGAIN though it is not true gets no edge to wake it; the timeouts must end the wait.
            let limits = Limits.with {
                $0.headTimeout_ms = 50
                $0.keepAliveIdle_ms = 50
                $0.bodyProgress_ms = 50
                $0.writeStall_ms = 50
                $0.linger_ms = 50
            }
            let report = try await withServer(limits: limits, calls: calls(call, error: error, fault)) {
                request, response in
                let body = try await request.body.collect(limitBytes: 100)
                var stream = try await response.stream(status: 200, fields: HTTPFields())
                try await stream.write(Array(request.head.path.utf8))
                try await stream.write(Array("\(body.count)".utf8))
                try await stream.finish()
            } _: { address, server in
                for _ in 0..<2 { try exchange(address) }
            }
            #expect(report.stuck == 0)
            wasReached = fault.wasReached.load(ordering: .relaxed)
        }
        // The exchange makes this many calls at least, so this many places were tried.
        #expect(failing > (call == .accept ? 2 : 10))
    }
}
