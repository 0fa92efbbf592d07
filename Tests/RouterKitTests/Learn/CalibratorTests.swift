import Testing
import Wire

@testable import RouterKit

/// Statistics need many repetitions; ThreadSanitizer, which looks for races and not at figures, needs few and is slow.
private enum Repetitions {
    static func of(_ count: Int) -> Int {
        #if TSAN
            max(20, count / 50)
        #else
            count
        #endif
    }
}

/// Synthetic traffic whose true losses are known exactly.
private struct World {
    /// Chance that a prompt is easy: then both models are right; on a hard one the strong model is right with `strong`
    /// and the cheap one with `cheap`.
    var easy = 0.6
    var strong = 0.8
    var cheap = 0.3
    /// Chance that the classifier says "hard" of an easy prompt or the reverse.
    var confusion = 0.1

    static let models = [
        PolicyTable.Model(
            name: "cheap", tier: .cheap, price: Price(inputPerMTok: 1, outputPerMTok: 1), outputTokens: 250),
        PolicyTable.Model(
            name: "strong", tier: .strong, price: Price(inputPerMTok: 10, outputPerMTok: 10), outputTokens: 250),
    ]

    func sample(_ count: Int, _ random: inout SeededRandom) -> CalibrationSet {
        var set = CalibrationSet(models: Self.models)
        for _ in 0..<count {
            let isEasy = Double.random(in: 0..<1, using: &random) < easy
            let looksEasy = (Double.random(in: 0..<1, using: &random) < confusion) != isEasy
            func right(_ chance: Double) -> Double { Double.random(in: 0..<1, using: &random) < chance ? 1 : 0 }
            // A little noise, so that many margins are distinct.
            let noise = Double.random(in: -0.1...0.1, using: &random)
            set.append(
                quality: looksEasy ? [0.9 + noise, 0.9] : [0.4 + noise, 0.8],
                score: isEasy ? [1, 1] : [right(cheap), right(strong)], estimate_usd: [0.0005, 0.005],
                cost_usd: [0.0005, 0.005], support: 1)
        }
        return set
    }
}

@Suite struct CalibratorTests {
    private static let big = {
        var random = SeededRandom(seed: 1)
        return World().sample(50_000, &random)
    }()

    @Test func aSweepAgreesWithTheChoicesOfThePolicy() throws {
        var random = SeededRandom(seed: 2)
        let set = World().sample(2_000, &random)
        let cards = World.models.map {
            Fixture.card($0.name, tier: $0.tier, price: ($0.price.inputPerMTok, $0.price.outputPerMTok))
        }
        for trade in [(0.0, 0.0), (10, 0.02), (40, -0.05), (90, 0.3)].map({
            Trade(costWeight_perUSD: $0.0, margin: $0.1)
        }) {
            let pool = PolicyTable.Pool(
                models: World.models, supportThreshold: 0.5, rowCount: 1,
                modes: [.balanced: .init(trade: trade, allowedLoss: 0, estimatedLoss: 0, saved: 0)])
            let policy =
                TradePolicy(table: PolicyTable(classifierVersion: "c", pools: [pool]))
                .bound(to: cards, classifierVersion: "c") as! TradePolicy
            var (loss, cost) = (0.0, 0.0)
            for row in 0..<set.count {
                let plan = try policy.plan(
                    PoolView(cards: cards), for: Requirements(dialect: .chatCompletions, inputTokens: 250),
                    support: set.support[row], mode: .balanced
                ) { set.quality[row * 2 + ($0.name == "cheap" ? 0 : 1)] }
                let choice = plan.chosen.model == "cheap" ? 0 : 1
                loss += set.score[row * 2 + 1] - set.score[row * 2 + choice]
                cost += set.cost_usd[row * 2 + choice]
            }
            let effect = set.effect(of: trade, supportThreshold: 0.5)
            #expect(abs(effect.loss - loss / 2_000) < 1e-9)
            #expect(abs(effect.saved - (1 - cost / (0.005 * 2_000))) < 1e-9)
        }
    }

