import Testing

@testable import RouterKit

/// Eight letters at once, held against one at a time.
@Suite struct LetterBlockTests {
    private func expectSame(_ text: [UInt8], at index: Int) {
        let run = text[index...].prefix(8).prefix { ($0 | 0x20) &- 0x61 < 26 }
        let block = LetterBlock(text.span, at: index)
        #expect(block.count == run.count, "\(text) at \(index)")
        #expect(block.uppercaseCount == run.count { $0 < 0x61 }, "\(text) at \(index)")
        let letters = run.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1 | 0x20) }
        #expect(block.letters == letters, "\(text) at \(index)")
    }

    @Test func everyByteAtEveryPlaceIsALetterOrNot() {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<8 {
                var text = Array("aZmQzAbY".utf8)
                text[place] = byte
                expectSame(text, at: 0)
            }
        }
    }

    @Test func shortRestsAreReadToTheirEnd() {
        let text = Array("Ab, cDEfghijKLMNop\u{E9}!x".utf8)
        for end in 0...text.count {
            for index in 0..<end { expectSame(Array(text[..<end]), at: index) }
        }
        let nothing = LetterBlock([UInt8]().span, at: 0)
        #expect(nothing.count == 0)
        #expect(nothing.letters == 0)
    }

    @Test func aWordIsKnownWhereverItStands() {
        let vocabulary = Vocabulary()
        func known(_ text: String) -> Int { TextCounts(Array(text.utf8).span, vocabulary: vocabulary).knownWords }
        for word in ["prove", "translate", "asymptotically", "theorem"] where known(word) > 0 {
            for before in 0..<17 {
                let text = String(repeating: "-", count: before) + word.uppercased() + " "
                #expect(known(text) == 1, "\(text)")
            }
        }
        #expect(known("prove") == 1)
        #expect(known("translate") == 1)
    }
}
