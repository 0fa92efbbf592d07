import DemoSupport
import GPUServeKit
import Glibc
import ModelFiles
import Wire

/// `custom-model-server logits`: what the model says after given tokens, to hold it against other programs.
enum LogitsCommand {
    /// For each line of standard input, a JSON array of tokens, writes the logits after the last one: 32-bit floats,
    /// little-endian, one for each token of the vocabulary.
    ///
    /// - Throws: `UsageError` for a line that is none, or too long; what `ModelStart` and `LoadedModel` throw.
    static func run(_ path: String, threadCount: Int = 1) async throws {
        let start = ModelStart(path: path, name: "model", storePath: nil)
        var waterfall = Waterfall()
        let store = try await start.open(try HostContext(), &waterfall)
        let resident = try await store.restorer.restore(store.base)
        let loaded = try LoadedModel(resident)
        let cache = KVCache(loaded.shape, slotCount: 1, contextCount: min(2048, loaded.shape.contextCount))
        let model = Llama(loaded.shape, weights: loaded.weights, cache: cache, threadCount: threadCount)
        while let line = readLine() {
            let tokens = (try JSONValue.parse(Array(line.utf8)).elements ?? []).compactMap(\.int)
            guard (1...cache.contextCount).contains(tokens.count),
                tokens.allSatisfy({ (0..<loaded.shape.vocabularyCount).contains($0) })
            else {
                throw UsageError(
                    message: "a line of standard input is no array of 1 to \(cache.contextCount) tokens of the model")
            }
            let steps = tokens.enumerated().map { index, token in
                Llama.Step(token: token, position: index, slot: 0, wantsLogits: index == tokens.count - 1)
            }
            for first in stride(from: 0, to: steps.count, by: model.passTokenCount) {
                let pass = Array(steps[first..<min(first + model.passTokenCount, steps.count)])
                for logits in model.run(pass) { try write(logits) }
            }
        }
        withExtendedLifetime(resident) {}
    }

    private static func write(_ logits: [Float]) throws {
        try logits.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(STDOUT_FILENO, bytes.baseAddress! + done, bytes.count - done)
                guard count > 0 else { throw UsageError(message: "standard output is closed") }
                done += count
            }
        }
    }
}
