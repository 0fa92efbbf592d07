import BenchSupport
import Foundation
import RouterKit

// What a classification costs. See `usage`.

let usage = """
    usage: bench-classifier [--data FILE.jsonl] [--python PATH] [--out DIRECTORY]
      Times reading a request and classifying it on made-up prompts of 0.1, 0.5, 2 and 20 KB, and LiteLLM's heuristic
      on those of 0.5 KB. Writes DIRECTORY/classifier.json (default: Benchmarks/results). Run it from the project's root,
      built with -c release, on an idle machine.
      --data    prompts for the 0.5 KB row: the "prompt" member of each line, of any length
      --python  a Python that has litellm (default: $LITELLM_PYTHON, or that of .venv-bench or .venv)
    """

struct Options {
    var data: URL?
    var python: URL?
    var out = URL(fileURLWithPath: "Benchmarks/results")

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard ["--data", "--python", "--out"].contains(name), let value = rest.popFirst() else {
                throw OptionError(name: name)
            }
            let url = URL(fileURLWithPath: value)
            switch name {
            case "--data": data = url
            case "--python": python = url
            default: out = url
            }
        }
    }
}

struct OptionError: Error {
    let name: String
}

struct PromptLine: Decodable {
    let prompt: String
}

func readPrompts(_ file: URL) throws -> [String] {
    try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
        try JSONDecoder().decode(PromptLine.self, from: Data(line.utf8)).prompt
    }
}

func microseconds(_ value: Double) -> String {
    String(format: "%.1f", value)
}

func run(_ options: Options) throws {
    let rounds = 5
    let promptsPerSize = 4_000
    // Bound to a pool that the weights know: linear heads and trees both speak.
    let classifier = LearnedClassifier().bound(
        to: LearnedClassifier.largestPool(of: .shipped).map {
            ModelCard(name: $0, tier: .cheap, contextWindowTokens: 1_000_000, deployments: [])
        })
    var report = BenchmarkReport(name: "classifier")
    var maker = PromptMaker(seed: 1)
    let mixed = try options.data.map(readPrompts) ?? maker.prompts(promptsPerSize, meanBytes: 500)
    let sets = [
        ("0.1 KB", "100b", maker.prompts(promptsPerSize, meanBytes: 100)),
        (options.data == nil ? "0.5 KB" : "data", "500b", mixed),
        ("2 KB", "2kb", maker.prompts(promptsPerSize, meanBytes: 2_000)),
        ("20 KB", "20kb", maker.prompts(promptsPerSize / 4, meanBytes: 20_000)),
    ]
    var allocations = 0.0
    var table = Table("prompt", "mean bytes", "assess p50", "p99", "view p50", "p99", "both p50", "p99", "us")
    for (title, key, prompts) in sets {
        let timing = try Timing(prompts, rounds: rounds, classifier)
        let meanBytes = Double(prompts.reduce(0) { $0 + $1.utf8.count }) / Double(prompts.count)
        let parts = [("assess", timing.assess), ("view", timing.view), ("both", timing.both)]
        table.add(
            [title, String(Int(meanBytes))]
                + parts.flatMap { [microseconds($0.1[0.5]), microseconds($0.1[0.99])] })
        var fields: [String: Detail] = ["mean_bytes": .number(meanBytes), "prompts": .number(Double(prompts.count))]
        for (name, times) in parts {
            fields["\(name)_p50_us"] = .number(times[0.5])
            fields["\(name)_p99_us"] = .number(times[0.99])
        }
        report.detail[key] = .fields(fields)
        report.count += prompts.count * rounds
        if key == "500b" {
            report.set("p50_us_500b", timing.assess[0.5])
            report.set("p99_us_500b", timing.assess[0.99])
            allocations = try Timing.allocationsPerCall(prompts, classifier)
            report.set("allocations_per_call", allocations)
        }
        if key == "20kb" { report.set("p50_us_20kb", timing.assess[0.5]) }
    }
    report.detail["classifier"] = .text(classifier.version)
    report.notes.append("the quietest of \(rounds) rounds over each set of prompts, by its 99th percentile")
    #if DEBUG
        report.notes.append("a debug build: these figures mean nothing")
    #endif
    print(table.text)
    addPeer(&report, mixed, options)
    print("wrote \(try report.write(into: options.out).path)")
    #if !DEBUG
        guard allocations == 0 else { throw Allocated(perCall: allocations) }
    #endif
}

/// A regression that the run must not end well with.
struct Allocated: Error, CustomStringConvertible {
    let perCall: Double
    var description: String { "classifying a request allocates \(perCall) times; it must not allocate" }
}

func addPeer(_ report: inout BenchmarkReport, _ prompts: [String], _ options: Options) {
    let script = URL(fileURLWithPath: "Benchmarks/bench-classifier/litellm_heuristic.py")
    let named = ProcessInfo.processInfo.environment["LITELLM_PYTHON"].map { URL(fileURLWithPath: $0) }
    let usual = [".venv-bench/bin/python", ".venv/bin/python"].map { URL(fileURLWithPath: $0) }
    do throws(Peer.Missing) {
        let peer = try Peer.measure(prompts, script: script, pythons: (options.python ?? named).map { [$0] } ?? usual)
        report.set("litellm_v1_p50_us", peer.p50_us)
        if let second = peer.v2_p50_us {
            report.set("litellm_v2_p50_us", second)
            print("LiteLLM \(peer.version) heuristic v2, same prompts: p50 \(microseconds(second)) us")
        }
        report.detail["litellm"] = .fields([
            "version": .text(peer.version), "p50_us": .number(peer.p50_us), "p99_us": .number(peer.p99_us),
        ])
        print(
            "LiteLLM \(peer.version) heuristic v1, same prompts: p50 \(microseconds(peer.p50_us)) us,",
            "p99 \(microseconds(peer.p99_us)) us")
    } catch {
        report.notes.append("LiteLLM was not measured: \(error.reason)")
        print("LiteLLM was not measured: \(error.reason)")
    }
}

do {
    try run(try Options(Array(CommandLine.arguments.dropFirst())))
} catch let error as OptionError {
    print("cannot use \(error.name)\n\(usage)")
    exit(2)
} catch {
    print("bench-classifier: \(error)")
    exit(1)
}
