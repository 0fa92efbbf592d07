import Synchronization
import Testing
import Wire

@testable import Transport

/// What the native client does beyond the promises it shares with libcurl's.
@Suite(.timeLimit(.minutes(1))) struct PlainClientTests {
    private func exchange(
        _ transport: LoopTransport, _ url: String, timeouts: UpstreamTimeouts = UpstreamTimeouts(), body: [UInt8] = []
    ) async throws -> String {
        let response = try await transport.send(
            UpstreamRequest(method: .post, url: url, body: body, timeouts: timeouts))
        return String(decoding: try await response.body.collect(limitBytes: 1 << 20), as: UTF8.self)
    }

    private func failure(_ transport: LoopTransport, _ url: String, connect_ms: Int = 60_000) async -> TransportError
        .Code?
    {
        do {
            _ = try await exchange(transport, url, timeouts: UpstreamTimeouts(connect_ms: connect_ms))
            return nil
        } catch {
            return (error as? TransportError)?.code
        }
    }

    private static func numbering() -> FakeUpstream {
        FakeUpstream { connection in
            while connection.readRequest() != nil { connection.answer("\(connection.index)") }
        }
    }

    // MARK: Framing

    @Test(arguments: [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
    ])
    func anAnswerMayComeByteByByte(answer: String) async throws {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            for byte in answer.utf8 { guard connection.write([byte]) else { return } }
        }
        defer { upstream.stop() }
        let transport = try LoopTransport()
        #expect(try await exchange(transport, upstream.origin) == "hello")
        await transport.shutDown()
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    ])
    func anAnswerThatCanBeReadInTwoWaysIsRefused(answer: String) async throws {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write(answer)
            _ = connection.waitForClose()
        }
        defer { upstream.stop() }
        let transport = try LoopTransport()
        #expect(await failure(transport, upstream.origin) == .protocolError)
        await transport.shutDown()
    }

    // MARK: The pool

    @Test func bytesBehindAnAnswerAreNoAnswerToTheNextRequest() async throws {
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil {
                connection.write(
                    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrealHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake")
            }
        }
        defer { upstream.stop() }
        let transport = try LoopTransport()
        for _ in 0..<3 { #expect(try await exchange(transport, upstream.origin) == "real") }
        #expect(transport.statistics.connectionsOpened == 3)
        await transport.shutDown()
    }

    @Test func bytesBehindAnAnswerThatFillsTheBufferAreSeen() async throws {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil {
                connection.write(head + String(repeating: "a", count: 100) + "HTTP/1.1 200 OK\r\n\r\nfake")
            }
        }
        defer { upstream.stop() }
        // The first receive ends with the answer's last byte.
        let transport = try LoopTransport(limits: .with { $0.upstreamReadBytes = head.utf8.count + 100 })
        for _ in 0..<3 { #expect(try await exchange(transport, upstream.origin).count == 100) }
        #expect(transport.statistics.connectionsOpened == 3)
        await transport.shutDown()
    }

    @Test func anUnusedConnectionThatSpeaksIsClosed() async throws {
        let speak = FakeGate()
        let closed = FakeGate()
        let upstream = FakeUpstream { connection in
            guard connection.readRequest() != nil else { return }
            connection.answer("\(connection.index)")
            guard connection.index == 0 else { return }
            speak.wait()
            connection.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            if connection.waitForClose() { closed.open() }
        }
        defer { upstream.stop() }
        let transport = try LoopTransport()
        #expect(try await exchange(transport, upstream.origin) == "0")
        speak.open()
        #expect(await closed.opened())
        #expect(try await exchange(transport, upstream.origin) == "1")
        await transport.shutDown()
    }

    @Test func anUnusedConnectionExpires() async throws {
        let closed = FakeGate()
        let upstream = FakeUpstream { connection in
            while connection.readRequest() != nil { connection.answer("\(connection.index)") }
            closed.open()
        }
        defer { upstream.stop() }
        let transport = try LoopTransport(limits: .with { $0.upstreamIdle_ms = 20 })
        #expect(try await exchange(transport, upstream.origin) == "0")
        #expect(await closed.opened())
        #expect(try await exchange(transport, upstream.origin) == "1")
        await transport.shutDown()
    }

    @Test func theLatestUsedConnectionIsUsedFirst() async throws {
        let gate = FakeGate()
        let arrived = FakeGate()
        let upstream = FakeUpstream { connection in
            while let request = connection.readRequest() {
                if request.hasSuffix("hold") {
                    arrived.open()
                    gate.wait()
                }
                connection.answer("\(connection.index)")
            }
        }
        defer { upstream.stop() }
        let transport = try LoopTransport()
        let url = upstream.origin
        let held = Task { try await exchange(transport, url, body: Array("hold".utf8)) }
        await arrived.opened()
        #expect(try await exchange(transport, url) == "1")
        gate.open()
        #expect(try await held.value == "0")
        for _ in 0..<3 { #expect(try await exchange(transport, url) == "0") }
        await transport.shutDown()
    }

    @Test func unusedConnectionsAreBounded() async throws {
        let upstreams = (0..<3).map { _ in Self.numbering() }
        defer { for upstream in upstreams { upstream.stop() } }
        let transport = try LoopTransport(limits: .with { $0.upstreamIdleConnectionCount = 0 })
        for index in 0..<3 { #expect(try await exchange(transport, upstreams[0].origin) == "\(index)") }
        await transport.shutDown()
    }

    @Test func anUnusedConnectionMakesRoomForAnotherHost() async throws {
        let upstreams = (0..<3).map { _ in Self.numbering() }
        defer { for upstream in upstreams { upstream.stop() } }
        let transport = try LoopTransport(limits: .with { $0.upstreamConnectionCount = 1 })
        for round in 0..<2 {
            for upstream in upstreams { #expect(try await exchange(transport, upstream.origin) == "\(round)") }
        }
        await transport.shutDown()
    }

    // MARK: Waiting for a connection

    @Test func aRequestThatFindsNoConnectionInTimeWasNeverSent() async throws {
        let arrived = FakeGate()
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            arrived.open()
            _ = connection.waitForClose()
        }
        defer { upstream.stop() }
        let transport = try LoopTransport(limits: .with { $0.upstreamConnectionPerHostCount = 1 })
        let url = upstream.origin
        let first = Task { await failure(transport, url) }
        await arrived.opened()
        #expect(await failure(transport, url, connect_ms: 30) == .connectTimeout)
        // One that is cancelled while it waits leaves no trace either.
        let waiting = Task { await failure(transport, url) }
        while transport.statistics.transfersStarted < 3 { await Task.yield() }
        waiting.cancel()
        #expect(await waiting.value == .cancelled)
        first.cancel()
        #expect(await first.value == .cancelled)
        #expect(upstream.acceptedCount == 1)
        await transport.shutDown()
        #expect(transport.statistics.transfersActive == 0)
    }

    @Test func whoWaitsGetsTheConnectionOfAFailedRequest() async throws {
        let upstream = FakeUpstream { connection in
            guard connection.readRequest() != nil, connection.index > 0 else { return }
            connection.answer("\(connection.index)")
            _ = connection.waitForClose()
        }
        defer { upstream.stop() }
        let transport = try LoopTransport(limits: .with { $0.upstreamConnectionPerHostCount = 1 })
        let url = upstream.origin
        async let first = failure(transport, url)
        async let second = failure(transport, url)
        let outcomes = await [first, second]
        #expect(outcomes.contains(.reset) && outcomes.contains(nil), "\(outcomes)")
        await transport.shutDown()
    }

    // MARK: Names and addresses

    @Test func anAddressThatRefusesIsPassedOver() async throws {
        let upstream = Self.numbering()
        defer { upstream.stop() }
        // Nobody listens at 127.0.0.2; the fake is at 127.0.0.1 only.
        let addresses = ["127.0.0.2", "127.0.0.1"].compactMap { SocketAddress(numeric: $0, port: 0) }
        let limits = Limits.standard
        let transport = LoopTransport(
            try CurlTransport(), limits, hasProxy: false,
            PlainResolver(limits: limits) { host in
                host == "model" ? .success(addresses) : .failure(TransportError(.dnsFailure, "unknown"))
            })
        #expect(try await exchange(transport, "http://model:\(upstream.port)/") == "0")
        #expect(try await exchange(transport, "http://MODEL:\(upstream.port)/") == "0")
        #expect(await failure(transport, "http://other:\(upstream.port)/") == .dnsFailure)
        #expect(transport.statistics.connectionsOpened == 1)
        await transport.shutDown()
    }

    @Test func aLookupThatHangsIsAConnectTimeout() async throws {
        let gate = FakeGate()
        let limits = Limits.standard
        let transport = LoopTransport(
            try CurlTransport(), limits, hasProxy: false,
            PlainResolver(limits: limits) { _ in
                gate.wait()
                return .failure(TransportError(.dnsFailure, "too late"))
            })
        #expect(await failure(transport, "http://model/", connect_ms: 20) == .connectTimeout)
        gate.open()
        await transport.shutDown()
        #expect(transport.statistics.transfersActive == 0)
    }

    @Test func localhostNeedsNoLookup() async throws {
        let upstream = Self.numbering()
        defer { upstream.stop() }
        let limits = Limits.standard
        let transport = LoopTransport(
            try CurlTransport(), limits, hasProxy: false,
            PlainResolver(limits: limits) { _ in .failure(TransportError(.dnsFailure, "asked")) })
        #expect(try await exchange(transport, "http://localhost:\(upstream.port)/") == "0")
        await transport.shutDown()
    }

    // MARK: Sending

    @Test func anAnswerBeforeTheWholeRequestIsTakenAndTheConnectionClosed() async throws {
        let closed = FakeGate()
        let upstream = FakeUpstream { connection in
            // Refuses by the head alone, before the body is there.
            connection.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
            if connection.waitForClose() { closed.open() }
        }
        defer { upstream.stop() }
        let transport = try LoopTransport()
        let body = [UInt8](repeating: 0x61, count: 32 << 20)
        #expect(try await exchange(transport, upstream.origin, body: body) == "no")
        #expect(await closed.opened())
        await transport.shutDown()
    }

    @Test(arguments: [1, 16 * 1024, 16 * 1024 + 1, 3 << 20])
    func aBodyOfAnySizeArrives(count: Int) async throws {
        let seen = Lock("")
        let upstream = FakeUpstream { connection in
            while let request = connection.readRequest() {
                seen.withLock { $0 = request }
                connection.answer("ok")
            }
        }
        defer { upstream.stop() }
        let transport = try LoopTransport()
        let text = String(String(repeating: "abcdefghijklmnopqrstuvwxyz", count: count / 26 + 1).utf8.prefix(count))!
        let head = "POST / HTTP/1.1\r\nHost: 127.0.0.1:\(upstream.port)\r\nContent-Length: \(count)\r\n\r\n"
        for _ in 0..<2 {
            #expect(try await exchange(transport, upstream.origin, body: Array(text.utf8)) == "ok")
            let isWhole = seen.withLock { $0 == head + text }
            #expect(isWhole)
        }
        await transport.shutDown()
    }

    @Test func otherURLsGoThroughLibcurl() async throws {
        let transport = try LoopTransport()
        // libcurl refuses it, the native client never sees it.
        #expect(await failure(transport, "http://user:hunter2@127.0.0.1:1/") == .invalidRequest)
        #expect(await failure(transport, "gopher://127.0.0.1/") == .invalidRequest)
        await transport.shutDown()
    }
}
