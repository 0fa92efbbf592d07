import Testing

@testable import RouterKit

@Suite struct HistogramTests {
    @Test func withoutValuesThereIsNoPercentile() {
        #expect(Histogram().percentile(0.5) == nil)
    }

    @Test func smallValuesAreExact() {
        var histogram = Histogram()
        for value in 1...20 { histogram.add(UInt64(value)) }
        #expect(histogram.percentile(0.5) == 10)
        #expect(histogram.percentile(0.9) == 18)
        #expect(histogram.percentile(0) == 1)
        #expect(histogram.percentile(1) == 20)
    }

    @Test func percentilesAreAtMostThreePerCentAboveTheTruth() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<50 {
            let values = (0..<200).map { _ in
                UInt64.random(in: 0..<(1 << UInt64.random(in: 1...50, using: &random)), using: &random)
            }
            var histogram = Histogram()
            for value in values { histogram.add(value) }
            let sorted = values.sorted()
            for share in [0.01, 0.5, 0.9, 0.99, 1] {
                let truth = sorted[max(1, Int((share * 200).rounded(.up))) - 1]
                let estimate = histogram.percentile(share)!
                #expect(estimate >= truth)
                #expect(Double(estimate) <= Double(truth) * (1 + 1.0 / 32))
            }
        }
    }

    @Test func theLargestValueHasABucket() {
        var histogram = Histogram()
        histogram.add(.max)
        #expect(histogram.percentile(1) == .max)
    }
}

@Suite struct CostCourseTests {
    @Test func pointsAreBoundedEvenAndEndAtTheLast() {
        var course = CostCourse()
        for _ in 0..<100_003 { course.add(cost_usd: 1, baseline_usd: 2) }
        let points = course.complete
        #expect(points.count <= 514)
        #expect(points.count > 200)
        #expect(points.first?.requestsCount == 0)
        #expect(points.last == .init(requestsCount: 100_003, cost_usd: 100_003, baseline_usd: 200_006))
        #expect(points.map(\.requestsCount) == points.map(\.requestsCount).sorted())
    }
}

@Suite struct FiguresTests {
    @Test func moneyShowsWhatMatters() {
        #expect(Figures.money(12.345) == "$12.35" || Figures.money(12.345) == "$12.34")
        #expect(Figures.money(0) == "$0")
        #expect(Figures.money(-0.5) == "-$0.5000")
        #expect(Figures.money(0.000_012) == "$0.000012")
        #expect(Figures.money(-0.000_000_01) == "$0.000000")
    }

    @Test func countsHaveThousands() {
        #expect(Figures.count(0) == "0")
        #expect(Figures.count(999) == "999")
        #expect(Figures.count(1_234_567) == "1,234,567")
        #expect(Figures.count(-1_000) == "-1,000")
    }

    @Test func fixedKeepsItsDecimals() {
        #expect(Figures.fixed(1, 2) == "1.00")
        #expect(Figures.fixed(1.5, 2) == "1.50")
        #expect(Figures.fixed(3, 0) == "3")
        #expect(Figures.percent(0.2701) == "27.0 %")
    }
}
