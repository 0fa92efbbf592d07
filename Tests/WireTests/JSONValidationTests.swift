import Testing
import Wire

/// Texts that a strict reader of RFC 8259 must accept, and texts it must refuse, in the manner of JSONTestSuite.
@Suite struct JSONValidationTests {
    static let accepted: [String] = [
        // Scalars alone are texts
        "null", "true", "false", "0", "-0", "1", "\"\"", "\"a\"", " 1 ", "\t\r\n 1\n",
        // Numbers of any size keep their text
        "-1", "123456789012345678901234567890", "0.0", "-0.0e-0", "1e5", "1E+5", "1e-5", "1.5e400", "0e0", "10",
        "-10.25",
        // Strings
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0000\"", "\"\\u00e9\\uABCD\"", "\"\\ud83d\\ude00\"", "\"\\ud800\"",
        "\"\\udc00\\ud800\"", "\"\\ud800\\u0041\"", "\"\u{7F}\"", "\"é\"", "\"日本語\"", "\"😀\"", "\"\u{FFFF}\"",
        "\"\u{10FFFF}\"", "\"\u{2028}\u{2029}\"", "\"/*comment*/\"", "\"\u{FEFF}\"",
        // Containers
        "[]", "{}", "[ ]", "{ }", "[1]", "[1,2]", "[ 1 , 2 ]", "[[]]", "[[],{}]", "{\"a\":1}",
        "{ \"a\" : 1 , \"b\" : [ ] }",
        "{\"\":0}", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":{\"c\":[{}]}}}", "[null,true,false,0,\"\"]", "[1\n,2]",
    ]

    static let refused: [(text: String, offset: Int)] = [
        ("", 0), (" ", 1), ("\u{FEFF}1", 0), ("nul", 0), ("nulL", 0), ("True", 0), ("undefined", 0), ("NaN", 0),
        ("Infinity", 0),
        ("1 2", 2), ("1,", 1), ("null x", 5), ("{}}", 2), ("[]]", 2), ("\"a\"b", 3), ("[1]#", 3),
        // Numbers
        ("+1", 0), ("-", 1), ("--1", 1), ("01", 0), ("-01", 1), ("00", 0), ("1.", 2), (".5", 0), ("1.e1", 2), ("1e", 2),
        ("1e+", 3), ("1e1.5", 3), ("0x10", 1), ("1_000", 1), ("-a", 1), ("1a", 1), ("１", 0), ("- 1", 1), ("[1e]", 3),
        // Strings
        ("\"", 0), ("\"a", 0), ("'a'", 0), ("\"\\\"", 0), ("\"\\", 1), ("\"\\x\"", 1), ("\"\\u12\"", 1),
        ("\"\\u12G4\"", 1), ("\"\\U0041\"", 1), ("\"\\u+041\"", 1), ("\"a\nb\"", 2), ("\"\t\"", 1), ("\"\0\"", 1),
        ("\"\u{1F}\"", 1), ("\"1234567\u{1}\"", 8), ("\"12345678\u{1}\"", 9), ("[\"a]", 1), ("\"\\u", 1),
        ("\"\\u123", 1),
        // Containers
        ("[", 1), ("{", 1), ("[1", 2), ("[1,", 3), ("[1,]", 3), ("[,1]", 1), ("[,]", 1), ("[1,,2]", 3), ("[1 2]", 3),
        ("[1}", 2), ("{]", 1), ("{\"a\":1]", 6), ("{a:1}", 1), ("{'a':1}", 1), ("{1:1}", 1), ("{\"a\"}", 4),
        ("{\"a\":}", 5), ("{\"a\":1,}", 7), ("{,\"a\":1}", 1), ("{\"a\" 1}", 5), ("{\"a\":1 \"b\":2}", 7),
        ("{\"a\":1", 6),
        ("{\"a\"", 4), ("{\"a\":", 5), ("{\"a\":1,,}", 7), ("{\"a\"::1}", 5), ("{\"a\",1}", 4), ("{null:1}", 1),
        ("]", 0),
        ("[1/*c*/]", 2), ("[1]//c", 3), ("[1\u{A0}]", 2), ("\u{0B}1", 0), ("[\u{0C}]", 1), ("[\"a\":1]", 4),
        ("{\"a\",}", 4),
        ("\\", 0), ("{\"a\":1}{\"b\":2}", 7), ("[][]", 2), ("<html>", 0), ("data: {}", 0),
    ]