    @Test func modesSaveWhatTheirLossAllows() throws {
        var random = SeededRandom(seed: 3)
        let pool = Calibrator.calibrate(World().sample(10_000, &random))
        var saved = -1.0
        for mode in [RoutingMode.quality, .balanced, .cost] {
            let entry = try #require(pool.modes[mode])
            let truth = Self.big.effect(of: entry.trade, supportThreshold: 0.5)
            #expect(entry.estimatedLoss <= entry.allowedLoss)
            #expect(truth.loss <= entry.allowedLoss + 0.006, "\(mode): \(truth)")
            #expect(entry.saved >= saved)
            saved = entry.saved
        }
        #expect(saved > 0.5)
        #expect(pool.modes[.balanced]!.saved > 0.15)
    }

    @Test func fewRowsAreTrustedLess() throws {
        var random = SeededRandom(seed: 4)
        var (few, many) = (0.0, 0.0)
        for _ in 0..<12 {
            few +=
                Self.big.effect(
                    of: Calibrator.calibrate(World().sample(100, &random)).modes[.balanced]!.trade,
                    supportThreshold: 0.5
                ).loss / 12
            many +=
                Self.big.effect(
                    of: Calibrator.calibrate(World().sample(1_500, &random)).modes[.balanced]!.trade,
                    supportThreshold: 0.5
                ).loss / 12
        }
        #expect(few < 0.011 && many < 0.011, "\(few) \(many)")
    }

    /// A few hundred of one's own rows must be worth something: the shrunk estimate alone saves 11 % here.
    @Test func aGoodRouterIsUsedFromAFewHundredRowsOn() throws {
        var random = SeededRandom(seed: 11)
        var (loss, saved) = (0.0, 0.0)
        for _ in 0..<10 {
            let set = World(confusion: 0).sample(400, &random)
            let mode = try #require(Calibrator.calibrate(set, options: .init(promises: [])).modes[.balanced])
            #expect(mode.estimatedLoss <= mode.allowedLoss)
            let truth = Self.perfect.effect(of: mode.trade, supportThreshold: 0.5)
            loss += truth.loss / 10
            saved += truth.saved / 10
        }
        #expect(saved > 0.5 && loss < 0.01, "\(saved) \(loss)")
    }

    private static let perfect = {
        var random = SeededRandom(seed: 12)
        return World(confusion: 0).sample(10_000, &random)
    }()

    /// A router that tosses a coin must not be taken for a good one because a test is at hand.
    @Test func aWorthlessRouterStaysWhereTheShrunkEstimateKeepsIt() throws {
        var random = SeededRandom(seed: 13)
        let world = World(confusion: 0.5)
        let truth = world.sample(10_000, &random)
        var (tested, shrunk) = (0.0, 0.0)
        for _ in 0..<20 {
            let set = world.sample(300, &random)
            let options = [0.8, 1 - 1e-12].map {
                Calibrator.Options(allowedLoss: [.balanced: 0.01], modeConfidence: $0, promises: [])
            }
            let losses = options.map {
                truth.effect(of: Calibrator.calibrate(set, options: $0).modes[.balanced]!.trade, supportThreshold: 0.5)
                    .loss
            }
            tested += losses[0] / 20
            shrunk += losses[1] / 20
        }
        #expect(tested < shrunk + 0.002, "\(tested) \(shrunk)")
    }

    @Test func poolsOfTheSameModelsShareAnEntry() {
        let members = World.models.map { OutcomePool.Member(name: $0.name, tier: $0.tier, price: $0.price) }
        let other = [members[0], OutcomePool.Member(name: "other", tier: .strong, price: nil)]
        let pools = [("b", members), ("empty", other), ("a", members)].map { OutcomePool(source: $0.0, members: $0.1) }
        let rows = ["a", "b", "a", "elsewhere"].enumerated().map {
            OutcomeRow(id: "\($0)", source: $1, prompt: [], scores: [:])
        }
        let entries = Calibrator.entries(of: pools, rows)
        #expect(entries.map(\.pool.source) == ["b"])
        #expect(entries.map { $0.rows.map(\.id) } == [["0", "1", "2"]])
    }

    @Test func rowsWithoutSupportGoToTheStrongest() {
        var set = CalibrationSet(models: World.models)
        for _ in 0..<500 {
            set.append(quality: [1, 0], score: [1, 1], estimate_usd: [0, 1], cost_usd: [0.1, 1], support: 0.4)
        }
        let pool = Calibrator.calibrate(set)
        #expect(pool.modes.values.allSatisfy { $0.saved == 0 && $0.trade.margin == 2 })
        #expect(pool.guarantees.allSatisfy { $0.trade == nil })
    }

