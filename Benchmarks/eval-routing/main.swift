import BenchSupport
import Foundation
import RouterKit

// How good routing decisions are on measured outcomes. See `usage`.

let usage = """
    usage: eval-routing --data FOLDER [--python PATH] [--out DIRECTORY] [--policy-out FILE]
      Measures the shipped classifier and policy on the dev rows of FOLDER (format: Sources/RouterKit/Learn/OutcomeRow.swift
      and TierTable.swift), beside baselines in the same run. Writes DIRECTORY/routing.json, routing-quality.md and the
      pictures routing-*.svg (default: Benchmarks/results). Run it from the project's root, built with -c release.
      --policy-out  calibrate on the dev rows of the sources that may be shipped, write the policy to
                    FILE (Sources/RouterKit/Policy/shipped-policy.json is made so), and measure nothing
      --python  a Python that has litellm (default: $LITELLM_PYTHON; without it that baseline is left out)
    """

struct Options {
    var data: URL
    var python = ProcessInfo.processInfo.environment["LITELLM_PYTHON"].map { URL(fileURLWithPath: $0) }
    var policyOut: URL?
    var out = URL(fileURLWithPath: "Benchmarks/results")

    init(_ arguments: [String]) throws {
        var values: [String: URL] = [:]
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard ["--data", "--python", "--out", "--policy-out"].contains(name), let value = rest.popFirst() else {
                throw OptionError(name: name)
            }
            values[name] = URL(fileURLWithPath: value)
        }
        guard let data = values["--data"] else { throw OptionError(name: "a command line without --data") }
        self.data = data
        python = values["--python"] ?? python
        policyOut = values["--policy-out"]
        out = values["--out"] ?? out
    }
}

struct OptionError: Error {
    let name: String
}

do {
    let options = try Options(Array(CommandLine.arguments.dropFirst()))
    var run = try Run(options)
    if let file = options.policyOut {
        try run.writePolicy(to: file)
    } else {
        try run.measure()
        try run.write(into: options.out)
    }
} catch let error as OptionError {
    print("cannot use \(error.name)\n\(usage)")
    exit(2)
} catch {
    print("eval-routing: \(error)")
    exit(1)
}
