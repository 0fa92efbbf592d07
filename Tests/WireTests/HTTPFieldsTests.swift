import Testing
import Wire

@Suite struct HTTPFieldsTests {
    @Test func linesKeepTheirOrderAndTheirCase() throws {
        var fields = HTTPFields()
        try fields.append("Set-Cookie", "a=1")
        try fields.append("X-Request-ID", "  r1\t")
        try fields.append("set-cookie", "b=2")
        fields.add("Content-Type", "application/json")
        #expect(fields.count == 4)
        #expect(fields.values("SET-COOKIE") == ["a=1", "b=2"])
        #expect(fields["x-request-id"] == "r1")
        #expect(fields.contains("content-type"))
        #expect(!fields.contains("content-typ"))
        #expect(fields["absent"] == nil)
        #expect(fields.map(\.name) == ["Set-Cookie", "X-Request-ID", "set-cookie", "Content-Type"])
        #expect(
            fields.description == "Set-Cookie: a=1\nX-Request-ID: r1\nset-cookie: b=2\nContent-Type: application/json")
    }

    @Test func allLinesOfANameGoAtOnce() throws {
        var fields = HTTPFields()
        for index in 0..<3 { try fields.append(index == 1 ? "B" : "a", "\(index)") }
        fields.removeAll("A")
        #expect(fields.map(\.value) == ["1"])
        try fields.append("a", "9")
        #expect(fields["a"] == "9")
    }

    @Test func exactlyTheTokenBytesMakeAName() {
        let tokens = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        #expect(tokens.count == 77)
        for byte in UInt8.min...UInt8.max {
            let name: [UInt8] = [0x61, byte]
            var fields = HTTPFields()
            let accepted = (try? fields.append(name: name.span, value: name.span.extracting(0..<1))) != nil
            #expect(accepted == tokens.contains(byte), "byte \(byte)")
        }
    }

    @Test func noControlByteButTabPassesInAValue() {
        for byte in UInt8.min...UInt8.max {
            // The byte among others, where words of eight are looked at, and in the tail.
            for value in [
                [byte], bytes("abc") + [byte] + bytes("defghijklm"), Array("abc".utf8) + [byte, 0x61],
            ] {
                var fields = HTTPFields()
                let name = bytes("x")
                let accepted = (try? fields.append(name: name.span, value: value.span)) != nil
                #expect(accepted == (byte == 9 || (byte >= 0x20 && byte != 0x7F)), "byte \(byte)")
            }
        }
    }

    @Test(arguments: [("x", "a\r\nSet-Cookie: b"), ("x", "a\nb"), ("x\r\ny", "a"), ("", "a"), ("x:", "a")])
    func aLineThatWouldSplitTheHeadIsRefused(name: String, value: String) {
        var fields = HTTPFields()
        let error = #expect(throws: WireError.self) { try fields.append(name, value) }
        #expect(error?.code == .malformedField)
        #expect(fields.isEmpty)
    }

    @Test func equalityIgnoresTheCaseOfNamesOnly() throws {
        func make(_ lines: (String, String)...) throws -> HTTPFields {
            var fields = HTTPFields()
            for (name, value) in lines { try fields.append(name, value) }
            return fields
        }
        let one = try make(("Accept", "a"), ("B", "c"))
        #expect(try one == make(("ACCEPT", "a"), ("b", "c")))
        #expect(try one.hashValue == make(("ACCEPT", "a"), ("b", "c")).hashValue)
        #expect(try one != make(("Accept", "A"), ("B", "c")))
        #expect(try one != make(("B", "c"), ("Accept", "a")))
        #expect(try one != make(("Accept", "a")))
        let parsed = parseHead(head("GET / HTTP/1.1", "Host: h")).accepted?.fields
        #expect(try parsed == make(("host", "h")))
    }

    @Test func listsAreSearchedTokenByToken() throws {
        var fields = HTTPFields()
        try fields.append("Connection", "foo ,  Keep-Alive")
        try fields.append("Connection", "x")
        #expect(fields.list("connection", contains: "keep-alive"))
        #expect(fields.list("connection", contains: "X"))
        #expect(!fields.list("connection", contains: "keep"))
        #expect(!fields.list("absent", contains: "x"))
    }
}
