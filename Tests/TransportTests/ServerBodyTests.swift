import Synchronization
import Testing
import Wire

@testable import Transport

/// A handler that answers with the body it got.
private nonisolated(nonsending) func echoBody(
    _ request: ServerRequest, _ response: consuming ResponseStart
) async throws {
    let body = try await request.body.collect(limitBytes: 64 * 1024 * 1024)
    try await response.send(status: 200, fields: HTTPFields(), body: body)
}

@Suite(.timeLimit(.minutes(1))) struct ServerBodyTests {
    @Test(arguments: [0, 1, 20_000, 65_536, 3_000_000])
    func aBodyOfKnownLengthArrivesWhole(count: Int) async throws {
        let body = pattern(count)
        try await withServer(handler: echoBody) { address, _ in
            let client = try RawClient(address)
            for _ in 0..<2 {
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(count)\r\n\r\n")
                try client.send(body)
                #expect(try client.readResponse().body == body)
            }
        }
    }

    @Test(arguments: [1, 7, 4096, 100_000])
    func aChunkedBodyArrivesWhole(chunkBytes: Int) async throws {
        let body = pattern(chunkBytes * 20)
        var encoded: [UInt8] = []
        for start in stride(from: 0, to: body.count, by: chunkBytes) {
            ChunkedEncoder.append(chunk: Array(body[start..<min(start + chunkBytes, body.count)]), to: &encoded)
        }
        ChunkedEncoder.appendEnd(to: &encoded)
        try await withServer(handler: echoBody) { address, _ in
            let client = try RawClient(address)
            for _ in 0..<2 {
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                try client.send(encoded)
                #expect(try client.readResponse().body == body)
            }
        }
    }

    @Test func theHandlerMayReadPieceByPiece() async throws {
        try await withServer { request, response in
            var total = 0
            while let piece = try await request.body.next() {
                #expect(!piece.isEmpty)
                total += piece.count
            }
            #expect(try await request.body.next() == nil)
            try await response.send(status: 200, fields: HTTPFields(), body: Array("\(total)".utf8))
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
            try client.send(pattern(500_000))
            #expect(try client.readResponse().text == "500000")
        }
    }

    @Test func aClientThatExpectsContinueGetsItWhenTheBodyIsWanted() async throws {
        try await withServer(handler: echoBody) { address, _ in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            #expect(try client.readResponse().head == "HTTP/1.1 100 Continue\r\n\r\n")
            try client.send("abc")
            let response = try client.readResponse()
            #expect(response.text == "abc")
            #expect(response["connection"] == "keep-alive")
        }
    }

    @Test func aRefusedExpectationGetsTheFinalAnswerAndAClose() async throws {
        try await withServer { _, response in
            try await response.send(status: 403, fields: HTTPFields(), body: [])
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            let response = try client.readResponse()
            #expect(response.status == 403)
            #expect(response["connection"] == "close")
            #expect(client.seesEnd())
        }
    }

    @Test func aClientThatDidNotWaitGetsNoContinue() async throws {
        try await withServer(handler: echoBody) { address, _ in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
            #expect(try client.readResponse().status == 200)
        }
    }

    @Test func aSmallUnreadBodyIsDroppedAndTheConnectionKept() async throws {
        try await withServer(handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n")
            #expect(try client.readResponse().text == "/a")
            try client.send(pattern(50_000))
            try client.send("GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().text == "/b")
        }
    }

    @Test func aLargeUnreadBodyEndsTheConnectionAndTheAnswerIsReadable() async throws {
        try await withServer(limits: .with { $0.unreadBodyBytes = 1000 }, handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
            try client.send(pattern(100_000))
            let response = try client.readResponse()
            #expect(response.text == "/a")
            #expect(response["connection"] == "close")
            #expect(client.seesEnd())
        }
    }

    @Test func anEndlessUnreadChunkedBodyEndsTheConnection() async throws {
        try await withServer(limits: .with { $0.unreadBodyBytes = 1000 }, handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            try client.send("1000\r\n")
            try client.send(pattern(0x1000))
            #expect(try client.readResponse().text == "/a")
            #expect(client.seesEnd())
        }
    }

    @Test func aBodyBeyondTheServersLimitGets413() async throws {
        try await withServer(limits: .with { $0.bodyBytes = 1000 }, handler: echoBody) { address, server in
            let known = try RawClient(address)
            try known.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
            let first = try known.readResponse()
            #expect(first.status == 413)
            #expect(first.text.contains(#""code":"bodyTooLarge""#))
            #expect(known.seesEnd())

            let chunked = try RawClient(address)
            try chunked.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n")
            let second = try chunked.readResponse()
            #expect(second.status == 413)
            #expect(second.text.contains(#""code":"bodyTooLarge""#))
            #expect(chunked.seesEnd())
            #expect(server.counts.malformedRequests == 2)
        }
    }

    @Test func theHandlersOwnLimitIsATypedErrorItCanAnswer() async throws {
        try await withServer { request, response in
            do {
                _ = try await request.body.collect(limitBytes: 10)
            } catch let error as TransportError {
                #expect(error.code == .bodyTooLarge)
                try await response.send(status: 413, fields: HTTPFields(), body: Array("mine".utf8))
            }
        } _: { address, _ in
            for framing in ["Content-Length: 11\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nb\r\n"] {
                let client = try RawClient(address)
                try client.send("POST / HTTP/1.1\r\nHost: a\r\n\(framing)")
                try client.send("hello world")
                let response = try client.readResponse()
                #expect(response.status == 413)
                #expect(response.text == "mine")
            }
        }
    }

    @Test(arguments: ["zz\r\n", "3\r\nabcX", "-1\r\n", "3 \r\nabc\r\n", "3\nabc\r\n", "0\r\nbad trailer\r\n\r\n"])
    func brokenChunksGet400AndAClose(encoded: String) async throws {
        try await withServer(handler: echoBody) { address, _ in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(encoded)")
            let response = try client.readResponse()
            #expect(response.status == 400)
            #expect(response.text.contains(#""code":"malformedChunk""#))
            #expect(client.seesEnd())
        }
    }

    @Test func aBodyThatStopsIsTimedOut() async throws {
        try await withServer(limits: .with { $0.bodyProgress_ms = 30 }, handler: echoBody) { address, server in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            let response = try client.readResponse()
            #expect(response.status == 408)
            #expect(response["connection"] == "close")
            #expect(client.seesEnd())
            #expect(server.counts.bodyTimeouts == 1)
        }
    }

    @Test func aBodyThatTricklesIsTimedOutThoughItNeverStops() async throws {
        try await withServer(limits: .with { $0.bodyProgress_ms = 60 }, handler: echoBody) { address, server in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
            // Each answerless millisecond brings one byte more: far below the least speed, and never silent for long.
            var sent = 0
            while server.counts.bodyTimeouts == 0, sent < 5_000 {
                client.sendIgnoringFailure([65])
                sent += 1
                client.pause_ms(1)
            }
            #expect(server.counts.bodyTimeouts == 1)
        }
    }

    @Test func aBodyThatEndsEarlyCancelsTheHandler() async throws {
        let entered = Gate()
        let cancelled = Gate()
        try await withServer { request, response in
            entered.open()
            do {
                _ = try await request.body.collect(limitBytes: 1000)
            } catch let error as TransportError {
                #expect(error.code == .clientGone)
                #expect(Task.isCancelled)
                cancelled.open()
                throw error
            }
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            await entered.wait()
            client.close()
            await cancelled.wait()
        }
    }

    @Test func aBodyKeptBeyondItsRequestIsDead() async throws {
        let kept = Lock<TransportError.Code?>(nil)
        final class Box: @unchecked Sendable {  // touched on one loop only
            var body: RequestBody?
        }
        let box = Box()
        try await withServer { request, response in
            if let old = box.body {
                do { _ = try await old.next() } catch { kept.withLock { $0 = (error as? TransportError)?.code } }
            }
            box.body = request.body
            try await response.send(status: 200, fields: HTTPFields(), body: [])
        } _: { address, _ in
            let client = try RawClient(address)
            for _ in 0..<2 {
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
                #expect(try client.readResponse().status == 200)
            }
            #expect(kept.withLock { $0 } == .cancelled)
        }
    }
}
