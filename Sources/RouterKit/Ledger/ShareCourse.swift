import Wire

/// How often each model was chosen, over the course of a log, in a bounded number of windows: when there are too many,
/// neighbours are joined and from then on each takes twice as many requests.
struct ShareCourse: Sendable, Hashable {
    private struct Window: Sendable, Hashable {
        var counts: [String: Int] = [:]
        var requestsCount = 0

        mutating func add(_ other: Window) {
            counts.merge(other.counts) { $0 + $1 }
            requestsCount += other.requestsCount
        }
    }

    private static let mostWindowsCount = 64
    private var windows = [Window()]
    private var windowSize = 16
    private var policyHashes: Set<String> = []
    private var names: Set<String> = []

    mutating func add(_ model: String, policyHash: String, limits: Limits) {
        if policyHashes.count < limits.reportGroupsCount { policyHashes.insert(policyHash) }
        if names.count < limits.reportGroupsCount { names.insert(model) }
        let name = names.contains(model) ? model : LogReport.otherGroup
        if windows[windows.count - 1].requestsCount == windowSize {
            if windows.count == Self.mostWindowsCount { joinNeighbours() }
            if windows[windows.count - 1].requestsCount == windowSize { windows.append(Window()) }
        }
        windows[windows.count - 1].counts[name, default: 0] += 1
        windows[windows.count - 1].requestsCount += 1
    }

    private mutating func joinNeighbours() {
        windowSize *= 2
        windows = stride(from: 0, to: windows.count, by: 2).map { index in
            var joined = windows[index]
            if index + 1 < windows.count { joined.add(windows[index + 1]) }
            return joined
        }
    }

    /// The model whose share differs most between the first and the last third, beyond chance; `nil` when none does.
    func drift() -> String? {
        let third = windows.count / 3
        guard third > 0 else { return nil }
        let first = Self.sum(windows.prefix(third))
        let last = Self.sum(windows.suffix(third))
        var worst: (name: String, before: Double, after: Double)?
        for name in Set(first.counts.keys).union(last.counts.keys).sorted() {
            let (n, m) = (Double(first.requestsCount), Double(last.requestsCount))
            let before = Double(first.counts[name] ?? 0) / n
            let after = Double(last.counts[name] ?? 0) / m
            let pooled = Double((first.counts[name] ?? 0) + (last.counts[name] ?? 0)) / (n + m)
            let error = (pooled * (1 - pooled) * (1 / n + 1 / m)).squareRoot()
            let change = (after - before).magnitude
            guard change > 0.1, change > 4 * error else { continue }
            if let known = worst, (known.after - known.before).magnitude >= change { continue }
            worst = (name, before, after)
        }
        guard let worst else { return nil }
        let cause =
            policyHashes.count > 1
            ? "the policy or the pool was changed meanwhile (\(policyHashes.count) policy hashes)"
            : "policy and pool stayed the same, so the traffic changed: calibrate on newer outcomes"
        return
            "the share of \(worst.name.printable) went from \(Figures.percent(worst.before)) in the first third of the "
            + "log to \(Figures.percent(worst.after)) in the last; \(cause)"
    }

    private static func sum(_ windows: ArraySlice<Window>) -> Window {
        windows.reduce(into: Window()) { $0.add($1) }
    }
}
