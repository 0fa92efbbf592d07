import Synchronization
import Testing
import Transport
import Wire

/// Connections that the upstream closes while we hold them. The documented rule: a request on a kept-alive connection
/// that soon dies without a line of an answer is sent once more on a fresh one; on a fresh connection it is not.
@Suite(.timeLimit(.minutes(1))) struct UpstreamKeepAliveTests {
    private func post(_ upstream: FakeUpstream, _ body: String) -> UpstreamRequest {
        UpstreamRequest(method: .post, url: upstream.origin + "/", body: Array(body.utf8))
    }

    private func exchange(_ transport: any TestedTransport, _ request: UpstreamRequest) async throws -> String {
        let response = try await transport.send(request)
        return String(decoding: try await response.body.collect(limitBytes: 1000), as: UTF8.self)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aConnectionClosedWhileIdleIsReplaced(_ client: UpstreamClient) async throws {
        let closed = FakeGate()
        let upstream = FakeUpstream { connection in
            guard connection.readRequest() != nil else { return }
            connection.answer("\(connection.index)")
            // The first connection closes without having said so, as an idle timeout does.
            guard connection.index > 0 else {
                connection.hangUp()
                closed.open()
                return
            }
            _ = connection.waitForClose()
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        #expect(try await exchange(transport, post(upstream, "first")) == "0")
        await closed.opened()
        #expect(try await exchange(transport, post(upstream, "second")) == "1")
        #expect(upstream.acceptedCount == 2)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases, [false, true])
    func aRequestOnAReusedConnectionThatDiesIsSentOnceMore(_ client: UpstreamClient, byReset: Bool) async throws {
        let seen = Lock<[String]>([])
        let upstream = FakeUpstream { connection in
            while let request = connection.readRequest() {
                let count = seen.withLock { seen in
                    seen.append(String(request.suffix(3)))
                    return seen.count
                }
                // Dies at work: the second request is received and never answered.
                guard count != 2 else {
                    if byReset { connection.reset() }
                    return
                }
                connection.answer("\(connection.index)")
            }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        #expect(try await exchange(transport, post(upstream, "one")) == "0")
        #expect(try await exchange(transport, post(upstream, "two")) == "1")
        #expect(seen.withLock { $0 } == ["one", "two", "two"])
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func anUpstreamThatAlwaysDiesFailsTheRequestAfterOneRepeat(_ client: UpstreamClient) async throws {
        let seen = Lock(0)
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil {
                guard
                    seen.withLock({
                        $0 += 1; return $0
                    }) == 1
                else { return }
                connection.answer("ok")
            }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        #expect(try await exchange(transport, post(upstream, "one")) == "ok")
        let error = await #expect(throws: TransportError.self) {
            try await exchange(transport, post(upstream, "two"))
        }
        #expect(error?.code == .reset)
        #expect(seen.withLock { $0 } == 3)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aRequestThatHadSomeAnswerIsNotSentAgain(_ client: UpstreamClient) async throws {
        let seen = Lock(0)
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil {
                guard
                    seen.withLock({
                        $0 += 1; return $0
                    }) == 1
                else {
                    connection.write("HTTP/1.1 200 OK\r\n")
                    return
                }
                connection.answer("ok")
            }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        #expect(try await exchange(transport, post(upstream, "one")) == "ok")
        await #expect(throws: TransportError.self) { try await exchange(transport, post(upstream, "two")) }
        #expect(seen.withLock { $0 } == 2)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aConnectionThatDiesLateIsNotTakenForAStaleOne(_ client: UpstreamClient) async throws {
        let seen = Lock(0)
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil {
                guard
                    seen.withLock({
                        $0 += 1; return $0
                    }) == 1
                else { return }
                connection.answer("ok")
            }
        }
        defer { upstream.stop() }
        var limits = Limits.standard
        limits.upstreamResend_ms = 0
        let transport = try client.transport(limits: limits)
        #expect(try await exchange(transport, post(upstream, "one")) == "ok")
        let error = await #expect(throws: TransportError.self) {
            try await exchange(transport, post(upstream, "two"))
        }
        #expect(error?.code == .reset)
        #expect(seen.withLock { $0 } == 2)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func connectionCloseIsHonoured(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil {
                connection.answer("\(connection.index)", fields: "Connection: close\r\n")
            }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        for index in 0..<3 { #expect(try await exchange(transport, post(upstream, "x")) == "\(index)") }
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func idleConnectionsAreClosedByShutDown(_ client: UpstreamClient) async throws {
        let closed = FakeGate()
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil { connection.answer("ok") }
            closed.open()
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        #expect(try await exchange(transport, post(upstream, "x")) == "ok")
        await transport.shutDown()
        #expect(await closed.opened())
    }
}
