import Foundation
import RouterKit

// Trains the weights that RouterKit ships. See `usage`.

let usage = """
    usage: train-weights DATA OUT
      DATA  folder with train.jsonl, tiers.json and dev.jsonl
      OUT   the weights file to write; "check" to write none; "cv" to measure by five folds of train.jsonl instead
      Trains on the sources of train.jsonl that may train shipped weights, then measures on dev.jsonl.
    """

/// Sources whose licence lets weights trained on them be shipped (the data's README).
let shippable = [
    "mmlu_pro", "routellm_mmlu", "routellm_gsm8k", "llmrouter", "zeroeval_gsm", "zeroeval_crux", "zeroeval_math_l5",
]

func run(_ arguments: [String]) throws {
    guard arguments.count == 2 else {
        print(usage)
        exit(2)
    }
    let tiers = try TierTable.read(path: arguments[0] + "/tiers.json")
    let train = try OutcomeReader.read(path: arguments[0] + "/train.jsonl", tiers: tiers).rows
    let dev = try OutcomeReader.read(path: arguments[0] + "/dev.jsonl", tiers: tiers).rows
    if arguments[1] == "cv" { return try crossValidate(train.filter { shippable.contains($0.source) }, tiers) }
    let started = ContinuousClock.now
    let weights = try LearnedTrainer.train(
        rows: train.filter { shippable.contains($0.source) }, pools: shippable.compactMap { tiers[$0] }
    ) { print("\($0.doneCount + 1)/\($0.stepsCount) \($0.step) \(ContinuousClock.now - started)") }
    print("trained in \(ContinuousClock.now - started), \(weights.fileBytes().count) bytes, \(weights.version)")
    if arguments[1] != "check" { try weights.write(path: arguments[1]) }
    measure(LearnedClassifier(weights), dev, tiers)
}

/// Prints APGR per source, each row predicted by weights that never saw its question.
func crossValidate(_ rows: [OutcomeRow], _ tiers: TierTable, foldCount: Int = 5) throws {
    let pools = shippable.compactMap { tiers[$0] }
    var gains = [[Double]](repeating: [], count: pools.count)
    var scores = [[(cheap: Double, strong: Double)]](repeating: [], count: pools.count)
    for fold in 0..<foldCount {
        let isLeftOut = { LearnedTrainer.fold(of: $0, foldCount: foldCount) == fold }
        let weights = try LearnedTrainer.train(rows: rows.filter { !isLeftOut($0) }, pools: pools)
        for (index, pool) in pools.enumerated() {
            let cards = pool.cards
            let bound = LearnedClassifier(weights).bound(to: cards)
            for row in rows where row.source == pool.source && pool.covers(row) && isLeftOut(row) {
                let assessment = bound.assess(try RequestView(asking: String(decoding: row.prompt, as: UTF8.self)))
                gains[index].append(
                    assessment.quality(of: cards[cards.count - 1]) - assessment.quality(of: cards[0]))
                scores[index].append((row.scores[pool.members[0].name]!, row.scores[pool.strongest.name]!))
            }
        }
    }
    let found = pools.indices.map { index in
        GainCurve(
            predictedGain: gains[index], cheap: scores[index].map(\.cheap), strong: scores[index].map(\.strong))?.apgr
            ?? .nan
    }
    for (pool, apgr) in zip(pools, found) { print("\(pool.source) APGR \(apgr)") }
    print("macro \(found.reduce(0, +) / Double(found.count))")
}

/// Prints APGR and support per source.
func measure(_ classifier: LearnedClassifier, _ rows: [OutcomeRow], _ tiers: TierTable) {
    var macro = 0.0
    for pool in tiers.pools {
        let bound = classifier.bound(to: pool.cards)
        var predicted: [Double] = []
        var cheap: [Double] = []
        var strong: [Double] = []
        var supportedCount = 0
        for row in rows where row.source == pool.source {
            guard let request = try? RequestView(asking: String(decoding: row.prompt, as: UTF8.self)) else { continue }
            let assessment = bound.assess(request)
            let quality = pool.cards.map { assessment.quality(of: $0) }
            predicted.append(quality[quality.count - 1] - quality[0])
            cheap.append(row.scores[pool.members[0].name]!)
            strong.append(row.scores[pool.strongest.name]!)
            if assessment.support >= 0.5 { supportedCount += 1 }
        }
        let apgr = GainCurve(predictedGain: predicted, cheap: cheap, strong: strong)?.apgr ?? .nan
        let supported = Double(supportedCount) / Double(max(1, cheap.count))
        if shippable.contains(pool.source) { macro += apgr / Double(shippable.count) }
        print("\(pool.source) n=\(cheap.count) APGR \(apgr) support>=.5: \(supported)")
    }
    print("macro \(macro)")
}

do {
    try run(Array(CommandLine.arguments.dropFirst()))
} catch {
    print("train-weights: \(error)")
    exit(1)
}