    @Test(arguments: accepted) func isAccepted(text: String) throws {
        let document = try JSONDocument(validating: bytes(text))
        #expect(document.bytes == bytes(text))
        #expect(document.range.lowerBound == text.utf8.prefix { $0 <= 0x20 }.count)
    }

    @Test(arguments: refused) func isRefusedAtTheFirstWrongByte(text: String, offset: Int) {
        let error = #expect(throws: WireError.self) { try JSONDocument(validating: bytes(text)) }
        #expect(error?.code == .invalidJSON)
        #expect(error?.offset == offset)
        #expect(error?.httpStatus == 400)
    }

    @Test(arguments: accepted) func noTextIsAPrefixOfAnotherInBrackets(text: String) {
        // "[" + text is never complete; with "]" it always is.
        #expect(throws: WireError.self) { try JSONDocument(validating: bytes("[" + text)) }
        #expect(throws: Never.self) { try JSONDocument(validating: bytes("[" + text + "]")) }
    }

    /// Unicode table 3-7 (well-formed UTF-8), at its borders.
    @Test(
        arguments: [
            ([0xC2, 0x80], true), ([0xDF, 0xBF], true), ([0xE0, 0xA0, 0x80], true), ([0xED, 0x9F, 0xBF], true),
            ([0xEE, 0x80, 0x80], true), ([0xEF, 0xBF, 0xBF], true), ([0xF0, 0x90, 0x80, 0x80], true),
            ([0xF4, 0x8F, 0xBF, 0xBF], true), ([0xE1, 0x80, 0x80], true), ([0xF1, 0x80, 0x80, 0x80], true),
            ([0x80], false), ([0xBF], false), ([0xC0, 0x80], false), ([0xC1, 0xBF], false), ([0xC2], false),
            ([0xC2, 0x41], false), ([0xC2, 0xC0], false), ([0xE0, 0x80, 0x80], false), ([0xE0, 0x9F, 0xBF], false),
            ([0xED, 0xA0, 0x80], false), ([0xED, 0xBF, 0xBF], false), ([0xE1, 0x80], false),
            ([0xE1, 0x41, 0x80], false),
            ([0xE1, 0x80, 0x41], false), ([0xE1, 0x80, 0xC0], false), ([0xF0, 0x8F, 0xBF, 0xBF], false),
            ([0xF4, 0x90, 0x80, 0x80], false), ([0xF5, 0x80, 0x80, 0x80], false), ([0xF7, 0xBF, 0xBF, 0xBF], false),
            ([0xF8, 0x88, 0x80, 0x80, 0x80], false), ([0xFE], false), ([0xFF], false), ([0xF0, 0x90, 0x80], false),
            ([0xF0, 0x90, 0x41, 0x80], false), ([0xF0, 0x90, 0x80, 0x41], false), ([0xF1, 0x80, 0x80, 0xFF], false),
        ] as [([UInt8], Bool)])
    func exactlyWellFormedUTF8Passes(sequence: [UInt8], isWellFormed: Bool) {
        // With enough after it for the word-wise test, and with too little.
        for (before, after) in [(1, 12), (1, 0), (9, 3), (7, 1), (2, 7)] {
            let string = [0x22] + [UInt8](repeating: 0x61, count: before) + sequence
            let input = string + [UInt8](repeating: 0x61, count: after) + [0x22]
            if isWellFormed {
                #expect(throws: Never.self) { try JSONDocument(validating: input) }
            } else {
                let error = #expect(throws: WireError.self) { try JSONDocument(validating: input) }
                #expect(error?.code == .invalidJSON)
                #expect(error?.offset == before + 1)
            }
        }
    }

