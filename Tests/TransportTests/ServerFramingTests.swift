import Testing
import Wire

@testable import Transport

/// Requests that two servers could read differently, or that are no requests: each must be answered with its status and the
/// connection must end, so that no byte after the fault is taken for a request.
@Suite(.timeLimit(.minutes(1))) struct ServerFramingTests {
    static let attacks: [(name: String, bytes: String, status: Int)] = [
        ("both framings", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
        ("a length list", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400),
        ("a huge length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("a bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400),
        ("a bare CR", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
        ("folding", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
        ("a NUL", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
        ("no host", "GET / HTTP/1.1\r\n\r\n", 400),
        ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("another coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("a coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("HTTP/2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("another expectation", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: gold\r\n\r\n", 417),
        ("a long target", "GET /\(String(repeating: "a", count: 20_000)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("a long head", "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 70_000))\r\n\r\n", 431),
        (
            "many fields",
            "GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: y\r\n", count: 200))\r\n", 431
        ),
        ("no HTTP", "\u{16}\u{3}\u{1}\u{2}", 400),
    ]

    @Test(arguments: attacks.indices)
    func isRefusedAndEndsTheConnection(index: Int) async throws {
        let (name, bytes, status) = Self.attacks[index]
        let reached = Gate()
        try await withServer { request, response in
            reached.open()
            try await response.send(status: 200, fields: HTTPFields(), body: [])
        } _: { address, server in
            let client = try RawClient(address)
            // A second request stands behind the fault, as smuggling would have it.
            client.sendIgnoringFailure(Array(bytes.utf8) + Array("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            let response = try client.readResponse()
            #expect(response.status == status, "\(name)")
            #expect(response["connection"] == "close")
            #expect(response["content-type"] == "application/json")
            #expect(response.text.hasPrefix(#"{"error":{"message":""#))
            #expect(response.text.contains(#""type":"invalid_request_error","param":null,"code":""#))
            #expect(client.seesEnd())
            #expect(server.counts.requests == 0)
            #expect(server.counts.malformedRequests == 1)
        }
    }

    @Test func aFaultBehindAGoodRequestIsRefusedAfterItsAnswer() async throws {
        try await withServer(handler: echoPath) { address, server in
            let client = try RawClient(address)
            try client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\n")
            #expect(try client.readResponse().text == "/good")
            #expect(try client.readResponse().status == 400)
            #expect(client.seesEnd())
        }
    }

    @Test func theAnswerSurvivesAClientThatKeepsSending() async throws {
        try await withServer(handler: echoPath) { address, _ in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n")
            // More than socket buffers hold would be refused by a server that just closed, with a reset that can overtake
            // the answer.
            client.sendIgnoringFailure([UInt8](repeating: 65, count: 400_000))
            #expect(try client.readResponse().status == 400)
        }
    }
}
