import RouterKit
import Testing

@Suite struct CascadeEvaluationTests {
    private let members = [("a", CapabilityTier.cheap, 1.0), ("b", .mid, 2), ("top", .strong, 10)].map {
        OutcomePool.Member(name: $0.0, tier: $0.1, price: Price(inputPerMTok: $0.2, outputPerMTok: $0.2))
    }

    private func row(_ id: String, _ a: Double, _ b: Double, _ top: Double) -> OutcomeRow {
        OutcomeRow(
            id: id, source: "s", prompt: [], scores: ["a": a, "b": b, "top": top], inputTokens: 500_000,
            outputTokens: ["a": 500_000, "b": 500_000, "top": 500_000])
    }

    private func evaluation(_ rows: [OutcomeRow], _ answers: [String: [String: String]], _ gains: [String: Double])
        -> CascadeEvaluation
    {
        CascadeEvaluation(
            rows: rows, answers: answers, ask: [members[0], members[1]], best: members[1], top: members[2]
        ) { gains[$0.id]! }
    }

    @Test func everyCallIsCounted() throws {
        let rows = [row("same", 1, 1, 1), row("differ", 1, 0, 1), row("wrong", 0, 0, 1), row("none", 1, 1, 1)]
        let answers = [
            "same": ["a": "B", "b": "B"], "differ": ["a": "B", "b": "C"], "wrong": ["a": "C", "b": "C"],
            "none": ["a": "B"],
        ]
        let gains = ["same": 0.1, "differ": 0.2, "wrong": 0.3, "none": 0.4]
        let evaluation = evaluation(rows, answers, gains)
        #expect(evaluation.count == 4)
        // Asked 3 USD each time, the top 10 USD for the two without agreement; one answer was wrong.
        let open = evaluation.effect(gate: 0)
        #expect(abs(open.saved - (1 - 32.0 / 40)) < 1e-9 && open.loss == 0.25 && open.moved == 0.5)
        // Behind the gate b alone for 2 USD.
        let gated = evaluation.effect(gate: 0.25)
        #expect(abs(gated.saved - (1 - (2 + 2 + 3 + 13) / 40.0)) < 1e-9 && gated.loss == 0.5)
        #expect(abs(evaluation.effect(gate: 1).saved - 0.8) < 1e-9)
        let curve = evaluation.curve(pointCount: 5)
        #expect(curve.map(\.gate).first == 0.1 && curve.count == 5)
        #expect(curve.first?.effect == open && curve.last?.effect == evaluation.effect(gate: 1))
        #expect(evaluation.best(allowedLoss: 0.3)?.effect.loss == 0.25)
        #expect(evaluation.best(allowedLoss: -1) == nil)
    }

    @Test func rowsThatCannotBeJudgedAreLeftOut() {
        var partial = row("x", 1, 1, 1)
        partial.scores["top"] = nil
        let evaluation = evaluation([partial, row("y", 1, 1, 1)], ["x": ["a": "B"]], ["x": 0, "y": 0])
        #expect(evaluation.count == 0 && evaluation.curve().isEmpty && evaluation.effect(gate: 0).saved == 0)
    }
}
