import Synchronization
import Testing
import Wire

@testable import Transport

private struct Refusal: Error {}

@Suite(.timeLimit(.minutes(1))) struct ServerHandlerFaultTests {
    @Test func aThrowBeforeTheHeadIs500() async throws {
        try await withServer { _, _ in
            throw Refusal()
        } _: { address, server in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try client.readResponse()
            #expect(response.status == 500)
            #expect(response["connection"] == "close")
            #expect(response.text.contains(#""type":"server_error","param":null,"code":"internal""#))
            #expect(!response.text.contains("Refusal"))
            #expect(client.seesEnd())
            #expect(server.counts.handlerFailures == 1)
        }
    }

    @Test func a500ToHeadHasNoBody() async throws {
        try await withServer { _, _ in
            throw Refusal()
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse(toHead: true).status == 500)
            #expect(client.seesEnd())
        }
    }

    @Test func aHandlerThatSaysNothingIs500() async throws {
        try await withServer { _, _ in
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().status == 500)
        }
    }

    @Test func aThrowAfterTheHeadAbortsTheConnection() async throws {
        try await withServer { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields())
            try await body.write(Array("part".utf8))
            throw Refusal()
        } _: { address, server in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readHead().hasPrefix("HTTP/1.1 200"))
            #expect(try client.readChunk() == Array("part".utf8))
            // No last chunk: the client knows that the body is not whole.
            #expect(client.seesEnd())
            #expect(server.counts.abortedResponses == 1)
        }
    }

    @Test func aBodyDroppedUnfinishedAbortsTheConnectionThoughTheHandlerIsContent() async throws {
        let outcome = Lock<Bool?>(nil)
        try await withServer { _, response in
            do {
                var body = try await response.stream(status: 200, fields: HTTPFields(), length: 10)
                try await body.write(Array("part".utf8))
            }
            // Giving up is the handler's own choice: what it does afterwards is not cancelled.
            outcome.withLock { $0 = Task.isCancelled }
        } _: { address, server in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readHead().contains("content-length: 10"))
            #expect(try client.readExactly(4) == Array("part".utf8))
            #expect(client.seesEnd())
            #expect(server.counts.abortedResponses == 1)
        }
        #expect(outcome.withLock { $0 } == false)
    }

    @Test func anAbortWhoseEndOnlyTheConnectionMarksIsAReset() async throws {
        let gate = Gate()
        try await withServer { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields())
            try await body.write(Array("part".utf8))
            await gate.wait()
            throw Refusal()
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.0\r\n\r\n")
            _ = try client.readHead()
            #expect(try client.readExactly(4) == Array("part".utf8))
            gate.open()
            // An orderly end would look like a whole body.
            #expect(throws: ClientFault.self) { try client.receive() }
        }
    }

    @Test func aBodyShorterThanAnnouncedFailsAndAborts() async throws {
        let code = Lock<TransportError.Code?>(nil)
        try await withServer { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields(), length: 10)
            try await body.write(Array("part".utf8))
            do {
                try await body.finish()
            } catch {
                code.withLock { $0 = (error as? TransportError)?.code }
                throw error
            }
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try client.readHead()
            #expect(try client.readExactly(4) == Array("part".utf8))
            #expect(client.seesEnd())
        }
        #expect(code.withLock { $0 } == .truncated)
    }

    @Test func aWriteBeyondTheAnnouncedLengthIsRefusedAndTheBodyCanStillEnd() async throws {
        try await withServer { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields(), length: 4)
            try await body.write(Array("fo".utf8))
            do {
                try await body.write(Array("urx".utf8))
                Issue.record("a fifth byte was taken")
            } catch { #expect((error as? TransportError)?.code == .invalidRequest) }
            try await body.write(Array("ur".utf8))
            try await body.finish()
        } _: { address, _ in
            let client = try RawClient(address)
            for _ in 0..<2 {
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.readResponse().text == "four")
            }
        }
    }
}

