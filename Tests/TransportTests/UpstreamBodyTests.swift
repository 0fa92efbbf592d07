import Synchronization
import Testing
import Transport
import Wire

/// How bodies come through: framing, back-pressure, and what becomes of an abandoned one.
@Suite(.timeLimit(.minutes(1))) struct UpstreamBodyTests {
    private func body(_ client: UpstreamClient, _ answer: String, to method: HTTPMethod = .get) async throws -> String {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write(answer)
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        let response = try await transport.send(UpstreamRequest(method: method, url: upstream.origin))
        let body = try await response.body.collect(limitBytes: 1000)
        await transport.shutDown()
        return "\(response.status) " + String(decoding: body, as: UTF8.self)
    }

    @Test(arguments: UpstreamClient.allCases)
    func everyFramingEndsCleanly(_ client: UpstreamClient) async throws {
        #expect(try await body(client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") == "200 hello")
        #expect(try await body(client, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == "200 ")
        #expect(
            try await body(
                client,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: 1\r\n\r\n")
                == "200 hello")
        #expect(try await body(client, "HTTP/1.1 200 OK\r\n\r\nuntil the end") == "200 until the end")
        #expect(try await body(client, "HTTP/1.0 200 OK\r\n\r\nold") == "200 old")
        #expect(try await body(client, "HTTP/1.1 204 No Content\r\n\r\n") == "204 ")
        #expect(try await body(client, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n") == "304 ")
        #expect(try await body(client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", to: .head) == "200 ")
    }

    @Test(arguments: UpstreamClient.allCases)
    func statusesAreHandedOnAndRedirectsNotFollowed(_ client: UpstreamClient) async throws {
        #expect(try await body(client, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 1\r\n\r\na") == "302 a")
        #expect(
            try await body(client, "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 1\r\n\r\nb")
                == "401 b")
        #expect(try await body(client, "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 1\r\n\r\nc") == "429 c")
        #expect(try await body(client, "HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nd") == "503 d")
    }

    @Test(arguments: UpstreamClient.allCases)
    func interimHeadsAreSkipped(_ client: UpstreamClient) async throws {
        #expect(
            try await body(
                client,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n\r\n"
                    + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") == "200 hello")
    }

    @Test(arguments: UpstreamClient.allCases)
    func encodedContentIsHandedOnAsItIs(_ client: UpstreamClient) async throws {
        #expect(
            try await body(client, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\u{1f}zzzz")
                == "200 \u{1f}zzzz")
    }

    @Test(arguments: UpstreamClient.allCases)
    func piecesArriveWithoutWaitingForMore(_ client: UpstreamClient) async throws {
        let next = FakeGate()
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in 0..<5 {
                guard next.wait() else { return }
                connection.write("9\r\ndata: \(number)\n\n\r\n")
            }
            connection.write("0\r\n\r\n")
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
        for number in 0..<5 {
            next.open()
            #expect(try await response.body.next() == Array("data: \(number)\n\n".utf8))
        }
        #expect(try await response.body.next() == nil)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func whatHasArrivedComesInOnePiece(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            let chunks = String(repeating: "9\r\ndata: x\n\n\r\n", count: 50)
            connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n")
        }
        defer { upstream.stop() }
        let loop = try EventLoop(name: "test")
        loop.start()
        let transport = try client.transport(loops: [loop])
        let origin = upstream.origin
        // On the engine's own loop nothing can run between the pieces of one read.
        let piece = await withCheckedContinuation { continuation in
            LoopActor(loop).spawn {
                let response = try? await transport.send(UpstreamRequest(method: .get, url: origin))
                let piece = try? await response?.body.next()
                continuation.resume(returning: piece)
            }
        }
        #expect(piece?.count == 9 * 50)
        await transport.shutDown()
        loop.stop()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aSlowConsumerMakesTheUpstreamWait(_ client: UpstreamClient) async throws {
        let total = 32 << 20
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            var block = [UInt8](repeating: 0, count: 65_536)
            for index in 0..<total / block.count {
                block[0] = UInt8(truncatingIfNeeded: index)
                guard connection.write(block) else { return }
            }
        }
        defer { upstream.stop() }
        var limits = Limits.standard
        limits.upstreamBufferBytes = 100_000
        let transport = try client.transport(limits: limits)
        let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
        var received = 0
        var marks: [UInt8] = []
        while let piece = try await response.body.next() {
            for offset in piece.indices where (received + offset) % 65_536 == 0 { marks.append(piece[offset]) }
            received += piece.count
            await Task.yield()
        }
        #expect(received == total)
        #expect(marks == (0..<total / 65_536).map { UInt8(truncatingIfNeeded: $0) })
        #expect(response.body.peakBufferedBytes <= limits.upstreamBufferBytes + limits.upstreamReadBytes)
        // It must have been full at some time, else this test proves nothing.
        #expect(response.body.peakBufferedBytes >= limits.upstreamBufferBytes)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aSlowConsumerIsNotTakenForAnIdleUpstream(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\n\r\n")
            while connection.write([UInt8](repeating: 0x61, count: 65_536)) {}
        }
        defer { upstream.stop() }
        let loop = try EventLoop(name: "test")
        loop.start()
        let transport = try client.transport(loops: [loop])
        let response = try await transport.send(
            UpstreamRequest(method: .get, url: upstream.origin, timeouts: UpstreamTimeouts(idle_ms: 300)))
        while response.body.peakBufferedBytes < Limits.standard.upstreamBufferBytes { await Task.yield() }
        // A loop's deadlines fire in their order, so the idle deadline has come and gone when this one does.
        await withCheckedContinuation { continuation in
            loop.execute { _ = loop.schedule(after_ms: 400, Alarm(continuation)) }
        }
        let piece = try await response.body.next()
        #expect((piece?.count ?? 0) >= Limits.standard.upstreamBufferBytes)
        response.body.cancel()
        await transport.shutDown()
        loop.stop()
    }

    private final class Alarm: DeadlineHandler {
        private let continuation: CheckedContinuation<Void, Never>
        init(_ continuation: CheckedContinuation<Void, Never>) { self.continuation = continuation }
        func deadlineReached(_ id: DeadlineID) { continuation.resume() }
    }

    // MARK: Abandoning

    /// A server that says when the client has closed, after having written `answer`.
    private func abandonable(_ answer: String) -> (FakeUpstream, received: FakeGate, closed: FakeGate) {
        let received = FakeGate()
        let closed = FakeGate()
        let upstream = FakeUpstream { connection in
            _ = connection.readRequest()
            connection.write(answer)
            received.open()
            if connection.waitForClose() { closed.open() }
        }
        return (upstream, received, closed)
    }

    private static let partial = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"

    @Test(arguments: UpstreamClient.allCases)
    func cancellingBeforeTheHeadClosesTheConnection(_ client: UpstreamClient) async throws {
        let (upstream, received, closed) = abandonable("")
        defer { upstream.stop() }
        let transport = try client.transport()
        let origin = upstream.origin
        let task = Task { () -> TransportError.Code? in
            do throws(TransportError) {
                _ = try await transport.send(UpstreamRequest(method: .get, url: origin))
                return nil
            } catch { return error.code }
        }
        await received.opened()
        task.cancel()
        #expect(await task.value == .cancelled)
        #expect(await closed.opened())
        await transport.shutDown()
        #expect(transport.statistics.transfersActive == 0)
    }

    @Test(arguments: UpstreamClient.allCases)
    func aCancelledTaskSendsNothing(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { _ in }
        defer { upstream.stop() }
        let transport = try client.transport()
        let origin = upstream.origin
        let task = Task { () -> TransportError.Code? in
            withUnsafeCurrentTask { $0?.cancel() }
            do throws(TransportError) {
                _ = try await transport.send(UpstreamRequest(method: .get, url: origin))
                return nil
            } catch { return error.code }
        }
        #expect(await task.value == .cancelled)
        await transport.shutDown()
        #expect(transport.statistics.transfersStarted == 0)
        #expect(upstream.acceptedCount == 0)
    }

    @Test(arguments: UpstreamClient.allCases)
    func cancellingTheTaskInTheBodyClosesTheConnection(_ client: UpstreamClient) async throws {
        let (upstream, _, closed) = abandonable(UpstreamBodyTests.partial)
        defer { upstream.stop() }
        let transport = try client.transport()
        let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
        #expect(try await response.body.next() == Array("part".utf8))
        let body = response.body
        let task = Task { () -> TransportError.Code? in
            do throws(TransportError) {
                _ = try await body.next()
                return nil
            } catch { return error.code }
        }
        task.cancel()
        #expect(await task.value == .cancelled)
        #expect(await closed.opened())
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func cancelWakesAWaitingConsumer(_ client: UpstreamClient) async throws {
        let (upstream, _, closed) = abandonable(UpstreamBodyTests.partial)
        defer { upstream.stop() }
        let transport = try client.transport()
        let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
        #expect(try await response.body.next() == Array("part".utf8))
        let body = response.body
        async let failure = #expect(throws: TransportError.self) { try await body.next() }
        body.cancel()
        #expect(await failure?.code == .cancelled)
        #expect(await closed.opened())
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func droppingTheResponseClosesTheConnection(_ client: UpstreamClient) async throws {
        let (upstream, _, closed) = abandonable(UpstreamBodyTests.partial)
        defer { upstream.stop() }
        let transport = try client.transport()
        let status = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin)).status
        #expect(status == 200)
        #expect(await closed.opened())
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aBodyOverTheCollectorsLimitIsAbandoned(_ client: UpstreamClient) async throws {
        let (upstream, _, closed) = abandonable(UpstreamBodyTests.partial)
        defer { upstream.stop() }
        let transport = try client.transport()
        let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin))
        let error = await #expect(throws: TransportError.self) { try await response.body.collect(limitBytes: 3) }
        #expect(error?.code == .bodyTooLarge)
        #expect(await closed.opened())
        await transport.shutDown()
    }
}
