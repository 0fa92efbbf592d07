import Glibc
import Synchronization
import Testing
import Transport
import Wire

/// The bytes that reach the upstream.
@Suite(.timeLimit(.minutes(1))) struct UpstreamRequestTests {
    /// Sends `request` (its URL is replaced) and returns what the upstream received.
    private func received(
        _ client: UpstreamClient, _ request: UpstreamRequest, path: String = "/v1/x?a=b%20c"
    ) async throws -> String {
        let seen = Lock("")
        let upstream = FakeUpstream { connection in
            while let request = connection.readRequest() {
                seen.withLock { $0 = request }
                connection.answer("")
            }
        }
        defer { upstream.stop() }
        var request = request
        request.url = upstream.origin + path
        let transport = try client.transport()
        _ = try await transport.send(request)
        await transport.shutDown()
        return seen.withLock { $0 }.replacing("127.0.0.1:\(upstream.port)", with: "HOST")
    }

    private func fields(_ pairs: KeyValuePairs<String, String>) throws -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in pairs { try fields.append(name, value) }
        return fields
    }

    @Test(arguments: UpstreamClient.allCases)
    func aPostArrivesByteForByte(_ client: UpstreamClient) async throws {
        let fields = try fields([
            "content-type": "application/json", "X-zeta": "1", "Authorization": "Bearer k", "x-ALPHA": "two  words",
            "X-zeta": "2", "user-agent": "OpenAI/Python 1.0", "Accept": "application/json", "x-empty": "",
        ])
        let received = try await received(
            client, UpstreamRequest(method: .post, url: "", fields: fields, body: Array(#"{"model":"ü"}"#.utf8)))
        #expect(
            received == """
                POST /v1/x?a=b%20c HTTP/1.1\r
                Host: HOST\r
                content-type: application/json\r
                X-zeta: 1\r
                Authorization: Bearer k\r
                x-ALPHA: two  words\r
                X-zeta: 2\r
                user-agent: OpenAI/Python 1.0\r
                Accept: application/json\r
                x-empty:\r
                Content-Length: 14\r
                \r
                {"model":"ü"}
                """)
    }

    @Test(arguments: UpstreamClient.allCases)
    func nothingIsAddedToABareGet(_ client: UpstreamClient) async throws {
        let received = try await received(client, UpstreamRequest(method: .get, url: ""))
        #expect(received == "GET /v1/x?a=b%20c HTTP/1.1\r\nHost: HOST\r\n\r\n")
    }

    @Test(arguments: UpstreamClient.allCases)
    func anEmptyPostSaysItsLength(_ client: UpstreamClient) async throws {
        let received = try await received(client, UpstreamRequest(method: .post, url: ""))
        #expect(received == "POST /v1/x?a=b%20c HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n")
    }

    @Test(arguments: UpstreamClient.allCases, ["PUT", "PATCH", "DELETE", "OPTIONS", "GET", "PROPFIND"])
    func anyMethodCanHaveABody(_ client: UpstreamClient, name: String) async throws {
        let method = try #require(HTTPMethod(name))
        let received = try await received(client, UpstreamRequest(method: method, url: "", body: Array("x=1".utf8)))
        #expect(received == "\(name) /v1/x?a=b%20c HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nx=1")
    }

    @Test(arguments: UpstreamClient.allCases)
    func aDeleteWithoutBodySaysNoLength(_ client: UpstreamClient) async throws {
        let received = try await received(client, UpstreamRequest(method: .delete, url: ""))
        #expect(received == "DELETE /v1/x?a=b%20c HTTP/1.1\r\nHost: HOST\r\n\r\n")
    }

    @Test(arguments: UpstreamClient.allCases)
    func fieldsOfTheConnectionAreLeftOut(_ client: UpstreamClient) async throws {
        let fields = try fields([
            "Connection": "close, x-hop", "Keep-Alive": "timeout=5", "TE": "trailers", "Trailer": "x",
            "Transfer-Encoding": "chunked", "Upgrade": "h2c", "Expect": "100-continue", "content-length": "999",
            "Proxy-Connection": "keep-alive", "host": "given.example", "x-kept": "yes",
        ])
        let received = try await received(client, UpstreamRequest(method: .post, url: "", fields: fields, body: [0x61]))
        #expect(
            received
                == "POST /v1/x?a=b%20c HTTP/1.1\r\nHost: given.example\r\nx-kept: yes\r\nContent-Length: 1\r\n\r\na")
    }

    @Test(arguments: UpstreamClient.allCases)
    func dotsInThePathStayAsGiven(_ client: UpstreamClient) async throws {
        let received = try await received(client, UpstreamRequest(method: .get, url: ""), path: "/a/../b/./c")
        #expect(received.hasPrefix("GET /a/../b/./c HTTP/1.1\r\n"))
    }

    @Test(arguments: UpstreamClient.allCases)
    func aLargeBodyIsNotHeldBackByExpect(_ client: UpstreamClient) async throws {
        let seen = Lock(0)
        let upstream = FakeUpstream { connection in
            while let request = connection.readRequest() {
                seen.withLock { $0 = request.utf8.count }
                connection.answer("ok")
            }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        let body = [UInt8](repeating: 0x61, count: 4 << 20)
        // With "Expect: 100-continue" libcurl would wait a second for a line that never comes.
        let response = try await transport.send(
            UpstreamRequest(
                method: .post, url: upstream.origin, body: body, timeouts: UpstreamTimeouts(firstByte_ms: 900)))
        #expect(response.status == 200)
        #expect(seen.withLock { $0 } > 4 << 20)
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aUnixSocketReplacesHostAndPort(_ client: UpstreamClient) async throws {
        let path = temporarySocketPath("upstream-\(client)")
        unlink(path)
        let upstream = FakeUpstream(unixPath: path) { connection in
            while let request = connection.readRequest() { connection.answer(request) }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        let response = try await transport.send(
            UpstreamRequest(method: .get, url: "http://model/health", unixSocketPath: path))
        let body = try await response.body.collect(limitBytes: 1000)
        #expect(String(decoding: body, as: UTF8.self) == "GET /health HTTP/1.1\r\nHost: model\r\n\r\n")
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aRepeatedRequestGoesToItsOwnURLOnAHandleThatHadAnother(_ client: UpstreamClient) async throws {
        let seen = Lock<[String]>([])
        let upstream = FakeUpstream { connection in
            while let request = connection.readRequest() {
                let path = String(request.dropFirst(4).prefix { $0 != " " })
                let count = seen.withLock { seen in
                    seen.append(path)
                    return seen.count
                }
                // The second and the fourth request die on a kept-alive connection and are repeated.
                guard count != 2, count != 5 else { return }
                connection.answer(path)
            }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        for path in ["/one", "/two", "/two", "/three", "/one"] {
            let response = try await transport.send(UpstreamRequest(method: .get, url: upstream.origin + path))
            #expect(try await response.body.collect(limitBytes: 100) == Array(path.utf8))
        }
        #expect(seen.withLock { $0 } == ["/one", "/two", "/two", "/two", "/three", "/three", "/one"])
        await transport.shutDown()
    }

    @Test(arguments: UpstreamClient.allCases)
    func aHandleForgetsTheRequestBefore(_ client: UpstreamClient) async throws {
        let upstream = FakeUpstream { connection in
            while let request = connection.readRequest() {
                connection.answer(request.hasPrefix("HEAD") ? "" : request)
            }
        }
        defer { upstream.stop() }
        let transport = try client.transport()
        func echoed(_ method: HTTPMethod, _ body: String, _ pairs: KeyValuePairs<String, String> = [:]) async throws
            -> String
        {
            let response = try await transport.send(
                UpstreamRequest(
                    method: method, url: upstream.origin + "/", fields: try fields(pairs), body: Array(body.utf8)))
            return String(decoding: try await response.body.collect(limitBytes: 1000), as: UTF8.self)
                .replacing("127.0.0.1:\(upstream.port)", with: "HOST")
        }
        #expect(
            try await echoed(.put, "long body", ["X-Secret": "s", "Content-Type": "a/b"])
                == "PUT / HTTP/1.1\r\nHost: HOST\r\nX-Secret: s\r\nContent-Type: a/b\r\nContent-Length: 9\r\n\r\nlong body"
        )
        #expect(try await echoed(.get, "") == "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n")
        #expect(try await echoed(.post, "b") == "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\n\r\nb")
        #expect(try await echoed(.head, "") == "")
        #expect(try await echoed(.post, "") == "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n")
        #expect(try await echoed(.delete, "") == "DELETE / HTTP/1.1\r\nHost: HOST\r\n\r\n")
        #expect(try await echoed(.get, "") == "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n")
        #expect(transport.statistics.connectionsOpened == 1)
        await transport.shutDown()
    }
}
