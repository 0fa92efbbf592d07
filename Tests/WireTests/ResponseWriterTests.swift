import Testing
import Wire

@Suite struct ResponseWriterTests {
    private func write(
        _ status: Int, _ fields: [(String, String)] = [], _ framing: ResponseFraming, keepAlive: Bool = true,
        date: String = ""
    ) throws -> String {
        var list = HTTPFields()
        for (name, value) in fields { try list.append(name, value) }
        var output: [UInt8] = []
        ResponseWriter.appendHead(
            status: status, fields: list, framing: framing, keepAlive: keepAlive, date: bytes(date), to: &output)
        return text(output)
    }

    @Test func aHeadIsWrittenByteForByte() throws {
        let written = try write(
            200, [("Content-Type", "application/json"), ("x-request-id", "r1")], .length(12),
            date: "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(
            written
                == "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: r1\r\n"
                + "date: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 12\r\nconnection: keep-alive\r\n\r\n")
    }

    @Test func theWriterOwnsTheFramingFields() throws {
        let smuggled = [
            ("Content-Length", "99"), ("Transfer-Encoding", "gzip"), ("Connection", "upgrade"), ("Keep-Alive", "5"),
        ]
        #expect(
            try write(502, smuggled, .chunked)
                == "HTTP/1.1 502 Bad Gateway\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n")
        #expect(
            try write(200, smuggled, .close) == "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        #expect(
            try write(200, smuggled, .length(0), keepAlive: false)
                == "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }

    @Test func aDateThatIsThereIsKept() throws {
        #expect(
            try write(200, [("Date", "then")], .length(0), date: "now")
                == "HTTP/1.1 200 OK\r\nDate: then\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n")
    }

    @Test(arguments: [204, 304, 103]) func statusesWithoutBodyHaveNoFraming(status: Int) throws {
        for framing in [ResponseFraming.length(5), .chunked] {
            let written = try write(status, [], framing)
            #expect(!written.contains("content-length"))
            #expect(!written.contains("transfer-encoding"))
        }
    }

    @Test func aStatusWithoutAPhraseKeepsItsSpace() throws {
        #expect(try write(599, [], .length(0)).hasPrefix("HTTP/1.1 599 \r\n"))
    }

    @Test func theInterimAnswerIsComplete() {
        var output: [UInt8] = []
        ResponseWriter.appendContinue(to: &output)
        #expect(text(output) == "HTTP/1.1 100 Continue\r\n\r\n")
    }

    @Test func aStatusOfTwoDigitsIsOurBug() async {
        await #expect(processExitsWith: .failure) {
            var output: [UInt8] = []
            ResponseWriter.appendHead(
                status: 99, fields: HTTPFields(), framing: .close, keepAlive: false, date: [], to: &output)
        }
    }
}
