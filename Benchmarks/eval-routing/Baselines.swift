import BenchSupport
import Foundation
import RouterKit

/// Routers that need no learning of ours: measured in the same run, on the same rows, by the same code.
enum Baselines {
    /// A single number of difficulty for each row.
    struct Scores {
        let name: String
        let values: [String: Double]
    }

    static func random(_ data: Outcomes) -> Scores {
        var random = SeededRandom(seed: 1)
        let values = (data.train + data.dev).map { ($0.id, Double.random(in: 0..<1, using: &random)) }
        return Scores(name: "random", values: Dictionary(values) { $1 })
    }

    static func promptLength(_ data: Outcomes) -> Scores {
        let values = (data.train + data.dev).map { ($0.id, Double($0.prompt.count)) }
        return Scores(name: "prompt length", values: Dictionary(values) { $1 })
    }

    private struct Printed: Decodable {
        let version: String
        let v1: [Double]
        let v2: [Double]
    }

    /// LiteLLM's two heuristics, or why they are not there.
    static func liteLLM(_ data: Outcomes, python: URL?) -> (scores: [Scores], note: String) {
        guard let python else {
            return ([], "LiteLLM was not measured: no Python with litellm (`Scripts/setup.sh bench` makes one)")
        }
        let rows = data.train + data.dev
        let script = URL(fileURLWithPath: "Benchmarks/eval-routing/litellm_scores.py")
        let prompts = rows.map { String(decoding: $0.prompt, as: UTF8.self) }
        do {
            let output = try PythonScript.output(
                of: script, python: python, input: try JSONEncoder().encode(prompts))
            guard let printed = try? JSONDecoder().decode(Printed.self, from: output),
                printed.v1.count == rows.count, printed.v2.count == rows.count
            else {
                let text = String(decoding: output.prefix(300), as: UTF8.self)
                return ([], "LiteLLM was not measured: \(text.isEmpty ? "the script printed nothing" : text)")
            }
            let keyed = { (values: [Double]) in Dictionary(zip(rows.map(\.id), values)) { $1 } }
            return (
                [
                    Scores(name: "LiteLLM heuristic v1", values: keyed(printed.v1)),
                    Scores(name: "LiteLLM heuristic v2", values: keyed(printed.v2)),
                ], "LiteLLM \(printed.version)"
            )
        } catch {
            return ([], "LiteLLM was not measured: \(error)")
        }
    }

    /// The scores as predictions per model, so that one number can choose among three models as well as it can: the
    /// mean train score of each model in the tenth of its source that the row's number falls into. In a two-model
    /// ranking the number itself is kept, so that tenths cost it nothing.
    static func predictions(_ scores: Scores, _ data: Outcomes) -> Predictions {
        var predictions = Predictions(name: scores.name)
        for pool in data.tiers.pools {
            let train = data.train.filter { $0.source == pool.source }
                .sorted { scores.values[$0.id]! < scores.values[$1.id]! }
            guard !train.isEmpty else { continue }
            let bins = (0..<10).map { bin in train[train.count * bin / 10..<train.count * (bin + 1) / 10] }
                .filter { !$0.isEmpty }
            let ends = bins.map { scores.values[$0.last!.id]! }
            let means = bins.map { bin in
                pool.members.map { member in bin.reduce(0) { $0 + $1.scores[member.name]! } / Double(bin.count) }
            }
            for row in data.dev where row.source == pool.source {
                let place = ends.firstIndex { scores.values[row.id]! <= $0 } ?? ends.count - 1
                predictions.set(row.id, quality: means[place])
            }
        }
        return predictions
    }

    /// The scores themselves as predicted gains of the strongest model.
    static func ranking(_ scores: Scores, _ data: Outcomes) -> Predictions {
        var ranking = Predictions(name: scores.name)
        for row in data.dev { ranking.set(row.id, quality: [0, scores.values[row.id]!]) }
        return ranking
    }
}
