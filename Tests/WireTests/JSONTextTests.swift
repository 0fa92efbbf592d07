import Testing
import Wire

@Suite struct JSONTextTests {
    private func decode(_ source: [UInt8]) -> String { JSONText.decodeString(source.span) }
    private func equals(_ source: [UInt8], _ key: String) -> Bool { JSONText.equals(source.span, key) }
    private func int(_ source: String) -> Int? { JSONText.int(bytes(source).span) }
    private func double(_ source: String) -> Double? { JSONText.double(bytes(source).span) }

    @Test(arguments: [
        (#""""#, ""), (#""plain""#, "plain"), (#""é日😀""#, "é日😀"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
        (#""\u0041\u00e9\u65E5""#, "Aé日"), (#""\ud83d\ude00""#, "😀"), (#""\uD83D\uDE00x""#, "😀x"),
        (#""\u0000a""#, "\0a"), (#""\ud800""#, "\u{FFFD}"), (#""\udc00""#, "\u{FFFD}"),
        (#""\ud800\u0041""#, "\u{FFFD}A"), (#""\ud800\ud83d\ude00""#, "\u{FFFD}😀"),
        (#""\ude00\ud83d""#, "\u{FFFD}\u{FFFD}"),
        (#""\ud83dx\ude00""#, "\u{FFFD}x\u{FFFD}"), (#""\ud83d\n""#, "\u{FFFD}\n"), (#""\udbff\udfff""#, "\u{10FFFF}"),
    ])
    func escapesAreResolved(source: String, wanted: String) {
        #expect(decode(bytes(source)).unicodeScalars.elementsEqual(wanted.unicodeScalars))
    }

    @Test func everyTextComesBackFromItsQuotedForm() throws {
        var random = SeededGenerator(seed: 8)
        for _ in 0..<1000 {
            var original = String.UnicodeScalarView()
            for _ in 0..<random.below(40) {
                let value = random.pick([
                    random.below(0x80), random.below(0x20), random.below(0x800), random.below(0x110000),
                ])
                if let scalar = Unicode.Scalar(UInt32(value)) { original.append(scalar) }
            }
            let string = String(original)
            var quoted: [UInt8] = []
            JSONText.appendQuoted(string, to: &quoted)
            _ = try JSONDocument(validating: quoted)
            #expect(decode(quoted).utf8.elementsEqual(string.utf8))
            #expect(equals(quoted, string))
        }
    }

    @Test func onlyWhatMustBeEscapedIs() {
        var quoted: [UInt8] = []
        JSONText.appendQuoted("a/é\"\\\n\r\t\0\u{8}\u{1F}\u{7F}<", to: &quoted)
        #expect(text(quoted) == #""a/é\"\\\n\r\t\u0000\u0008\u001f"# + "\u{7F}<\"")
    }

    @Test func decodingStopsBetweenCharacters() {
        let source = bytes(#""ab\né日\ud83d\ude00!""#)
        let full = "ab\né日😀!"
        for room in 0...full.utf8.count + 3 {
            var output = bytes(">")
            let complete = JSONText.decodeString(source.span, into: &output, maxBytes: room)
            #expect(complete == (room >= full.utf8.count))
            #expect(output.count - 1 <= room)
            let decoded = text(output.dropFirst())
            #expect(full.unicodeScalars.starts(with: decoded.unicodeScalars))
            // As much as fits: the next character would not have.
            if !complete {
                let next = full.unicodeScalars.dropFirst(decoded.unicodeScalars.count).prefix(1)
                #expect(decoded.utf8.count + String(String.UnicodeScalarView(next)).utf8.count > room)
            }
        }
    }

    @Test(arguments: [
        (#""model""#, "model", true), (#""mod\u0065l""#, "model", true),
        (#""\u006d\u006f\u0064\u0065\u006c""#, "model", true),
        (#""Model""#, "model", false), (#""models""#, "model", false), (#""mode""#, "model", false), (#""""#, "", true),
        (#""\u00e9""#, "é", true), (#""e\u0301""#, "e\u{301}", true), (#""\ud800""#, "\u{FFFD}", true),
        (#""a\n""#, "a\n", true),
    ])
    func keysAreComparedAsTheyRead(source: String, key: String, isEqual: Bool) {
        #expect(equals(bytes(source), key) == isEqual)
    }

    @Test func keysThatLookAlikeButDifferInBytesAreDifferent() {
        // Swift's == on strings treats these as equal; an upstream does not.
        #expect(!equals(bytes(#""\u00e9""#), "e\u{301}"))
        #expect(!equals(bytes("\"\u{e9}x\\n\""), "e\u{301}x\n"))
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("42", 42), ("-17", -17), ("9223372036854775807", .max),
            ("-9223372036854775808", .min),
            ("9223372036854775808", nil), ("-9223372036854775809", nil), ("1.0", nil), ("1e3", nil), ("", nil),
            ("-", nil),
            ("123456789012345678901234567890", nil), ("+1", nil),
        ] as [(String, Int?)])
    func wholeNumbersAreRead(source: String, wanted: Int?) {
        #expect(int(source) == wanted)
    }

    @Test(
        arguments: [
            ("0", 0), ("-1.5e3", -1500), ("0.1", 0.1), ("9007199254740993", 9_007_199_254_740_992),
            ("5e-324", .leastNonzeroMagnitude),
            ("1e400", nil), ("1E+2", 100),
        ] as [(String, Double?)])
    func numbersAreReadAsDoubles(source: String, wanted: Double?) {
        #expect(double(source) == wanted)
    }

    @Test func writtenDoublesReadBackTheSame() throws {
        var random = SeededGenerator(seed: 9)
        let special: [Double] = [
            0, 1, -1, 0.1, 1e15, 1e16, 1e21, 1e300, .leastNonzeroMagnitude, 123456789.125, .greatestFiniteMagnitude,
        ]
        let drawn = (0..<2000).map { _ in Double(bitPattern: random.next()) }
        for value in special + drawn where value.isFinite {
            var output: [UInt8] = []
            JSONText.appendDouble(value, to: &output)
            _ = try JSONDocument(validating: output)
            #expect(double(text(output)) == value)
        }
        for (value, written) in [(2.0, "2"), (-0.0, "-0"), (0.25, "0.25"), (.infinity, "null"), (.nan, "null")] {
            var output: [UInt8] = []
            JSONText.appendDouble(value, to: &output)
            #expect(text(output) == written)
        }
    }

    @Test func placesAreCountedInLinesAndCharacters() {
        let source = bytes("{\n  \"é\": x\r\n}")
        #expect(JSONText.lineAndColumn(of: 0, in: source) == (1, 1))
        #expect(JSONText.lineAndColumn(of: 2, in: source) == (2, 1))
        #expect(JSONText.lineAndColumn(of: 10, in: source) == (2, 8))
        #expect(JSONText.lineAndColumn(of: source.count, in: source) == (3, 2))
        #expect(JSONText.lineAndColumn(of: 999, in: source) == (3, 2))
    }
}

@Suite struct JSONValueTests {
    @Test func aTreeKeepsOrderTextAndPlaces() throws {
        let source = bytes("{\n \"a\\u0062\": [1, 2.50, \"x\\n\"],\n \"c\": {\"d\": null, \"d\": true}\n}")
        let root = try JSONValue.parse(source)
        #expect(root.members?.map(\.key) == ["ab", "c"])
        let list = try #require(root["ab"]?.elements)
        #expect(list.map(\.int) == [1, nil, nil])
        #expect(list.map(\.double) == [1, 2.5, nil])
        #expect(list[1] == .number("2.50", at: 18))
        #expect(list[2].string == "x\n")
        #expect(root["c"]?.members?.count == 2)
        #expect(root["c"]?["d"]?.isNull == true)
        #expect(root["c"]?.members?.last?.value.bool == true)
        let place = JSONText.lineAndColumn(of: try #require(root["c"]).offset, in: source)
        #expect(place == (3, 7))
        #expect(root["absent"] == nil)
        #expect(list[0]["x"] == nil)
        #expect(list.map(\.kindName) == ["a number", "a number", "a string"])
    }

    @Test func offsetsPointAtTheValues() throws {
        var generator = JSONGenerator(seed: 10)
        func check(_ value: JSONValue, _ source: [UInt8]) {
            let first = source[value.offset]
            switch value {
            case .null: #expect(first == UInt8(ascii: "n"))
            case .bool(let isTrue, _): #expect(first == UInt8(ascii: isTrue ? "t" : "f"))
            case .number(let number, let at): #expect(source[at...].starts(with: number.utf8))
            case .string: #expect(first == UInt8(ascii: "\""))
            case .array(let elements, _):
                #expect(first == UInt8(ascii: "["))
                for element in elements { check(element, source) }
            case .object(let members, _):
                #expect(first == UInt8(ascii: "{"))
                for member in members {
                    #expect(source[member.keyOffset] == UInt8(ascii: "\""))
                    check(member.value, source)
                }
            }
        }
        for _ in 0..<300 {
            let source = bytes(generator.blank() + generator.value() + generator.blank())
            check(try JSONValue.parse(source), source)
        }
    }

    @Test func theDeepestAllowedTreeIsRead() throws {
        let deep = bytes(String(repeating: "[", count: 256) + String(repeating: "]", count: 256))
        var value: JSONValue? = try JSONValue.parse(deep)
        var depth = 0
        while let inner = value {
            depth += 1
            value = inner.elements?.first
        }
        #expect(depth == 256)
        #expect(throws: WireError.self) { try JSONValue.parse([0x5B] + deep + [0x5D]) }
    }
}