/// The client leaves at each stage of a request: the handler must be cancelled, its next call must fail with `clientGone`,
/// and the connection's place must come back.
@Suite(.timeLimit(.minutes(1))) struct ServerDisconnectTests {
    enum Farewell: CaseIterable { case close, reset, halfClose }

    private func leave(_ client: RawClient, _ how: Farewell) {
        switch how {
        case .close: client.close()
        case .reset: client.reset()
        case .halfClose: client.finishSending()
        }
    }

    @Test(arguments: Farewell.allCases)
    func whileTheHandlerWorks(how: Farewell) async throws {
        let entered = Gate()
        let left = Gate()
        let seen = Lock<(cancelled: Bool, code: TransportError.Code?)>((false, nil))
        try await withServer { request, response in
            entered.open()
            let cancelled = await Gate().waitOrCancelled()
            do {
                try await response.send(status: 200, fields: HTTPFields(), body: [])
            } catch {
                seen.withLock { $0 = (cancelled, (error as? TransportError)?.code) }
                left.open()
                throw error
            }
        } _: { address, server in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await entered.wait()
            leave(client, how)
            await left.wait()
            #expect(seen.withLock { $0.cancelled })
            #expect(seen.withLock { $0.code } == .clientGone)
            #expect(server.counts.clientsGone == 1)
        }
    }

    @Test(arguments: Farewell.allCases)
    func whileTheResponseStreams(how: Farewell) async throws {
        let left = Gate()
        let code = Lock<TransportError.Code?>(nil)
        try await withServer { _, response in
            do {
                var body = try await response.stream(status: 200, fields: HTTPFields())
                try await body.write(Array("first".utf8))
                _ = await Gate().waitOrCancelled()
                try await body.write(Array("second".utf8))
                try await body.finish()
            } catch {
                code.withLock { $0 = (error as? TransportError)?.code }
                left.open()
                throw error
            }
        } _: { address, server in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try client.readHead()
            #expect(try client.readChunk() == Array("first".utf8))
            leave(client, how)
            await left.wait()
            #expect(code.withLock { $0 } == .clientGone)
            #expect(server.counts.clientsGone == 1)
        }
    }

    @Test(arguments: Farewell.allCases)
    func whileAWriteWaitsForTheClientToRead(how: Farewell) async throws {
        let full = Gate()
        let left = Gate()
        let code = Lock<TransportError.Code?>(nil)
        try await withServer { _, response in
            do {
                var body = try await response.stream(status: 200, fields: HTTPFields())
                full.open()
                while true { try await body.write([UInt8](repeating: 1, count: 100_000)) }
            } catch {
                code.withLock { $0 = (error as? TransportError)?.code }
                left.open()
                throw error
            }
        } _: { address, _ in
            let client = try RawClient(address, receiveBufferBytes: 4096)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await full.wait()
            leave(client, how)
            await left.wait()
            #expect(code.withLock { $0 } == .clientGone)
        }
    }

    @Test func beforeTheHandlerStartsItIsNotStarted() async throws {
        let report = try await withServer(handler: echoPath) { address, server in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.finishSending()
            // Either the request came first and was answered, or both came together and nobody is told.
            let bytes = (try? client.readToEnd()) ?? []
            #expect(bytes.isEmpty == (server.counts.requests == 0))
        }
        #expect(report.stuck == 0)
    }

    @Test func insideTheHeadOrBetweenRequestsNobodyIsDisturbed() async throws {
        try await withServer(handler: echoPath) { address, server in
            let partial = try RawClient(address)
            try partial.send("GET / HTTP/1.1\r\nHo")
            partial.finishSending()
            #expect(partial.seesEnd())
            let between = try RawClient(address)
            try between.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try between.readResponse().status == 200)
            between.finishSending()
            #expect(between.seesEnd())
            #expect(server.counts.requests == 1)
            #expect(server.counts.clientsGone == 0)
            #expect(server.counts.openConnections == 0)
        }
    }

    @Test func workAfterTheWholeResponseIsNotCancelled() async throws {
        let sent = Gate()
        let finished = Lock<Bool?>(nil)
        let done = Gate()
        let closed = Gate()
        try await withServer { _, response in
            try await response.send(status: 200, fields: HTTPFields(), body: [])
            sent.open()
            await closed.wait()
            finished.withLock { $0 = Task.isCancelled }
            done.open()
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().status == 200)
            await sent.wait()
            client.close()
            closed.open()
            await done.wait()
            #expect(finished.withLock { $0 } == false)
        }
    }
}
