import Testing

@testable import RouterKit

@Suite struct LearnedTrainerTests {
    private let pool = OutcomePool(
        source: "own",
        members: [
            OutcomePool.Member(name: "small", tier: .cheap, price: nil),
            OutcomePool.Member(name: "big", tier: .strong, price: nil),
        ])

    /// The small model fails on prompts about proofs and on nothing else.
    private func rows(_ count: Int) -> [OutcomeRow] {
        var random = SeededRandom(seed: 3)
        let words = ["river", "market", "garden", "bridge", "customer", "violin", "index", "glacier"]
        return (0..<count).map { number in
            let isHard = random.next() & 1 == 0
            let filler = (0..<6).map { _ in words[Int(random.next() % 8)] }.joined(separator: " ")
            return OutcomeRow(
                id: "\(number)", source: "own",
                prompt: Array("\(isHard ? "Prove the theorem" : "Tell me") about the \(filler) \(number)".utf8),
                scores: ["small": isHard ? 0 : 1, "big": 1])
        }
    }

    private func train(_ rows: [OutcomeRow], threads: Int = 2) throws -> LearnedWeights {
        var options = LearnedTrainer.Options()
        options.threadsCount = threads
        return try LearnedTrainer.train(rows: rows, pools: [pool], options: options, base: .shipped)
    }

    @Test func aFewHundredRowsTeachWhatTheSmallModelCannot() throws {
        let weights = try train(rows(200))
        let filler = "river bridge market garden violin index"
        let classifier = LearnedClassifier(weights).bound(to: pool.cards)
        let hard = classifier.assess(try RequestView(asking: "Prove the theorem about the \(filler) 305"))
        let easy = classifier.assess(try RequestView(asking: "Tell me about the \(filler) 305"))
        #expect(try #require(hard.models["small"]) < 0.35)
        #expect(try #require(easy.models["small"]) > 0.65)
        #expect(easy.support >= 0.5)
        let strange = classifier.assess(try RequestView(asking: "Put this poem into Latin: roses are red"))
        #expect(strange.support < 0.5)
        #expect(weights.families.count == LearnedWeights.shipped.families.count + 1)
        #expect(weights.version != LearnedWeights.shipped.version)
    }

    @Test func theSameRowsGiveTheSameBytesWhateverTheThreads() throws {
        let rows = rows(80)
        #expect(try train(rows, threads: 1).version == train(rows, threads: 3).version)
    }

    @Test func tooFewRowsAreNamed() {
        #expect(throws: LearnedTrainer.Failure.self) { try train(rows(LearnedTrainer.fewestRows - 1)) }
    }

    @Test func theStemLeavesOutTheAnswersToChoose() {
        let first = TrainingRows.stem(Array("What is the largest planet?\nA. Mars\nB. Venus".utf8))
        let second = TrainingRows.stem(Array("What is the largest planet?\nA. Venus\nB. Mars".utf8))
        #expect(first == second)
        #expect(first != TrainingRows.stem(Array("What is the smallest planet?\nA. Mars".utf8)))
    }
}
