import BenchSupport
import Foundation
import GPUServeKit
import RouterKit

@main struct Command {
    static let usage = """
        usage: bench-trace [--quick] [--wake FILE] [--out DIRECTORY]
          Plays an hour of requests for ten deployments, of which two find room, through the daemon's scheduler in virtual time,
          beside keep-alive-for-ever and fixed time-outs, with the wakes that make bench-wake measured.
          Writes DIRECTORY/trace.json and trace.svg (default: Benchmarks/results). Run it from the project's root.
          --quick   one seed; writes trace-quick.json
          --wake    results of make bench-wake (default: Benchmarks/results/wake.json)
               bench-trace --speed TIMES --wake-ms N --sleep-ms N [--brevity TIMES]
          Prints the recorded hour so many times as fast, and what the replay makes of it, for those who play it to a daemon.
          --brevity  how many times shorter requests are still, for an engine that does not answer any number of them at once
        """

    static let placeCount = 2
    /// How long what leaves still holds its place, where no daemon was measured.
    static let sleep_ms = 200

    private struct Unusable: Error, CustomStringConvertible { let description: String }

    static func main() {
        var options: [String: String] = [:]
        var isQuick = false
        var rest = CommandLine.arguments.dropFirst()
        let known = ["--wake", "--out", "--speed", "--wake-ms", "--sleep-ms", "--brevity"]
        while let name = rest.popFirst() {
            if name == "--quick" {
                isQuick = true
            } else if known.contains(name), let value = rest.popFirst() {
                options[name] = value
            } else {
                print("cannot use \(name)\n\(usage)")
                exit(2)
            }
        }
        do {
            if options["--speed"] == nil {
                try compare(options, isQuick)
            } else {
                try printFast(options)
            }
        } catch {
            print("bench-trace: \(error)")
            exit(1)
        }
    }

    // MARK: Policies compared

    private static func compare(_ options: [String: String], _ isQuick: Bool) throws {
        let wake = options["--wake"] ?? "Benchmarks/results/wake.json"
        let out = URL(fileURLWithPath: options["--out"] ?? "Benchmarks/results")
        guard let wakes = figures(wake), let image_ms = wakes["llamacpp_penalty_ms_p50"],
            let start_ms = wakes["llamacpp_normal_start_ms_p50"]
        else { throw Unusable(description: "\(wake) holds no wakes of llama.cpp: run make bench-wake first") }
        let measured_ms = figures("Benchmarks/results/trace-daemon.json")?["sleep_ms_p50"].map { Int($0.rounded()) }
        let sleep_ms = measured_ms ?? sleep_ms
        var report = BenchmarkReport(name: isQuick ? "trace-quick" : "trace")
        let seeds: ClosedRange<UInt64> = isQuick ? 1...1 : 1...5
        let text = try recorded()
        let kinds = [
            ("", "recorded", try seeds.map { try Trace(recorded: text, seed: $0) }),
            ("made_up_", "made up", seeds.map { Trace(seed: $0) }),
        ]
        report.notes = [
            "recorded: requests a minute of ten hours of six functions of a public cloud (Benchmarks/bench-trace/recorded.csv); "
                + "where in its minute a request came and how long it takes is made up from seeds",
            "engines exist only in the replay, which is in virtual time; wakes take what \(wake) says",
            "what leaves holds its place for \(sleep_ms) ms more"
                + (measured_ms == nil ? ", which was not measured" : ", as trace-daemon.json says"),
        ]
        var charts: [Chart] = []
        var table = Table("", "GPU-s", "wait mean", "p50", "p99 ms", "hit rate", "evictions")
        for (prefix, kind, traces) in kinds {
            report.count += traces.reduce(0) { $0 + $1.requests.count }
            for (key, wake_ms, how) in [("image", image_ms, "a process image"), ("start", start_ms, "its own start")] {
                let costs = WakeCosts(wake_ms: Int(wake_ms.rounded()), sleep_ms: sleep_ms)
                let curves = Curves(traces, costs, placeCount: placeCount)
                let title = "Hours \(kind), wakes from \(how), \(costs.wake_ms) ms"
                charts.append(curves.chart(title))
                table.add([title])
                for point in curves.ours + curves.fixed + [curves.forever] { table.add(row(point)) }
                report.add(curves, prefix + key)
            }
        }
        print(table.text)
        for note in report.notes { print("note: \(note)") }
        let page = ChartPage(
            title: "Ten deployments where two find room",
            note: "an hour of requests, some by a timer, most in bursts; waits of all requests, also those of none",
            charts: charts)
        if !isQuick { try Data(page.svg().utf8).write(to: out.appendingPathComponent("trace.svg"), options: .atomic) }
        print("written: \(try report.write(into: out).path)")
    }