    // MARK: The guarantee

    /// Calibrations in a world in which an over-eager rule would break the promise often.
    @Test(arguments: [(Repetitions.of(2_000), 300, 0.03), (Repetitions.of(300), 1_200, 0.015)])
    func theGuaranteeHoldsAsOftenAsPromised(runs: Int, rows: Int, loss: Double) {
        let promise = Promise(loss: loss, confidence: 0.9)
        let world = World(easy: 0.7, strong: 0.7, cheap: 0.5, confusion: 0.35)
        var random = SeededRandom(seed: 5)
        let truth = world.sample(50_000, &random)
        let sweep = TradeSweep(truth, costWeight_perUSD: 25, supportThreshold: 0.5)
        var (violations, used) = (0, 0)
        for _ in 0..<runs {
            let found = Calibrator.guarantee(promise, on: world.sample(rows, &random), supportThreshold: 0.5)
            guard let trade = found.trade else { continue }
            #expect(trade.costWeight_perUSD == 25)
            used += 1
            let true_loss = sweep.effect(movedCount: sweep.movedCount(margin: trade.margin)).loss
            if true_loss > loss { violations += 1 }
        }
        let allowed = 0.1 * Double(runs) + 3 * (Double(runs) * 0.1 * 0.9).squareRoot()
        #expect(Double(violations) <= allowed, "\(violations) of \(runs), \(used) used a trade")
        #expect(used > runs / 20, "the test never saved anything: it proves nothing")
    }

    /// Losing exactly a little more than promised must be found out, whatever the shape of the loss.
    @Test func theTestItselfKeepsItsLevel() {
        let promise = Promise(loss: 0.02, confidence: 0.95)
        var random = SeededRandom(seed: 6)
        for shape in 0..<3 {
            var rejected = 0
            for _ in 0..<Repetitions.of(2_000) {
                let losses = (0..<300).map { _ -> Double in
                    let draw = Double.random(in: 0..<1, using: &random)
                    switch shape {
                    case 0: return draw < 0.02 ? 1 : 0
                    case 1: return draw < 0.31 ? 1 : draw < 0.60 ? -1 : 0
                    default: return draw < 0.5 ? 0.52 : -0.48
                    }
                }
                if LossTest.bettingPValue(losses, promise) <= 0.05 { rejected += 1 }
            }
            let expected = 0.05 * Double(Repetitions.of(2_000))
            #expect(Double(rejected) <= expected + 3 * expected.squareRoot(), "shape \(shape): \(rejected)")
        }
    }

    @Test func nothingIsAcceptedForFree() {
        let promise = Promise(loss: 0.01, confidence: 0.95)
        let needed = Calibrator.neededRowCount(promise)
        #expect((300...400).contains(needed))
        #expect(LossTest.bettingPValue([Double](repeating: 0, count: needed), promise) <= 0.05)
        #expect(LossTest.bettingPValue([Double](repeating: 0, count: needed - 1), promise) > 0.05)
        // A set in which only one of a hundred rows would ever move, and did well: still too few rows.
        var set = CalibrationSet(models: World.models)
        for row in 0..<needed - 1 {
            set.append(
                quality: [row % 100 == 0 ? 1 : 0, 0.9], score: [1, 1], estimate_usd: [0.001, 0.01],
                cost_usd: [0.001, 0.01],
                support: 1)
        }
        let found = Calibrator.guarantee(promise, on: set, supportThreshold: 0.5)
        #expect(found.trade == nil && found.rowCount == needed - 1 && found.neededRowCount == needed)
        #expect(Calibrator.neededRowCount(Promise(loss: 0, confidence: 0.95)) == 1_000_000_000)
    }

    @Test func bettingNeedsFewerRowsThanHoeffdingAndBentkus() {
        let promise = Promise(loss: 0.02, confidence: 0.95)
        let losses = (0..<2_000).map { $0 % 100 == 0 ? 1.0 : $0 % 100 == 1 ? -1 : 0 }
        let betting = LossTest.bettingPValue(losses, promise)
        let classic = LossTest.hoeffdingBentkusPValue(losses, promise)
        #expect(betting < 0.01 && classic > 0.05, "\(betting) \(classic)")
        #expect(abs(LossTest.binomialCDF(2, 5, 0.5) - 0.5) < 1e-12)
    }
}
