import Testing
import Wire

@Suite struct RequestParserTests {
    static let openAIHead = head(
        "POST /v1/chat/completions?trace=1&x=%20 HTTP/1.1", "Host: 127.0.0.1:8080", "Accept-Encoding: gzip, deflate",
        "Connection: keep-alive", "Accept: application/json", "Content-Type: application/json",
        "User-Agent: OpenAI/Python 1.99.0", "X-Empty:", "X-Tab:\ta\tb \t", "Authorization: Bearer sk-test",
        "Content-Length: 19")

    @Test func aClientsHeadIsReadInFull() throws {
        let outcome = parseHead(Self.openAIHead + bytes("{\"model\":\"auto\"}..."))
        let parsed = try #require(outcome.accepted)
        #expect(outcome == .head(parsed, consumed: Self.openAIHead.count))
        #expect(parsed.method == .post)
        #expect(parsed.target == "/v1/chat/completions?trace=1&x=%20")
        #expect(parsed.path == "/v1/chat/completions")
        #expect(parsed.query == "trace=1&x=%20")
        #expect(parsed.minorVersion == 1)
        #expect(parsed.framing == .length(19))
        #expect(parsed.keepAlive)
        #expect(!parsed.expectsContinue)
        #expect(parsed.fields.count == 10)
        #expect(parsed.fields["x-empty"] == "")
        #expect(parsed.fields["x-tab"] == "a\tb")
        #expect(parsed.fields["AUTHORIZATION"] == "Bearer sk-test")
        #expect(Array(parsed.fields).first?.name == "Host")
    }

    @Test func everyCutOfAHeadGivesTheSameHead() {
        let input = Self.openAIHead + bytes("next")
        let whole = parseHead(input)
        for cut in 0...input.count { #expect(parseHead(input, cuts: [cut]) == whole) }
        #expect(parseHead(input, cuts: Array(0...input.count)) == whole)
    }

    @Test func pipelinedRequestsComeOneAfterTheOther() throws {
        let input = head("GET /a HTTP/1.1", "Host: h") + head("GET /b HTTP/1.1", "Host: h")
        var parser = RequestParser()
        let first = try parser.parse(input.span)
        let consumed = try #require(first).consumed
        #expect(first?.head.path == "/a")
        let second = try parser.parse(input.span.extracting(consumed..<input.count))
        #expect(second?.head.path == "/b")
        #expect(second?.consumed == input.count - consumed)
    }

    @Test func aResetParserForgetsAHalfReadHead() throws {
        let start = bytes("GET /half HTTP/1.1\r\nHost: h\r\n")
        var parser = RequestParser()
        _ = try parser.parse(start.span)
        parser.reset()
        let input = head("GET /whole HTTP/1.1", "Host: h")
        let parsed = try parser.parse(input.span)
        #expect(parsed?.head.path == "/whole")
    }

    @Test(
        arguments: [
            ("/", "/", nil), ("/?", "/", ""), ("/a/b?c=d?e", "/a/b", "c=d?e"), ("/a%2Fb", "/a%2Fb", nil),
            ("http://example.com", "/", nil), ("http://example.com:80/a?b", "/a", "b"),
            ("http://example.com?b", "/", "b"),
            ("HTTPS://[::1]:8443/x", "/x", nil), ("/a:b//c", "/a:b//c", nil), ("//a/b", "//a/b", nil),
        ] as [(String, String, String?)])
    func aTargetHasAPathAndAQuery(target: String, path: String, query: String?) {
        let parsed = parseHead(head("GET \(target) HTTP/1.1", "Host: h")).accepted
        #expect(parsed?.target == target)
        #expect(parsed?.path == path)
        #expect(parsed?.query == query)
        let made = RequestHead(method: .get, target: target)
        #expect(made.path == path)
        #expect(made.query == query)
    }

    @Test func theAsteriskFormIsForOptionsOnly() {
        #expect(parseHead(head("OPTIONS * HTTP/1.1", "Host: h")).accepted?.path == "*")
        #expect(parseHead(head("GET * HTTP/1.1", "Host: h")).refusal?.code == .malformedRequestLine)
    }

    @Test(arguments: ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X-odd_1", "get"])
    func methodsAreTokensWithCase(method: String) {
        #expect(parseHead(head("\(method) / HTTP/1.1", "Host: h")).accepted?.method.name == method)
        #expect(HTTPMethod(method)?.name == method)
    }

    @Test(
        arguments: [
            ("HTTP/1.1", nil, true), ("HTTP/1.1", "close", false), ("HTTP/1.1", "Keep-Alive", true),
            ("HTTP/1.1", "upgrade , CLOSE", false), ("HTTP/1.0", nil, false), ("HTTP/1.0", "keep-alive", true),
            ("HTTP/1.0", "keep-alive, close", false), ("HTTP/1.1", "closed", true),
        ] as [(String, String?, Bool)])
    func theConnectionStaysWhenBothWantIt(version: String, connection: String?, stays: Bool) {
        let line = connection.map { "Connection: \($0)" } ?? "X: y"
        #expect(parseHead(head("GET / \(version)", "Host: h", line)).accepted?.keepAlive == stays)
    }

    @Test func expectContinueCountsInHTTP11Only() {
        let post = { (version: String) in
            parseHead(head("POST / \(version)", "Host: h", "Expect: 100-Continue", "Content-Length: 1")).accepted
        }
        #expect(post("HTTP/1.1")?.expectsContinue == true)
        #expect(post("HTTP/1.0")?.expectsContinue == false)
    }

    @Test func chunkedFramingIsRecognised() {
        let parsed = parseHead(head("POST / HTTP/1.1", "Host: h", "Transfer-Encoding: Chunked")).accepted
        #expect(parsed?.framing == .chunked)
    }

    @Test func equalContentLengthsAreOne() {
        let parsed = parseHead(head("POST / HTTP/1.1", "Host: h", "Content-Length: 5", "Content-Length: 05")).accepted
        #expect(parsed?.framing == .length(5))
    }

    @Test func oneEmptyLineBeforeARequestIsForgiven() {
        let request = head("GET / HTTP/1.1", "Host: h")
        #expect(parseHead([13, 10] + request).accepted?.path == "/")
        #expect(parseHead([13, 10, 13, 10] + request).refusal?.code == .malformedRequestLine)
        #expect(parseHead([10] + request).refusal?.code == .malformedRequestLine)
    }

    @Test func HTTP10NeedsNoHost() {
        #expect(parseHead(head("GET / HTTP/1.0")).accepted?.fields.isEmpty == true)
    }

    @Test func bytesAbove127PassInValuesOnly() {
        let outcome = parseHead(bytes("GET / HTTP/1.1\r\nHost: h\r\nX: ") + [0xE9, 0xFF] + bytes("\r\n\r\n"))
        #expect(outcome.accepted?.fields["x"] == "\u{FFFD}\u{FFFD}")
        var raw: [UInt8] = []
        outcome.accepted?.fields.forEach { name, value in
            if name.count == 1 { raw = value.indices.map { value[$0] } }
        }
        #expect(raw == [0xE9, 0xFF])
        let name = parseHead(bytes("GET / HTTP/1.1\r\nHost: h\r\nX") + [0xE9] + bytes(": y\r\n\r\n"))
        #expect(name.refusal?.code == .malformedField)
    }

    @Test func aTLSHelloIsRefusedAtItsFirstByte() {
        let outcome = parseHead([0x16, 0x03, 0x01])
        #expect(outcome.refusal?.code == .malformedRequestLine)
        #expect(outcome.refusal?.offset == 0)
    }
}
