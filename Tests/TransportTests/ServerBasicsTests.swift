import Synchronization
import Testing
import Wire

@testable import Transport

@Suite(.timeLimit(.minutes(1))) struct ServerBasicsTests {
    @Test func answersRequestsAndKeepsTheConnection() async throws {
        try await withServer { request, response in
            let text = "\(request.head.method) \(request.head.path) \(request.head.query ?? "-")"
            try await response.send(status: 200, fields: HTTPFields(), body: Array(text.utf8))
        } _: { address, server in
            let client = try RawClient(address)
            for _ in 0..<3 {
                try client.send("GET /hello?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")
                let response = try client.readResponse()
                #expect(response.status == 200)
                #expect(response.text == "GET /hello x=1")
                #expect(response["connection"] == "keep-alive")
                #expect(response["date"]?.hasSuffix(" GMT") == true)
            }
            #expect(server.counts.acceptedConnections == 1)
            #expect(server.counts.requests == 3)
            #expect(server.counts.openConnections == 1)
        }
    }

    @Test func aHeadThatComesByteByByteIsOneRequest() async throws {
        try await withServer(handler: echoPath) { address, _ in
            let client = try RawClient(address)
            for byte in "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n".utf8 { try client.send([byte]) }
            #expect(try client.readResponse().text == "/slow")
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await withServer(handler: echoPath) { address, server in
            let client = try RawClient(address)
            let requests = (0..<500).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined()
            try client.send(requests)
            for number in 0..<500 { #expect(try client.readResponse().text == "/\(number)") }
            #expect(server.counts.requests == 500)
        }
    }

    @Test func thePipelinedRequestWaitsForTheResponseBeforeIt() async throws {
        let gate = Gate()
        let order = Lock<[String]>([])
        try await withServer { request, response in
            order.withLock { $0.append("begin \(request.head.path)") }
            if request.head.path == "/first" { await gate.wait() }
            try await response.send(status: 200, fields: HTTPFields(), body: Array(request.head.path.utf8))
            order.withLock { $0.append("end \(request.head.path)") }
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
            gate.open()
            #expect(try client.readResponse().text == "/first")
            #expect(try client.readResponse().text == "/second")
            #expect(order.withLock { $0 }.prefix(3) == ["begin /first", "end /first", "begin /second"])
        }
    }

    @Test func aPipelinedRequestMayFollowABody() async throws {
        try await withServer { request, response in
            let body = try await request.body.collect(limitBytes: 100)
            try await response.send(status: 200, fields: HTTPFields(), body: Array(request.head.path.utf8) + body)
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send(
                "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\nHost: a\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().text == "/aabc")
            #expect(try client.readResponse().text == "/bdef")
            #expect(try client.readResponse().text == "/c")
        }
    }

    @Test func closesWhenTheClientAsksForIt() async throws {
        try await withServer(handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let response = try client.readResponse()
            #expect(response["connection"] == "close")
            #expect(response.text == "/x")
            #expect(client.seesEnd())
        }
    }

    @Test func anHTTP10ClientGetsNoChunksAndAClose() async throws {
        try await withServer { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields())
            try await body.write(Array("one".utf8))
            try await body.write(Array("two".utf8))
            try await body.finish()
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.0\r\n\r\n")
            let response = try client.readResponse()
            #expect(response["transfer-encoding"] == nil)
            #expect(response["connection"] == "close")
            #expect(response.text == "onetwo")
        }
    }

    @Test func anHTTP10ClientThatAsksForItIsKept() async throws {
        try await withServer(handler: echoPath) { address, _ in
            let client = try RawClient(address)
            for _ in 0..<2 {
                try client.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                let response = try client.readResponse()
                #expect(response["connection"] == "keep-alive")
                #expect(response.text == "/x")
            }
        }
    }

    @Test func headAndBodylessStatusesHaveNoBody() async throws {
        try await withServer { request, response in
            let body = Array("four".utf8)
            switch request.head.path {
            case "/204": try await response.send(status: 204, fields: HTTPFields(), body: body)
            case "/304": try await response.send(status: 304, fields: HTTPFields(), body: body)
            case "/stream":
                var stream = try await response.stream(status: 200, fields: HTTPFields())
                try await stream.write(body)
                try await stream.finish()
            default: try await response.send(status: 200, fields: HTTPFields(), body: body)
            }
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse(toHead: true)["content-length"] == "4")
            try client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse(toHead: true)["transfer-encoding"] == "chunked")
            for status in [204, 304] {
                try client.send("GET /\(status) HTTP/1.1\r\nHost: a\r\n\r\n")
                let response = try client.readResponse()
                #expect(response.status == status)
                #expect(response["content-length"] == nil)
            }
            // Nothing of the suppressed bodies is in the way of this one.
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse().text == "four")
        }
    }

    @Test func everyWriteIsOneChunkAndLeavesAtOnce() async throws {
        let gates = [Gate(), Gate()]
        try await withServer { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields())
            await gates[0].wait()
            try await body.write(Array("data: 1\n\n".utf8))
            try await body.write([])
            await gates[1].wait()
            try await body.write([UInt8](repeating: 7, count: 100_000))
            try await body.finish()
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readHead().contains("transfer-encoding: chunked"))
            gates[0].open()
            #expect(try client.readChunk() == Array("data: 1\n\n".utf8))
            gates[1].open()
            #expect(try client.readChunk()?.count == 100_000)
            #expect(try client.readChunk() == nil)
        }
    }

    @Test func aStreamOfKnownLengthIsNotChunked() async throws {
        try await withServer { _, response in
            var body = try await response.stream(status: 200, fields: HTTPFields(), length: 6)
            try await body.write(Array("one".utf8))
            try await body.write(Array("two".utf8))
            try await body.finish()
        } _: { address, _ in
            let client = try RawClient(address)
            for _ in 0..<2 {
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                let response = try client.readResponse()
                #expect(response["content-length"] == "6")
                #expect(response.text == "onetwo")
            }
        }
    }

    @Test func aLargeBodyArrivesWhole() async throws {
        let large = pattern(8_000_000)
        try await withServer { _, response in
            try await response.send(status: 200, fields: HTTPFields(), body: large)
        } _: { address, _ in
            let client = try RawClient(address)
            for _ in 0..<2 {
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.readResponse().body == large)
            }
        }
    }

    @Test func theServerFramesWhateverTheHandlerSays() async throws {
        try await withServer { _, response in
            var fields = HTTPFields()
            try fields.append("Content-Length", "999")
            try fields.append("Transfer-Encoding", "gzip")
            try fields.append("X-Kept", "yes")
            try await response.send(status: 200, fields: fields, body: [65])
        } _: { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try client.readResponse()
            #expect(response["content-length"] == "1")
            #expect(response["transfer-encoding"] == nil)
            #expect(response["x-kept"] == "yes")
        }
    }

    @Test func requestsKnowTheirPeerAndHaveTheirOwnNumbers() async throws {
        try await withServer { request, response in
            let text = "\(request.peer) \(request.id)"
            try await response.send(status: 200, fields: HTTPFields(), body: Array(text.utf8))
        } _: { address, _ in
            let client = try RawClient(address)
            var seen: Set<String> = []
            for _ in 0..<2 {
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                let text = try client.readResponse().text
                #expect(text.hasPrefix("127.0.0.1:"))
                seen.insert(text)
            }
            #expect(seen.count == 2)
        }
    }

    @Test func theConnectionEndsAfterItsShareOfRequests() async throws {
        try await withServer(limits: .with { $0.requestsPerConnectionCount = 2 }, handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse()["connection"] == "keep-alive")
            try client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readResponse()["connection"] == "close")
            #expect(client.seesEnd())
        }
    }
}