    @Test func everyTwoByteSequenceIsJudgedAsTheStandardLibraryDoes() {
        for first in UInt8(0x80)...0xFF {
            for second in UInt8(0x80)...0xFF {
                for tail in [[UInt8](), [0x80], [0x80, 0x80], [0xBF, 0x80, 0x61, 0x61, 0x61, 0x61]] {
                    let content = [first, second] + tail
                    let accepted = (try? JSONDocument(validating: [0x22] + content + [0x22])) != nil
                    #expect(accepted == (String(validating: content, as: UTF8.self) != nil), "\(content)")
                }
            }
        }
    }

    @Test func nestingIsBoundedExactly() {
        for (depth, limit) in [(256, 256), (257, 256), (1, 1), (2, 1), (65, 64), (64, 64), (1000, 1000)] {
            var limits = Limits()
            limits.jsonDepth = limit
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let inner = open == "[" ? "" : "1"
                let input = bytes(
                    String(repeating: open, count: depth) + inner + String(repeating: close, count: depth))
                if depth <= limit {
                    #expect(throws: Never.self) { try JSONDocument(validating: input, limits: limits) }
                } else {
                    let error = #expect(throws: WireError.self) { try JSONDocument(validating: input, limits: limits) }
                    #expect(error?.code == .jsonTooDeep)
                    #expect(error?.offset == limit * open.utf8.count)
                }
            }
        }
    }

    @Test func deepMixedNestingClosesInTheRightOrder() {
        var random = SeededGenerator(seed: 5)
        var limits = Limits()
        limits.jsonDepth = 400
        for _ in 0..<50 {
            let kinds = (0..<(60 + random.below(300))).map { _ in random.chance(2) }
            let opening = kinds.map { $0 ? "{\"k\":" : "[" }.joined()
            let closing = kinds.reversed().map { $0 ? "}" : "]" }
            #expect(throws: Never.self) {
                try JSONDocument(validating: bytes(opening + "0" + closing.joined()), limits: limits)
            }
            var wrong = closing
            let at = random.below(wrong.count)
            wrong[at] = wrong[at] == "}" ? "]" : "}"
            let error = #expect(throws: WireError.self) {
                try JSONDocument(validating: bytes(opening + "0" + wrong.joined()), limits: limits)
            }
            #expect(error?.offset == opening.utf8.count + 1 + at)
        }
    }

    @Test func aMillionOpenBracketsAreRefusedAtTheLimit() {
        let error = #expect(throws: WireError.self) {
            try JSONDocument(validating: [UInt8](repeating: 0x5B, count: 1_000_000))
        }
        #expect(error?.code == .jsonTooDeep)
        #expect(error?.offset == 256)
    }

    @Test func outermostMembersAreCounted() {
        let object = { (count: Int) in
            bytes("{" + [String](repeating: "\"\":0", count: count).joined(separator: ",") + "}")
        }
        #expect((try? JSONDocument(validating: object(4096)))?.memberCount == 4096)
        let error = #expect(throws: WireError.self) { try JSONDocument(validating: object(4097)) }
        #expect(error?.code == .jsonTooManyMembers)
        #expect((try? JSONDocument(validating: [0x5B] + object(5000) + [0x5D])) != nil)
    }

    @Test func everyCutOfADocumentIsRefused() throws {
        let whole = bytes(#"{"a": [1.5e3, "é\u00e9😀", {"b": null}], "c": {"d": [true, false]}, "e": "\\\""}"#)
        _ = try JSONDocument(validating: whole)
        for end in 0..<whole.count {
            let error = #expect(throws: WireError.self) { try JSONDocument(validating: Array(whole.prefix(end))) }
            #expect((error?.offset ?? .max) <= end)
        }
    }

    @Test func aPartOfABufferIsJudgedAlone() throws {
        let event = bytes("data: {\"a\":1}\n\n")
        let document = try JSONDocument(validating: event, in: 6..<13)
        #expect(document.range == 6..<13)
        #expect(document.firstMember("a")?.valueRange == 11..<12)
        let error = #expect(throws: WireError.self) { try JSONDocument(validating: event, in: 6..<12) }
        #expect(error?.offset == 12)
    }
}
