import Testing

@testable import RouterKit

@Suite struct MixFiguresTests {
    private typealias Row = MixFigures.Row

    private func rows(_ differences: [Double], cost: Double = 1, strong: Double = 2) -> [Row] {
        differences.map { Row(difference: $0, cost_usd: cost, strong_usd: strong) }
    }

    @Test func `sources weigh by their rows or all the same`() throws {
        let groups = [rows([0, -1]), rows([0], strong: 10)]
        let natural = try #require(MixFigures(groups, mix: .natural))
        #expect(natural.rowsCount == 3 && abs(natural.difference + 1.0 / 3) < 1e-12)
        #expect(abs(natural.saved - (1 - 3.0 / 14)) < 1e-12)
        let equal = try #require(MixFigures(groups, mix: .equal))
        #expect(equal.rowsCount == 3 && equal.difference == -0.25 && abs(equal.saved - (1 - 2.0 / 12)) < 1e-12)
        // The second source has one row, so only the first one's mean varies: 0, -1/2 or -1.
        #expect(equal.differenceInterval == -0.5...0)
    }

    @Test func `a small loss passes only when chance could have made it`() throws {
        let unlucky = try #require(
            MixFigures(
                [
                    rows(
                        [Double](repeating: -1, count: 55) + [Double](repeating: 1, count: 50)
                            + [Double](repeating: 0, count: 895))
                ], mix: .natural))
        #expect(abs(unlucky.difference + 0.005) < 1e-12 && unlucky.passes)
        // 1.96 standard errors of a mean with variance 0.105.
        let half = 1.96 * (0.105 / 1_000).squareRoot()
        #expect(abs(unlucky.differenceInterval.lowerBound - (-0.005 - half)) < 0.003)
        #expect(abs(unlucky.differenceInterval.upperBound - (-0.005 + half)) < 0.003)
        let worse = try #require(
            MixFigures([rows([Double](repeating: -1, count: 8) + [Double](repeating: 0, count: 992))], mix: .natural))
        #expect(worse.difference > -MixFigures.mostLoss && !worse.passes)
        let better = try #require(MixFigures([rows([Double](repeating: 1, count: 100))], mix: .natural))
        #expect(better.differenceInterval == 1...1 && better.passes)
        let lost = try #require(
            MixFigures([rows([-1, -1, 1, 0])], mix: .natural, resamples: 50))
        #expect(lost.differenceInterval.contains(0) && !lost.passes, "a loss above a point fails whatever its interval")
    }

    @Test func `always-strong saves nothing and loses nothing`() throws {
        let figures = try #require(MixFigures([rows([0, 0, 0], cost: 2)], mix: .natural))
        #expect(figures.saved == 0 && figures.savedInterval == 0...0 && figures.differenceInterval == 0...0)
        #expect(figures.passes)
        let dearer = try #require(MixFigures([rows([0], cost: 3)], mix: .natural))
        #expect(dearer.saved == -0.5)
    }

    @Test func `without rows or prices there are no figures`() {
        #expect(MixFigures([], mix: .natural) == nil && MixFigures([[]], mix: .equal) == nil)
        #expect(MixFigures([rows([0], cost: 0, strong: 0)], mix: .natural) == nil)
    }
}
