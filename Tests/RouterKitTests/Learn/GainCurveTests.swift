import Testing

@testable import RouterKit

/// Cases small enough to be worked out on paper.
@Suite struct GainCurveTests {
    @Test func `the right order has three quarters of the area, the wrong one a quarter`() throws {
        let right = try #require(GainCurve(predictedGain: [1, 0], cheap: [0, 1], strong: [1, 1]))
        #expect(right.apgr == 0.75)
        #expect(right.callShare(recovering: 0.5) == 0.25 && right.callShare(recovering: 0.8) == 0.4)
        let wrong = try #require(GainCurve(predictedGain: [0, 1], cheap: [0, 1], strong: [1, 1]))
        #expect(wrong.apgr == 0.25)
        #expect(wrong.callShare(recovering: 0.5) == 0.75 && wrong.callShare(recovering: 0.8) == 0.9)
    }

    @Test func `equal predictions share their mean, so their order earns nothing`() throws {
        let curve = try #require(GainCurve(predictedGain: [0.3, 0.3], cheap: [0, 1], strong: [1, 1]))
        #expect(curve.apgr == 0.5 && curve.callShare(recovering: 0.5) == 0.5)
        let mixed = try #require(GainCurve(predictedGain: [1, 1, 0, 0], cheap: [0, 0, 0, 0], strong: [1, 0, 1, 1]))
        // 0, 1/2, 1, 2, 3 of 3: (0.5 + 1 + 2 + 1.5) / 4 / 3.
        #expect(abs(mixed.apgr - 5.0 / 12) < 1e-12)
    }

    @Test func `the area can exceed 1 where the cheap model is better on some rows`() throws {
        let (cheap, strong) = ([0.0, 1, 0, 0], [1.0, 0, 1, 0])
        let right = try #require(GainCurve(predictedGain: [4, 1, 3, 2], cheap: cheap, strong: strong))
        #expect(right.apgr == 1.375 && right.callShare(recovering: 0.8) == 0.2)
        let other = try #require(GainCurve(predictedGain: [4, 3, 2, 1], cheap: cheap, strong: strong))
        #expect(other.apgr == 0.625)
    }

    @Test func `without a gap there is no curve`() {
        #expect(GainCurve(predictedGain: [1, 2], cheap: [1, 0], strong: [0, 1]) == nil)
        #expect(GainCurve(predictedGain: [], cheap: [], strong: []) == nil)
        #expect(GainCurve.apgrInterval(predictedGain: [1], cheap: [1], strong: [0]) == nil)
    }

    @Test func `random predictions have half the area, within their interval, the same in every run`() throws {
        var random = SeededRandom(seed: 5)
        let gains = (0..<4_000).map { _ in Double.random(in: 0..<1, using: &random) }
        let cheap = gains.map { _ in Double.random(in: 0..<1, using: &random) < 0.4 ? 1.0 : 0 }
        let strong = gains.map { _ in Double.random(in: 0..<1, using: &random) < 0.8 ? 1.0 : 0 }
        let curve = try #require(GainCurve(predictedGain: gains, cheap: cheap, strong: strong))
        #expect(abs(curve.apgr - 0.5) < 0.03)
        let interval = try #require(
            GainCurve.apgrInterval(predictedGain: gains, cheap: cheap, strong: strong, resamples: 200))
        #expect(interval.contains(curve.apgr) && interval.contains(0.5))
        #expect(interval.upperBound - interval.lowerBound < 0.1)
        #expect(
            GainCurve.apgrInterval(predictedGain: gains, cheap: cheap, strong: strong, resamples: 200) == interval)
    }

    @Test func `the middle of a list leaves out the same number at both ends`() {
        #expect([Double]().middle(0.95) == nil)
        #expect([3.0].middle(0.95) == 3...3)
        #expect((1...100).map(Double.init).shuffled().middle(0.9) == 6...95)
    }
}
