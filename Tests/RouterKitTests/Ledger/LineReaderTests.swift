import Testing

@testable import RouterKit

@Suite struct LineReaderTests {
    private func read(_ text: String, longest: Int = 1_000_000) throws -> [String] {
        let directory = try #require(TemporaryDirectory())
        directory.write(text, to: "f")
        var reader = try LineReader(path: directory.path + "/f", longestLineBytes: longest)
        var lines: [String] = []
        while let next = try reader.nextLine() {
            switch next {
            case .line(let range): lines.append(String(decoding: reader.bytes[range], as: UTF8.self))
            case .tooLong: lines.append("TOO LONG")
            }
        }
        return lines
    }

    @Test func linesEndAtLineFeedsAndAtTheEnd() throws {
        #expect(try read("") == [])
        #expect(try read("a") == ["a"])
        #expect(try read("a\n") == ["a"])
        #expect(try read("a\n\nb") == ["a", "", "b"])
        #expect(try read("\n") == [""])
    }

    @Test func longLinesArePassedOverInBoundedMemory() throws {
        let long = String(repeating: "x", count: 700_000)
        #expect(try read("a\n\(long)\nb\n", longest: 10) == ["a", "TOO LONG", "b"])
        #expect(try read("a\n\(long)", longest: 10) == ["a", "TOO LONG"])
        #expect(try read("12345678901\n1234567890\n", longest: 10) == ["TOO LONG", "1234567890"])
        #expect(try read("a\n\(long)\nb\n").map(\.count) == [1, 700_000, 1])
    }

    @Test func linesAcrossPiecesAreWhole() throws {
        let lines = (0..<60_000).map { "line \($0)" }
        #expect(try read(lines.joined(separator: "\n")) == lines)
    }

    @Test func aFileThatIsNotThereIsAnError() {
        #expect(throws: LogError.self) { _ = try LogReport.read(path: "/nowhere/at/all") }
    }
}
