import Testing

@testable import custom_model_server

/// Whose turn it is. Weights are letters, tickets numbers.
struct TurnsTests {
    private static func line(_ waiting: String) -> Turns<Character, Int> {
        var turns = Turns<Character, Int>()
        for (number, weights) in waiting.enumerated() { turns.append(number, for: weights) }
        return turns
    }

    @Test func whoWaitedLongestDecidesAndAllOfTheSameJoin() {
        var turns = Self.line("abacab")
        let first = turns.admit(upTo: 8, running: nil)
        #expect(first?.weights == "a" && first?.tickets == [0, 2, 4])
        #expect(turns.waiting.map(\.ticket) == [1, 3, 5])
    }

    @Test func slotsBoundATurn() {
        var turns = Self.line("aaaa")
        let first = turns.admit(upTo: 3, running: nil)
        let none = turns.admit(upTo: 0, running: "a")
        let last = turns.admit(upTo: 1, running: "a")
        let after = turns.admit(upTo: 1, running: nil)
        #expect(first?.tickets == [0, 1, 2] && none == nil && last?.tickets == [3] && after == nil)
    }

    @Test func aRunningTurnTakesNobodyPastOneWhoWaitsForOthers() {
        var turns = Self.line("aba")
        let (first, second) = (turns.admit(upTo: 8, running: "a"), turns.admit(upTo: 8, running: "a"))
        #expect(first?.tickets == [0] && second == nil)
    }

    /// However many come for `a` all the time, `b` gets its turn after the one that runs.
    @Test func nobodyStarves() {
        var turns = Self.line("a")
        var running = turns.admit(upTo: 2, running: nil)?.weights
        turns.append(100, for: "b")
        for number in 1..<50 {
            turns.append(number, for: "a")
            let more = turns.admit(upTo: 2, running: running)
            #expect(more == nil)
        }
        running = turns.admit(upTo: 2, running: nil)?.weights
        #expect(running == "b")
    }

    @Test func whoIsGoneHoldsUpNobody() {
        var turns = Self.line("aba")
        _ = turns.admit(upTo: 1, running: nil)
        turns.removeAll { $0 == 1 }
        let next = turns.admit(upTo: 8, running: "a")
        #expect(next?.tickets == [2])
    }
}
