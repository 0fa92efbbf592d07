import Foundation
import RouterKit

/// The data folder: rows to learn from, rows to be measured on, pools and prices, answers.
struct Outcomes {
    let train: [OutcomeRow]
    let dev: [OutcomeRow]
    let tiers: TierTable
    /// What each model answered to the MMLU-Pro rows, by row id; empty when the file is not there.
    let answers: [String: [String: String]]
    /// Lines that could not be used, for the report.
    let faults: [String]

    /// Sources that may train shipped weights, in the order of tables.
    static let shippable = [
        "mmlu_pro", "routellm_mmlu", "routellm_gsm8k", "llmrouter", "zeroeval_gsm", "zeroeval_crux", "zeroeval_math_l5",
    ]
    /// Those of them with a mid tier: the mixes of the three-tier figures.
    static let tiered = ["mmlu_pro", "llmrouter", "zeroeval_gsm", "zeroeval_crux", "zeroeval_math_l5"]

    init(folder: URL) throws {
        let path = { (name: String) in folder.appendingPathComponent(name).path }
        tiers = try TierTable.read(path: path("tiers.json"))
        let (train, trainReport) = try OutcomeReader.read(path: path("train.jsonl"), tiers: tiers)
        let (dev, devReport) = try OutcomeReader.read(path: path("dev.jsonl"), tiers: tiers)
        self.train = train
        self.dev = dev
        let file = path("mmlu_pro_answers.jsonl")
        let found =
            FileManager.default.fileExists(atPath: file)
            ? try CascadeEvaluation.answers(path: file) : (answers: [:], faultsCount: 0)
        answers = found.answers
        var faults = [("train", trainReport), ("dev", devReport)]
            .filter { $0.1.faultsCount > 0 }
            .map { "\($0.0): \(String("\($0.1)".prefix { $0 != "\n" }))" }
        if found.faultsCount > 0 { faults.append("answers: \(found.faultsCount) lines left out") }
        self.faults = faults
    }

    /// The dev rows of `source`.
    func dev(of source: String) -> [OutcomeRow] { dev.filter { $0.source == source } }
}
