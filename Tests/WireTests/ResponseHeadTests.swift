import Testing
import Wire

/// Heads of upstream answers: what is read, what is refused, and that packets do not matter.
@Suite struct ResponseHeadTests {
    private struct Outcome: Equatable {
        var text: String
        var consumed = 0
    }

    /// Parses `bytes` as they grow by `step`, and describes what came out.
    private func outcome(
        _ bytes: [UInt8], step: Int, limits: Limits = .standard, isHeadAnswer: Bool = false
    ) -> Outcome {
        var parser = ResponseHeadParser(limits: limits, isHeadAnswer: isHeadAnswer)
        var end = 0
        while end < bytes.count {
            end = min(end + step, bytes.count)
            do throws(WireError) {
                guard let parsed = try parser.parse(Array(bytes[..<end]).span) else { continue }
                let head = parsed.head
                return Outcome(
                    text: "\(head.status) 1.\(head.minorVersion) \(head.framing) \(head.keepAlive ? "keep" : "close")\n"
                        + head.fields.description, consumed: parsed.consumed)
            } catch {
                return Outcome(text: "\(error.code)", consumed: error.offset ?? -1)
            }
        }
        return Outcome(text: "incomplete")
    }

    private func summary(_ text: String, isHeadAnswer: Bool = false) -> String {
        let outcome = outcome(Array(text.utf8), step: text.utf8.count, isHeadAnswer: isHeadAnswer)
        return String(outcome.text.prefix { $0 != "\n" })
    }

    @Test func aHeadIsReadWithItsFields() throws {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A:  b\tc \r\nx-a:\r\nContent-Length: 5\r\n\r\n"
        var parser = ResponseHeadParser()
        let parsed = try #require(try parser.parse(Array((text + "hello").utf8).span))
        #expect(parsed.consumed == text.utf8.count)
        #expect(parsed.head.status == 200)
        #expect(parsed.head.framing == .length(5))
        #expect(parsed.head.keepAlive)
        #expect(parsed.head.fields.map(\.name) == ["Content-Type", "X-A", "x-a", "Content-Length"])
        #expect(parsed.head.fields.values("X-a") == ["b\tc", ""])
    }

    @Test func theFramingFollowsRFC9112Section6() {
        #expect(summary("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == "200 1.1 length(0) keep")
        #expect(
            summary("HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n") == "200 1.1 length(5) keep")
        #expect(summary("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n") == "200 1.1 chunked keep")
        #expect(summary("HTTP/1.1 200 OK\r\n\r\n") == "200 1.1 untilClose close")
        #expect(summary("HTTP/1.1 204 None\r\n\r\n") == "204 1.1 none keep")
        #expect(summary("HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n") == "304 1.1 none keep")
        #expect(summary("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", isHeadAnswer: true) == "200 1.1 none keep")
    }

    @Test func theConnectionStaysOnlyWhenBothSidesMeanIt() {
        let length = "Content-Length: 1\r\n"
        #expect(summary("HTTP/1.1 200 OK\r\n\(length)Connection: close\r\n\r\n") == "200 1.1 length(1) close")
        #expect(summary("HTTP/1.1 200 OK\r\n\(length)Connection: x, Close\r\n\r\n") == "200 1.1 length(1) close")
        #expect(summary("HTTP/1.0 200 OK\r\n\(length)\r\n") == "200 1.0 length(1) close")
        #expect(summary("HTTP/1.0 200 OK\r\n\(length)Connection: keep-alive\r\n\r\n") == "200 1.0 length(1) keep")
    }

    @Test func interimHeadsAreSkippedWithTheirFields() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\nContent-Length: 3\r\n\r\n"
        let outcome = outcome(Array((interim + "HTTP/1.1 200 OK\r\nA: b\r\n\r\n").utf8), step: 1000)
        #expect(outcome.text == "200 1.1 untilClose close\nA: b")
    }

    @Test(arguments: [
        ("SSH-2.0-OpenSSH\r\n", "malformedStatusLine"), ("HTTP/2 200\r\n", "malformedStatusLine"),
        ("HTTP/1.2 200 OK\r\n", "malformedStatusLine"), ("http/1.1 200 OK\r\n", "malformedStatusLine"),
        ("HTTP/1.1 20 OK\r\n", "malformedStatusLine"), ("HTTP/1.1 2000 OK\r\n", "malformedStatusLine"),
        ("HTTP/1.1  200 OK\r\n", "malformedStatusLine"), ("HTTP/1.1 099 No\r\n", "malformedStatusLine"),
        ("HTTP/1.1 600 No\r\n", "malformedStatusLine"), ("HTTP/1.1 200 a\u{1}b\r\n", "malformedStatusLine"),
        ("\r\nHTTP/1.1 200 OK\r\n", "malformedStatusLine"),
        ("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "malformedStatusLine"),
        ("HTTP/1.1 200 OK\nA: b\n\n", "malformedStatusLine"), ("HTTP/1.1 200 OK\r\nA: b\n", "malformedField"),
        ("HTTP/1.1 200 OK\r\nA: b\rc\r\n", "malformedField"), ("HTTP/1.1 200 OK\r\nA : b\r\n", "malformedField"),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n", "malformedField"), ("HTTP/1.1 200 OK\r\nA\r\n", "malformedField"),
        ("HTTP/1.1 200 OK\r\n: b\r\n", "malformedField"), ("HTTP/1.1 200 OK\r\nA: \u{0}\r\n", "malformedField"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n", "invalidContentLength"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n", "invalidContentLength"),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n", "invalidContentLength"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "invalidContentLength"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n", "invalidContentLength"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "conflictingFraming"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", "conflictingFraming"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "conflictingFraming"),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", "conflictingFraming"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", "unsupportedTransferCoding"),
    ])
    func whatTwoClientsCouldReadDifferentlyIsRefused(head: String, code: String) {
        #expect(summary(head) == code)
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404\r\nA: \u{fc}\r\n\r\nrest",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\nc\r\n\r\n", "HTTP/3.1 200 OK\r\n\r\n", "HT\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "",
        "HTTP/1.1 200 OK\r\nincomplete: ",
    ])
    func packetsDoNotMatter(text: String) {
        let bytes = Array(text.utf8)
        let whole = outcome(bytes, step: max(1, bytes.count))
        for step in 1..<max(2, bytes.count) { #expect(outcome(bytes, step: step) == whole, "step \(step)") }
    }

    @Test func theLimitsHoldOverAllHeadsTogether() {
        var limits = Limits.standard
        limits.responseHeadBytes = 100
        limits.fieldCount = 3
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        let fill = String(repeating: "a", count: 100 - head.utf8.count - 5)
        let fits = Array(head.replacing("\r\n\r\n", with: "\r\nA: \(fill)\r\n\r\n").utf8)
        #expect(fits.count == 100)
        #expect(outcome(fits, step: 1000, limits: limits).consumed == 100)
        let over = Array(head.replacing("\r\n\r\n", with: "\r\nA: \(fill)a\r\n\r\n").utf8)
        for step in [1, 7, 1000] { #expect(outcome(over, step: step, limits: limits).text == "headTooLarge") }
        let interim = Array(String(repeating: "HTTP/1.1 102 P\r\n\r\n", count: 10).utf8)
        #expect(outcome(interim, step: 1, limits: limits).text == "headTooLarge")
        let many = Array("HTTP/1.1 200 OK\r\na:\r\nb:\r\nc:\r\nd:\r\n\r\n".utf8)
        #expect(outcome(many, step: 1, limits: limits).text == "tooManyFields")
    }
}
