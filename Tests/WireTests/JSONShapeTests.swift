import Testing

@testable import Wire

@Suite struct JSONShapeTests {
    static let known = #"data: {"id":"a","choices":[{"delta":{"content":"old"},"n":1}],"usage":null}"# + "\n\n"

    /// The shape of `known`, loose in `id` and `choices`, with the usage member and its comma as mark.
    private func shape() throws -> JSONShape {
        let bytes = bytes(Self.known)
        let document = try JSONDocument(validating: bytes, in: 6..<(bytes.count - 2))
        let values = document.memberRanges.map(\.value)
        return JSONShape(document, looseIn: Array(values[..<2]), mark: values[1].upperBound..<values[2].upperBound)
    }

    /// What is left of `text` without the mark; nil when it is of another shape.
    private func unmarked(_ text: String) throws -> String? {
        let bytes = bytes(text)
        guard let mark = try shape().mark(in: bytes.span) else { return nil }
        return String(decoding: bytes[..<mark.lowerBound] + bytes[mark.upperBound...], as: UTF8.self)
    }

    @Test(arguments: ["old", "", "o", "olds", "new", "longer than the old one", #"\n\u00e9\\\""#, "Grüße 漢字 🙂"])
    func stringsMayDiffer(content: String) throws {
        let text = Self.known.replacing("old", with: content)
        #expect(try unmarked(text) == text.replacing(#","usage":null"#, with: ""))
        let both = text.replacing(#""a""#, with: #""another""#)
        #expect(try unmarked(both) == both.replacing(#","usage":null"#, with: ""))
    }

    @Test(arguments: [
        ("old", "o\nld"), ("old", #"o"ld"#), ("old", #"\x"#), ("old", #"\"#), (#""n":1"#, #""n":2"#),
        (#""usage":null"#, #""usage":{}"#), (#""usage""#, #""Usage""#), ("data: ", "data:  "), ("\n\n", "\n"),
        ("\n\n", "\n\n\n"), (#""old""#, "null"), (#"{"delta""#, #"{"a":1,"delta""#),
    ])
    func nothingElseMay(known: String, other: String) throws {
        #expect(try unmarked(Self.known.replacing(known, with: other)) == nil)
    }

    @Test func aBrokenCharacterIsNoString() throws {
        let text = bytes(Self.known)
        let place = try #require(text.firstRange(of: bytes("old"))).lowerBound
        for bad: [UInt8] in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0x00]] {
            let broken = text[..<place] + bad + text[(place + 3)...]
            #expect(try shape().mark(in: Array(broken).span) == nil)
        }
        for count in text.indices { #expect(try shape().mark(in: text.span.extracting(0..<count)) == nil) }
    }

    /// Against reading in full: what a shape accepts is valid, and the mark is the member itself.
    @Test func aShapeNeverSaysMoreThanAValidationWould() throws {
        var generator = JSONGenerator(seed: 41)
        var matches = 0
        for _ in 0..<3000 {
            let value = generator.value(depth: 3)
            let bytes = bytes(#"{"loose":\#(value),"mark":1}"#)
            let document = try JSONDocument(validating: bytes)
            let (loose, mark) = (document.memberRanges[0].value, document.memberRanges[1].key)
            let shape = JSONShape(document, looseIn: [loose], mark: mark)
            #expect(shape.mark(in: bytes.span) == mark)
            var other = bytes
            for _ in 0...generator.random.below(2) {
                let place = generator.random.below(other.count)
                switch generator.random.below(3) {
                case 0: other[place] = generator.random.pick(Array(#"ab"\{}[],:0é"#.utf8))
                case 1: other.remove(at: place)
                default: other.insert(generator.random.pick(Array(#"ab"\{}[],:0é"#.utf8)), at: place)
                }
            }
            guard let found = shape.mark(in: other.span) else { continue }
            matches += 1
            let read = try JSONDocument(validating: other)
            #expect(read.memberRanges.map(\.key).contains(found))
            #expect(read.memberCount == 2)
        }
        #expect(matches > 100)
    }
}
