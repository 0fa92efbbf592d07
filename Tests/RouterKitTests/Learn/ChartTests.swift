import Testing

@testable import RouterKit

@Suite struct ChartTests {
    @Test(arguments: [
        ([3.0, 97], [0.0, 20, 40, 60, 80, 100]), ([0.12, 0.31], [0.1, 0.15, 0.2, 0.25, 0.3, 0.35]),
        ([-3, 4], [-4, -2, 0, 2, 4]),
    ])
    func `an axis takes its values in by round steps`(values: [Double], ticks: [Double]) {
        let axis = Chart.Axis(values)
        #expect(axis.ticks.count == ticks.count)
        #expect(zip(axis.ticks, ticks).allSatisfy { abs($0 - $1) < 1e-9 }, "\(axis.ticks)")
    }

    @Test func `odd data have an axis too`() {
        #expect(Chart.Axis([]).ticks.count > 1)
        #expect(Chart.Axis([5, 5]).ticks.count > 1)
        #expect(Chart.Axis([.nan, .infinity, 1, 2]).high == 2)
        #expect(Chart.Axis([20, 30], around: 0...100).ticks == [0, 20, 40, 60, 80, 100])
        #expect(Chart.Axis([0.1, 0.25]).label(0.15) == "0.15" && Chart.Axis([0, 50]).label(20) == "20")
    }

    @Test func `a page holds every chart and each name once in its legend`() {
        let chart = { (title: String) in
            Chart(
                title: title, xTitle: "x", yTitle: "y",
                lines: [Chart.Line("router <1>", [(x: 0, y: 1), (x: 2, y: 3)], .blue)],
                marks: [
                    Chart.Mark("policy", x: 1, y: 2, .orange, xInterval: 0.5...1.5, yInterval: 1...3, label: "here")
                ])
        }
        let svg = ChartPage(title: "Page", note: "n", charts: [chart("one"), chart("two"), chart("three")]).svg()
        for text in ["Page", "one", "two", "three"] { #expect(svg.ranges(of: ">\(text)</text>").count == 1) }
        #expect(svg.ranges(of: ">router &lt;1&gt;</text>").count == 1, "the legend names it once")
        #expect(svg.ranges(of: "<polyline").count == 3 && svg.ranges(of: "<circle").count == 4)
        #expect(!svg.contains("nan") && !svg.contains("inf"))
    }

    @Test func `a source is drawn with its four references`() throws {
        let rows = (0..<40).map { index in
            JudgedRow(
                source: "s", predicted: [Double(index) / 40, 0.9], expected_usd: [1, 10],
                scores: [index % 3 == 0 ? 1 : 0, 1], costs_usd: [1, 10], choice: index % 2, support: 1)
        }
        let tiers = TierTable([
            OutcomePool(
                source: "s",
                members: [.init(name: "a", tier: .cheap, price: nil), .init(name: "b", tier: .strong, price: nil)])
        ])
        let chart = try #require(RoutingEvaluation(rows, tiers: tiers).sources.first?.chart)
        #expect(chart.lines.map(\.name) == ["router", "oracle", "random"])
        #expect(chart.marks.map(\.label) == ["always cheap", "always strong", ""])
        let random = chart.lines[2].points
        let ends = [random[0].x, random[1].x, random[1].y]
        #expect(zip(ends, [10, 100, 100]).allSatisfy { abs($0 - $1) < 1e-9 })
        let policy = try #require(chart.marks.last)
        #expect(abs(policy.x - 55) < 1e-9 && policy.yInterval?.contains(policy.y) == true)
    }
}
