import BenchSupport
import GPUServeKit
import RouterKit

/// What policies come to over several traces, for one cost of waking.
struct Curves {
    /// A policy's figures, as means over the traces.
    struct Point {
        var held_s: Double
        var meanWait_ms: Double
        var p50_ms: Double
        var p99_ms: Double
        var hitRate: Double
        var evictionCount: Double
        var wakeCount: Double
        /// Least and most of the mean wait over the traces.
        var waitRange_ms: ClosedRange<Double>
        let policy: Policy
        var name: String { policy.name }

        init(_ policy: Policy, _ outcomes: [Outcome]) {
            func mean(_ value: (Outcome) -> Double) -> Double {
                outcomes.reduce(0) { $0 + value($1) } / Double(outcomes.count)
            }
            self.policy = policy
            held_s = mean(\.held_s)
            meanWait_ms = mean(\.meanWait_ms)
            p50_ms = mean { Percentiles($0.waits_ms)[0.5] }
            p99_ms = mean { Percentiles($0.waits_ms)[0.99] }
            hitRate = mean(\.hitRate)
            evictionCount = mean { Double($0.evictionCount) }
            wakeCount = mean { Double($0.wakeCount) }
            let waits = outcomes.map(\.meanWait_ms)
            waitRange_ms = waits.min()!...waits.max()!
        }

        var detail: Detail {
            .fields([
                "policy": .text(name), "gpu_s": .number(held_s), "wait_ms_mean": .number(meanWait_ms),
                "wait_ms_p50": .number(p50_ms), "wait_ms_p99": .number(p99_ms), "hit_rate": .number(hitRate),
                "evictions": .number(evictionCount), "wakes": .number(wakeCount),
                "wait_ms_mean_range": .list([.number(waitRange_ms.lowerBound), .number(waitRange_ms.upperBound)]),
            ])
        }
    }

    let costs: WakeCosts
    /// Whatever came up stays until another needs its place: the one that was used longest ago goes.
    let forever: Point
    /// A fixed time-out, and the same when places are short.
    let fixed: [Point]
    /// Time-outs and wakes by what the traffic so far makes worth it, and the least worthy goes.
    let ours: [Point]

    static let windows_s = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300]
    /// Idle seconds that one wake is worth.
    static let worths_s = [2.5, 3.5, 5, 6, 7.5, 10, 15, 20, 30, 45, 60, 120]

    /// `speed` is how many times as fast as recorded the traces are.
    init(_ traces: [Trace], _ costs: WakeCosts, placeCount: Int, speed: Int = 1) {
        self.costs = costs
        func point(_ policy: Policy) -> Point {
            Point(policy, traces.map { Replay.run($0, policy, costs, placeCount: placeCount) })
        }
        forever = point(Policy("keep alive for ever", window_s: 86_400))
        fixed = Self.windows_s.map {
            point(Policy("time-out of \(Self.text($0)) s", window_s: $0 / Double(speed)))
        }
        ours = Self.worths_s.map { worth_s in
            let patience = Int((worth_s * 1000 / Double(speed * costs.wake_ms)).rounded())
            return point(Policy(patience: max(1, patience)))
        }
    }

    static func text(_ value: Double) -> String {
        value == value.rounded() ? "\(Int(value))" : "\(value)"
    }

    /// Our mean wait at a cost: on the line between the two of ours that cost next less and next more, or the least of those
    /// that cost less where that is better; nil when all cost more.
    func ourWait_ms(at held_s: Double) -> Double? {
        let sorted = ours.sorted { $0.held_s < $1.held_s }
        let cheaper = sorted.filter { $0.held_s <= held_s }
        guard let below = cheaper.last, let least = cheaper.map(\.meanWait_ms).min() else { return nil }
        guard let above = sorted.first(where: { $0.held_s > held_s }) else { return least }
        let share = (held_s - below.held_s) / (above.held_s - below.held_s)
        return min(least, below.meanWait_ms + share * (above.meanWait_ms - below.meanWait_ms))
    }

    /// Our wait as a share of a baseline's, at its cost; nil where none of ours is as cheap.
    func share(of point: Point) -> Double? { ourWait_ms(at: point.held_s).map { $0 / point.meanWait_ms } }

    /// The one of ours that waits least at no more than two thirds of the cost of keep-alive.
    var chosen: Point {
        let cheap = ours.filter { $0.held_s <= forever.held_s * 2 / 3 }
        return (cheap.isEmpty ? ours : cheap).min { $0.meanWait_ms < $1.meanWait_ms }!
    }

    /// The time-out of a minute.
    var minute: Point { fixed[Self.windows_s.firstIndex(of: 60)!] }

    func chart(_ title: String) -> Chart {
        Chart(
            title: title, note: "means over five seeds; further left and further down is better",
            xTitle: "GPU-seconds in an hour", yTitle: "mean wait of a request, ms",
            lines: [
                Chart.Line("gpuserve, by patience", ours.map { ($0.held_s, $0.meanWait_ms) }, .blue),
                Chart.Line("fixed time-out", fixed.map { ($0.held_s, $0.meanWait_ms) }, .grey, isDashed: true),
            ],
            marks: [
                Chart.Mark("keep alive for ever", x: forever.held_s, y: forever.meanWait_ms, .black, label: "for ever")
            ], xRange: 0...7200)
    }
}

extension Policy {
    /// What others do.
    init(_ name: String, window_s: Double) {
        self.init(
            name: name,
            settings: ScaleSettings(concurrency: 64, scaledown_ms: Int(window_s * 1000), isPrewaking: false),
            weighsWorth: false)
    }

    /// What the daemon does with `--patience`.
    init(patience: Int) {
        self.init(
            name: "patience \(patience)", settings: ScaleSettings(concurrency: 64, patience: patience),
            weighsWorth: true)
    }
}
