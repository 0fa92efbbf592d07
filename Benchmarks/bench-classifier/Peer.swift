import BenchSupport
import Foundation

/// LiteLLM's heuristic classifier, timed on the same prompts by a Python process.
struct Peer {
    /// Times per call in microseconds, and the version measured.
    struct Result: Decodable {
        let p50_us: Double
        let p99_us: Double
        /// Of the second heuristic, where that version has it.
        let v2_p50_us: Double?
        let version: String
    }

    /// Why there is no result, in words for the report.
    struct Missing: Error {
        let reason: String
    }

    /// Runs `script` with the first Python of `pythons` that exists.
    static func measure(_ prompts: [String], script: URL, pythons: [URL]) throws(Missing) -> Result {
        guard let python = pythons.first(where: { FileManager.default.isExecutableFile(atPath: $0.path) }) else {
            throw Missing(reason: "no Python environment of the project; `make bench-classifier` sets one up")
        }
        let output: Data
        do {
            output = try PythonScript.output(of: script, python: python, input: try JSONEncoder().encode(prompts))
        } catch {
            throw Missing(reason: "\(python.lastPathComponent) did not run: \(error.localizedDescription)")
        }
        guard let result = try? JSONDecoder().decode(Result.self, from: output) else {
            let text = String(decoding: output.prefix(300), as: UTF8.self)
            throw Missing(reason: text.isEmpty ? "the script printed nothing" : text)
        }
        return result
    }
}
