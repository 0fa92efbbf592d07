import Testing

@testable import Wire

/// Every scan by words and blocks against the same scan one byte at a time.
@Suite struct ByteScanTests {
    /// A match at every place around the borders of words and blocks, behind and before other bytes, in texts of
    /// every length.
    private func check<Set: ByteSet>(_ set: Set.Type) {
        let members = (0...255).map { UInt8($0) }.filter { Set.distance($0) == 0 }
        let others = (0...255).map { UInt8($0) }.filter { Set.distance($0) != 0 }
        var random = SeededGenerator(seed: 3)
        for count in [Int](0...100) + [800, 1_700] {
            var text = (0..<count).map { _ in random.pick(others) }
            for start in [0, 1, 7, 8, 16, 17] where start <= count {
                if text.span.first(set, from: start) != count { Issue.record("\(set) in \(text) from \(start)") }
                let places =
                    count > 100 ? (0..<20).map { _ in start + random.below(count - start) } : Array(start..<count)
                for place in places {
                    let kept = text[place]
                    text[place] = random.pick(members)
                    let found = text.span.first(set, from: start)
                    if found != place { Issue.record("\(set): \(found), not \(place), in \(text) from \(start)") }
                    text[place] = kept
                }
            }
        }
    }

    @Test func aMatchIsFoundWhereverItStands() {
        check(ByteSets.NotPlainText.self)
        check(ByteSets.MustEscape.self)
        check(ByteSets.QuoteOrBackslash.self)
        check(ByteSets.QuoteOrBracket.self)
        check(ByteSets.Controls.self)
        check(ByteSets.LineBreaks.self)
    }

    @Test func theSetsHoldWhatTheirNamesSay() {
        for byte in UInt8.min...UInt8.max {
            #expect(
                (ByteSets.NotPlainText.distance(byte) == 0) == (byte < 0x20 || byte > 0x7F || byte == 34 || byte == 92))
            #expect((ByteSets.MustEscape.distance(byte) == 0) == (byte < 0x20 || byte == 34 || byte == 92))
            #expect((ByteSets.QuoteOrBackslash.distance(byte) == 0) == (byte == 34 || byte == 92))
            #expect((ByteSets.Controls.distance(byte) == 0) == (byte < 0x20 || byte == 0x7F))
            #expect((ByteSets.LineBreaks.distance(byte) == 0) == (byte == 10 || byte == 13))
            let wanted = [0x22, 0x5B, 0x5D, 0x7B, 0x7D].contains(byte)
            #expect((ByteSets.QuoteOrBracket.distance(byte) == 0) == wanted)
        }
    }

    @Test func aByteIsFoundInItsRangeOnly() {
        var random = SeededGenerator(seed: 4)
        for count in 0...90 {
            let text = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.below(40)) }
            for _ in 0..<20 {
                let low = random.below(count + 1)
                let range = low..<(low + random.below(count - low + 1))
                let found = text.span.firstIndex(of: 7, in: range)
                #expect(found == text[range].firstIndex(of: 7))
            }
        }
    }

    private func holdsReminder(_ text: [UInt8]) -> Bool { text.span.contains("system-reminder", rare: 6) }

    @Test func aTextIsFoundByItsRarePair() {
        var random = SeededGenerator(seed: 5)
        let wanted = Array("system-reminder".utf8)
        // Pieces that hold the rare pair, and beginnings of the text, right before it.
        let pieces = ["-r", "system-", "m-r", "xx", "system-reminde", "---r", "plain text of some length "].map(bytes)
        for _ in 0..<2000 {
            var text: [UInt8] = []
            while text.count < random.below(150) { text += random.pick(pieces) }
            let isIn = text.indices.contains { text[$0...].starts(with: wanted) }
            #expect(holdsReminder(text) == isIn)
            text.insert(contentsOf: wanted, at: random.below(text.count + 1))
            #expect(holdsReminder(text))
        }
        #expect(!holdsReminder([]))
    }
}
