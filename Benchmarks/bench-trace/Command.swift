import BenchSupport
import Foundation
import RouterKit

@main struct Command {
    static let usage = """
        usage: bench-trace [--quick] [--wake FILE] [--out DIRECTORY]
          Plays an hour of requests for ten deployments, of which two find room, through the daemon's scheduler in virtual time,
          beside keep-alive-for-ever and fixed time-outs, with the wakes that make bench-wake measured.
          Writes DIRECTORY/trace.json and trace.svg (default: Benchmarks/results). Run it from the project's root.
          --quick   one trace of ten minutes; writes trace-quick.json
          --wake    results of make bench-wake (default: Benchmarks/results/wake.json)
        """

    static let placeCount = 2
    /// How long what leaves still holds its place. Not measured by any benchmark yet: an image of llama.cpp takes about as long.
    static let sleep_ms = 200

    static func main() throws {
        var (isQuick, wake) = (false, "Benchmarks/results/wake.json")
        var out = URL(fileURLWithPath: "Benchmarks/results")
        var rest = CommandLine.arguments.dropFirst()
        while let name = rest.popFirst() {
            switch name {
            case "--quick": isQuick = true
            case "--wake": wake = rest.popFirst() ?? wake
            case "--out": out = URL(fileURLWithPath: rest.popFirst() ?? "Benchmarks/results")
            default:
                print("cannot use \(name)\n\(usage)")
                exit(2)
            }
        }
        struct Wakes: Decodable { let metrics: [String: Double] }
        guard let data = FileManager.default.contents(atPath: wake),
            let metrics = try? JSONDecoder().decode(Wakes.self, from: data).metrics,
            let image_ms = metrics["llamacpp_penalty_ms_p50"], let start_ms = metrics["llamacpp_normal_start_ms_p50"]
        else {
            print("bench-trace: \(wake) holds no wakes of llama.cpp: run make bench-wake first")
            exit(1)
        }
        var report = BenchmarkReport(name: isQuick ? "trace-quick" : "trace")
        let seeds: ClosedRange<UInt64> = isQuick ? 1...1 : 1...5
        let traces = seeds.map { Trace(seed: $0, length_ms: isQuick ? 600_000 : 3_600_000) }
        report.count = traces.reduce(0) { $0 + $1.requests.count }
        report.notes = [
            "the traces are made up from seeds (Benchmarks/bench-trace/Trace.swift): no recorded one is at hand",
            "engines exist only in the replay, which is in virtual time; wakes take what \(wake) says",
            "what leaves is taken to hold its place for \(sleep_ms) ms more",
        ]
        var charts: [Chart] = []
        var table = Table("", "GPU-s", "wait mean", "p50", "p99 ms", "hit rate", "evictions")
        for (key, wake_ms, title) in [
            ("image", image_ms, "Wakes from a process image"), ("start", start_ms, "Wakes by the engine's own start"),
        ] {
            let costs = WakeCosts(wake_ms: Int(wake_ms.rounded()), sleep_ms: sleep_ms)
            let curves = Curves(traces, costs, placeCount: placeCount)
            charts.append(curves.chart("\(title), \(costs.wake_ms) ms"))
            table.add(["\(title), \(costs.wake_ms) ms"])
            for point in curves.ours + curves.fixed + [curves.forever] { table.add(row(point)) }
            report.add(curves, key)
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
        let minute = curves.fixed[Curves.windows_s.firstIndex(of: 60)!]
        for (name, point) in [("ours", curves.chosen), ("forever", curves.forever), ("fixed60", minute)] {
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
