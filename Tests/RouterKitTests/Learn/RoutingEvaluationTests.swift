import Testing
import Wire

@testable import RouterKit

@Suite struct RoutingEvaluationTests {
    private let tiers = TierTable([
        OutcomePool(
            source: "s",
            members: [
                .init(name: "small", tier: .cheap, price: Price(inputPerMTok: 1, outputPerMTok: 1)),
                .init(name: "big", tier: .strong, price: Price(inputPerMTok: 10, outputPerMTok: 10)),
            ])
    ])

    private func judged(_ predicted: [Double], _ scores: [Double], choice: Int) -> JudgedRow {
        JudgedRow(
            source: "s", predicted: predicted, expected_usd: [1, 10], scores: scores, costs_usd: [1, 10],
            choice: choice, support: 1)
    }

    /// Predicts by the first letter of the prompt: h for hard.
    private struct FakeClassifier: ComplexityClassifier {
        var version: String { "fake" }
        func assess(_ request: borrowing RequestView) -> Assessment {
            let isHard = request.ask.decisiveBytes.first == UInt8(ascii: "h")
            return Assessment(
                difficulty: 0.5, quality: QualityCurve(cheap: isHard ? 0.2 : 0.9, mid: 0.9, strong: 0.9), support: 1,
                signals: [])
        }
    }

    @Test func `a curve goes from the best looking to the cheapest choice`() throws {
        let rows = [judged([0.5, 0.9], [0, 1], choice: 1), judged([0.5, 0.5], [1, 1], choice: 0)]
        let curve = try #require(CostCurve(rows))
        #expect(curve.strong == CostCurve.Point(cost_usd: 10, quality: 1))
        #expect(curve.points.first == CostCurve.Point(cost_usd: 1, quality: 0.5))
        #expect(curve.points.contains(CostCurve.Point(cost_usd: 5.5, quality: 1)))
        #expect(abs(curve.saved(atShareOfStrong: 1) - 0.45) < 1e-12 && curve.saved(atShareOfStrong: 0.5) == 0.9)
        #expect(CostCurve.always(0, rows) == CostCurve.Point(cost_usd: 1, quality: 0.5))
        #expect(CostCurve([]) == nil)
    }

    @Test func `nobody beats the oracle, and wrong predictions save nothing`() throws {
        let rows = [judged([0.9, 0.1], [0, 1], choice: 0), judged([0.1, 0.9], [1, 1], choice: 1)]
        #expect(abs(try #require(CostCurve(oracleOf: rows)).saved(atShareOfStrong: 1) - 0.45) < 1e-12)
        #expect(try #require(CostCurve(rows)).saved(atShareOfStrong: 1) == 0)
    }

    @Test func `an unknown price leaves money out and keeps the rest`() throws {
        var row = judged([0.1, 0.9], [0, 1], choice: 0)
        row.costs_usd[0] = nil
        let evaluation = RoutingEvaluation([row, row], tiers: tiers)
        let source = try #require(evaluation.sources.first)
        // Both rows are predicted alike, so they share their mean.
        #expect(source.apgr == 0.5 && source.curve == nil && source.choices == nil)
        #expect(evaluation.choices(.natural) == nil)
    }

    @Test func `rows of a file are routed and judged`() throws {
        let directory = try #require(TemporaryDirectory())
        let line = { (id: String, prompt: String, small: Int) in
            #"{"id":"\#(id)","source":"s","prompt":"\#(prompt)","models":{"small":\#(small),"big":1},"in_tok":1000,"#
                + #""out_tok":{"small":1000}}"# + "\n"
        }
        directory.write(line("1", "hard", 0) + line("2", "easy", 1) + "broken\n", to: "f")
        let router = OutcomeRouter(tiers: tiers, classifier: FakeClassifier(), policy: TradePolicy())
        let (evaluation, report) = try RoutingEvaluation.evaluate(
            path: directory.path + "/f", router: router, tiers: tiers)
        #expect(report.rowsCount == 2 && report.faultsCount == 1)
        let source = try #require(evaluation.sources.first)
        #expect(source.rows.map(\.choice) == [1, 0] && source.apgr == 0.75 && evaluation.macroAPGR() == 0.75)
        // In 1,000 + out 1,000 tokens at $1; the strong one's answer counts 150 tokens at $10.
        #expect(source.rows[1].costs_usd == [0.002, 0.0115])
        let natural = try #require(evaluation.choices(.natural))
        #expect(natural.difference == 0 && abs(natural.saved - (1 - 0.0135 / 0.023)) < 1e-12 && natural.passes)
        #expect(source.share(of: 0) == 0.5)
        #expect(evaluation.macroAPGR(of: ["other"]) == nil && evaluation.choices(.equal, of: ["other"]) == nil)
    }

    @Test func `a prompt that cannot be read goes to the strongest model`() {
        var limits = Limits()
        limits.jsonMemberCount = 1
        let reads = OutcomeRouter(tiers: tiers, classifier: FakeClassifier(), policy: TradePolicy())
        #expect(reads.route(Array("easy".utf8), source: "s").plan.chosen.model == "small")
        let refuses = OutcomeRouter(tiers: tiers, classifier: FakeClassifier(), policy: TradePolicy(), limits: limits)
        let routed = refuses.route(Array("easy".utf8), source: "s")
        #expect(routed.plan.chosen.model == "big" && routed.assessment.support == 0)
    }
}
