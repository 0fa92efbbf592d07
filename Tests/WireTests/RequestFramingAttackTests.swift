import Testing
import Wire

/// Heads that two servers could read differently, or that cost more than they should. Each must be refused, with the
/// named error, at the first line that shows the fault, and however the bytes are cut.
@Suite struct RequestFramingAttackTests {
    struct Attack: Sendable, CustomTestStringConvertible {
        let name: String
        let code: WireError.Code
        let input: [UInt8]

        init(_ name: String, _ code: WireError.Code, _ text: String) {
            self.name = name
            self.code = code
            input = bytes(text)
        }

        /// The lines after `POST / HTTP/1.1` and a Host.
        static func fields(_ name: String, _ code: WireError.Code, _ lines: String...) -> Attack {
            let all = ["POST / HTTP/1.1", "Host: h"] + lines
            return Attack(name, code, all.map { $0 + "\r\n" }.joined() + "\r\n")
        }

        static func requestLine(_ name: String, _ code: WireError.Code, _ line: String) -> Attack {
            Attack(name, code, line + "\r\nHost: h\r\n\r\n")
        }

        var testDescription: String { name }
    }

    static let attacks: [Attack] = [
        // Two framings
        .fields("CL then TE", .conflictingFraming, "Content-Length: 5", "Transfer-Encoding: chunked"),
        .fields("TE then CL", .conflictingFraming, "Transfer-Encoding: chunked", "Content-Length: 5"),
        .fields("TE then CL 0", .conflictingFraming, "transfer-encoding: chunked", "content-length: 0"),
        .fields("TE twice", .conflictingFraming, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        Attack(
            "TE in HTTP/1.0", .conflictingFraming, "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"),
        // Transfer-Encoding
        .fields("TE gzip, chunked", .unsupportedTransferCoding, "Transfer-Encoding: gzip, chunked"),
        .fields("TE chunked, identity", .unsupportedTransferCoding, "Transfer-Encoding: chunked, identity"),
        .fields("TE identity", .unsupportedTransferCoding, "Transfer-Encoding: identity"),
        .fields("TE xchunked", .unsupportedTransferCoding, "Transfer-Encoding: xchunked"),
        .fields("TE quoted", .unsupportedTransferCoding, "Transfer-Encoding: \"chunked\""),
        .fields("TE with parameter", .unsupportedTransferCoding, "Transfer-Encoding: chunked;q=1"),
        .fields("TE empty", .unsupportedTransferCoding, "Transfer-Encoding:"),
        .fields("TE with vertical tab", .malformedField, "Transfer-Encoding:\u{0B}chunked"),
        // Content-Length
        .fields("CL differs", .invalidContentLength, "Content-Length: 5", "Content-Length: 6"),
        .fields("CL list", .invalidContentLength, "Content-Length: 5, 5"),
        .fields("CL plus", .invalidContentLength, "Content-Length: +5"),
        .fields("CL minus", .invalidContentLength, "Content-Length: -5"),
        .fields("CL hex", .invalidContentLength, "Content-Length: 0x5"),
        .fields("CL fraction", .invalidContentLength, "Content-Length: 5.0"),
        .fields("CL inner space", .invalidContentLength, "Content-Length: 5 5"),
        .fields("CL empty", .invalidContentLength, "Content-Length:"),
        .fields("CL beyond Int", .bodyTooLarge, "Content-Length: 9223372036854775808"),
        .fields("CL of 20 digits", .invalidContentLength, "Content-Length: 18446744073709551621"),
        .fields("CL over the limit", .bodyTooLarge, "Content-Length: 33554433"),
        // Field lines
        .fields("space before colon", .malformedField, "Content-Length : 5"),
        .fields("tab before colon", .malformedField, "Content-Length\t: 5"),
        .fields("folded", .malformedField, "X: a", " b"),
        .fields("folded with tab", .malformedField, "X: a", "\tb"),
        .fields("no colon", .malformedField, "Content-Length"),
        .fields("no name", .malformedField, ": 5"),
        .fields("name with space", .malformedField, "Content Length: 5"),
        .fields("name with bracket", .malformedField, "Content(Length: 5"),
        .fields("NUL in value", .malformedField, "X: a\0b"),
        .fields("NUL in name", .malformedField, "X\0: a"),
        .fields("DEL in value", .malformedField, "X: a\u{7F}"),
        .fields("bare LF inside a line", .malformedField, "X: a\nContent-Length: 5"),
        .fields("bare CR inside a line", .malformedField, "X: a\rContent-Length: 5"),
        .fields("CR CR LF", .malformedField, "X: a\r"),
        Attack("bare LF ends the request line", .malformedRequestLine, "GET / HTTP/1.1\nHost: h\r\n\r\n"),
        Attack("bare LF ends a field", .malformedField, "GET / HTTP/1.1\r\nHost: h\n\r\n"),
        Attack("bare LF ends the head", .malformedField, "GET / HTTP/1.1\r\nHost: h\r\n\n"),
        Attack("fold after the request line", .malformedField, "GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
        // Host
        Attack("no Host", .missingHost, "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
        .fields("two Hosts", .invalidHost, "Host: h"),
        Attack("two Hosts in HTTP/1.0", .invalidHost, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        Attack("Host with a space", .invalidHost, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        Attack("Host list", .invalidHost, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
        Attack("Host with a path", .invalidHost, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        Attack("Host with user", .invalidHost, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        Attack("Host with a bad port", .invalidHost, "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"),
        Attack("Host with a huge port", .invalidHost, "GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n"),
        Attack("Host with an open bracket", .invalidHost, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
        Attack("Host of a port alone", .invalidHost, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
        // Request line
        .requestLine("lower-case version", .malformedRequestLine, "GET / http/1.1"),
        .requestLine("two spaces", .malformedRequestLine, "GET  / HTTP/1.1"),
        .requestLine("two spaces before the version", .malformedRequestLine, "GET /  HTTP/1.1"),
        .requestLine("space after the version", .malformedRequestLine, "GET / HTTP/1.1 "),
        .requestLine("leading space", .malformedRequestLine, " GET / HTTP/1.1"),
        .requestLine("tab for a space", .malformedRequestLine, "GET\t/ HTTP/1.1"),
        .requestLine("tab inside the target", .malformedRequestLine, "GET /a\tb HTTP/1.1"),
        .requestLine("HTTP/0.9", .malformedRequestLine, "GET /"),
        .requestLine("no target", .malformedRequestLine, "GET HTTP/1.1"),
        .requestLine("HTTP/2.0", .unsupportedVersion, "PRI * HTTP/2.0"),
        .requestLine("HTTP/1.2", .unsupportedVersion, "GET / HTTP/1.2"),
        .requestLine("HTTP/11.1", .malformedRequestLine, "GET / HTTP/11.1"),
        .requestLine("method with a colon", .malformedRequestLine, "GE:T / HTTP/1.1"),
        .requestLine("fragment", .malformedRequestLine, "GET /#a HTTP/1.1"),
        .requestLine("target not ASCII", .malformedRequestLine, "GET /é HTTP/1.1"),
        .requestLine("target without slash", .malformedRequestLine, "GET a HTTP/1.1"),
        .requestLine("other scheme", .malformedRequestLine, "GET ftp://a/ HTTP/1.1"),
        .requestLine("absolute without host", .malformedRequestLine, "GET http:///a HTTP/1.1"),
        .requestLine("absolute with user", .malformedRequestLine, "GET http://u@h/a HTTP/1.1"),
        .requestLine("CONNECT", .unsupportedMethod, "CONNECT h:443 HTTP/1.1"),
        // Others
        .fields("unknown expectation", .expectationFailed, "Expect: 200-ok"),
        .fields("expectation list", .expectationFailed, "Expect: 100-continue, x"),
    ]

    @Test(arguments: attacks) func isRefused(attack: Attack) {
        let refusal = parseHead(attack.input).refusal
        #expect(refusal?.code == attack.code)
        #expect(refusal?.offset != nil)
    }

    @Test(arguments: attacks) func isRefusedAlikeHoweverItIsCut(attack: Attack) {
        let whole = parseHead(attack.input)
        for cut in 0..<attack.input.count { #expect(parseHead(attack.input, cuts: [cut]) == whole) }
        #expect(parseHead(attack.input, cuts: Array(0..<attack.input.count)) == whole)
    }

    @Test(arguments: attacks) func isRefusedWithAStatusAClientUnderstands(attack: Attack) {
        #expect([400, 413, 417, 501, 505].contains(attack.code.httpStatus))
    }

    @Test func aFaultIsSeenBeforeTheHeadEnds() {
        let unfinished = bytes("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n")
        #expect(parseHead(unfinished).refusal?.code == .invalidContentLength)
        #expect(parseHead(bytes("GET / HTTP/1.1\r\nX: a\0")).refusal?.code == .malformedField)
        #expect(parseHead(bytes("GET / HTTP/1.1\r\nX: a\rb")).refusal?.code == .malformedField)
    }

    // MARK: Limits

    @Test func aHeadIsRefusedAsSoonAsItIsTooLong() {
        var limits = Limits()
        limits.requestHeadBytes = 100
        let start = "GET / HTTP/1.1\r\nHost: h\r\nX: "
        let fits = bytes(start + String(repeating: "a", count: 100 - start.utf8.count - 4) + "\r\n\r\n")
        #expect(fits.count == 100)
        #expect(parseHead(fits, limits: limits).accepted != nil)
        let endless = bytes(start + String(repeating: "a", count: 100))
        #expect(parseHead(endless, limits: limits).refusal?.code == .headTooLarge)
        #expect(parseHead(Array(endless.prefix(99)), limits: limits) == .incomplete)
        let oneMore = bytes(start + String(repeating: "a", count: 101 - start.utf8.count - 4) + "\r\n\r\n")
        let whole = parseHead(oneMore, limits: limits)
        #expect(whole.refusal?.code == .headTooLarge)
        for cut in 0..<oneMore.count { #expect(parseHead(oneMore, cuts: [cut], limits: limits) == whole) }
    }

    @Test func manyShortLinesAreOneLongHead() {
        let lines = String(repeating: "a:\r\n", count: 100_000)
        var limits = Limits()
        limits.fieldCount = 1_000_000
        let outcome = parseHead(bytes("GET / HTTP/1.1\r\nHost: h\r\n" + lines), limits: limits)
        #expect(outcome.refusal?.code == .headTooLarge)
        #expect(outcome.refusal?.httpStatus == 431)
    }

    @Test func fieldsAreCounted() {
        let request = { (count: Int) in
            bytes("GET / HTTP/1.1\r\nHost: h\r\n" + String(repeating: "a: b\r\n", count: count - 1) + "\r\n")
        }
        #expect(parseHead(request(128)).accepted?.fields.count == 128)
        #expect(parseHead(request(129)).refusal?.code == .tooManyFields)
    }

    @Test func aTargetIsRefusedWhenItIsTooLong() {
        var limits = Limits()
        limits.targetBytes = 20
        let request = { (count: Int) in
            head("GET /" + String(repeating: "a", count: count - 1) + " HTTP/1.1", "Host: h")
        }
        #expect(parseHead(request(20), limits: limits).accepted != nil)
        let whole = parseHead(request(21), limits: limits)
        #expect(whole.refusal?.httpStatus == 414)
        let endless = bytes("GET /" + String(repeating: "a", count: 200))
        #expect(parseHead(endless, limits: limits).refusal?.code == .targetTooLong)
        for cut in 0..<endless.count {
            #expect(parseHead(endless, cuts: [cut], limits: limits) == parseHead(endless, limits: limits))
        }
    }

    @Test func aMethodWithoutEndIsRefused() {
        let outcome = parseHead(bytes(String(repeating: "A", count: 20_000)))
        #expect(outcome.refusal?.code == .targetTooLong)
    }
}