    private static func figures(_ path: String) -> [String: Double]? {
        struct Result: Decodable { let metrics: [String: Double] }
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return try? JSONDecoder().decode(Result.self, from: data).metrics
    }

    private static func recorded() throws -> String {
        try String(contentsOfFile: "Benchmarks/bench-trace/recorded.csv", encoding: .utf8)
    }

    // MARK: For those who play it

    private static func printFast(_ options: [String: String]) throws {
        func number(_ name: String, _ standard: Int? = nil) throws -> Int {
            guard let value = options[name].map({ Int($0) }) ?? standard, value > 0 else {
                throw Unusable(description: "\(name) takes a number above 0")
            }
            return value
        }
        let speed = try number("--speed")
        let costs = WakeCosts(wake_ms: try number("--wake-ms"), sleep_ms: try number("--sleep-ms"))
        let brevity = try number("--brevity", 1)
        let trace = try Trace(recorded: recorded(), seed: 1).squeezed(by: speed, brevity: brevity)
        let curves = Curves([trace], costs, placeCount: placeCount, speed: speed)
        let policies = [("ours", curves.chosen), ("fixed60", curves.minute), ("forever", curves.forever)].map {
            Detail.fields([
                "name": .text($0), "policy": .text($1.name), "patience": .number(Double($1.policy.settings.patience)),
                "scaledown_s": .number(Double($1.policy.settings.scaledown_ms) / 1000), "foreseen": $1.detail,
            ])
        }
        let requests = trace.requests.map {
            Detail.list([$0.deployment, $0.arrived_ms, $0.service_ms].map { .number(Double($0)) })
        }
        let found = Detail.fields([
            "length_ms": .number(Double(trace.length_ms)), "requests": .list(requests), "policies": .list(policies),
        ])
        FileHandle.standardOutput.write(try JSONEncoder().encode(found))
    }

    private static func row(_ point: Curves.Point) -> [String] {
        func text(_ value: Double) -> String { String(format: "%.0f", value) }
        return [
            "  " + point.name, text(point.held_s), text(point.meanWait_ms), text(point.p50_ms), text(point.p99_ms),
            String(format: "%.3f", point.hitRate), text(point.evictionCount),
        ]
    }
}

extension BenchmarkReport {
    /// The chosen point of ours, keep-alive and a time-out of a minute, and how ours compares with all of theirs.
    mutating func add(_ curves: Curves, _ key: String) {
        for (name, point) in [("ours", curves.chosen), ("forever", curves.forever), ("fixed60", curves.minute)] {
            set("\(key)_\(name)_gpu_s", point.held_s)
            set("\(key)_\(name)_wait_ms_mean", point.meanWait_ms)
            set("\(key)_\(name)_wait_ms_p50", point.p50_ms)
            set("\(key)_\(name)_wait_ms_p99", point.p99_ms)
            set("\(key)_\(name)_hit_rate", point.hitRate)
            set("\(key)_\(name)_evictions", point.evictionCount)
        }
        let shares = (curves.fixed + [curves.forever]).compactMap { curves.share(of: $0) }
        set("\(key)_wait_share_worst", shares.max() ?? 0)
        set("\(key)_wait_share_median", Percentiles(shares)[0.5])
        set("\(key)_baselines_beaten", Double(shares.count { $0 < 1 }))
        set("\(key)_baselines", Double(curves.fixed.count + 1))
        detail[key] = .fields([
            "wake_ms": .number(Double(curves.costs.wake_ms)), "chosen": .text(curves.chosen.name),
            "ours": .list(curves.ours.map(\.detail)), "fixed": .list(curves.fixed.map(\.detail)),
            "forever": curves.forever.detail,
        ])
    }
}
