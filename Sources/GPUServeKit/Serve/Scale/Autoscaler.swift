/// How many replicas one deployment should have, from its load: as many as keep `concurrency` requests on each, at once when
/// the load grows, and fewer only when it has been lower for the whole of `scaledown_ms`. Pure; times are of a clock that
/// never jumps.
public struct Autoscaler: Sendable {
    /// Why there should be that many.
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        /// Nothing to do and nothing expected.
        case idle
        /// The floor that was set.
        case minimum
        /// Requests that are there.
        case load
        /// Requests that were there less than the scale-down window ago.
        case recentLoad
        /// Requests that are likely to come while a replica would be waking.
        case expected
    }

    /// In force from the next decision on.
    public var settings: ScaleSettings
    /// What the traffic so far says about the next request.
    public private(set) var forecast = ArrivalForecast()
    /// Wanted counts, highest and oldest first, each with the last time that so many were wanted: the first is the peak of the
    /// window.
    private var peaks: [(time_ms: Int, count: Int)] = []

    /// A deployment without traffic so far.
    public init(_ settings: ScaleSettings) { self.settings = settings }

    /// Notes a request.
    public mutating func requestArrived(at now_ms: Int) { forecast.requestArrived(at: now_ms) }

    /// How many replicas there should be now.
    ///
    /// - Parameters:
    ///   - inFlight: requests being answered.
    ///   - held: requests that wait for a replica.
    ///   - wake_ms: how long waking one is predicted to take.
    public mutating func desired(inFlight: Int, held: Int, wake_ms: Int, at now_ms: Int) -> (count: Int, reason: Reason)
    {
        let load = inFlight + held
        var wanted = settings.replicaCount(for: load)
        if load > 0 { wanted += settings.bufferCount }
        // What is expected counts as load, so that a replica woken for it stays for the whole window.
        let isGuess = wanted == 0 && isExpected(wake_ms, now_ms)
        wanted = min(isGuess ? 1 : wanted, settings.maxCount)
        // What was wanted last was wanted until now.
        if !peaks.isEmpty { peaks[peaks.count - 1].time_ms = now_ms }
        while let last = peaks.last, last.count <= wanted { peaks.removeLast() }
        peaks.append((now_ms, wanted))
        while peaks.count > 1, now_ms - peaks[0].time_ms >= settings.scaledown_ms { peaks.removeFirst() }
        let peak = min(peaks[0].count, settings.maxCount)
        if peak <= settings.minCount { return (settings.minCount, settings.minCount > 0 ? .minimum : .idle) }
        return (peak, wanted < peak ? .recentLoad : isGuess ? .expected : .load)
    }

    /// Whether a request is more likely than not to come while a replica that is woken now would be waking, or in as much time
    /// again: waking on a guess is worth it only when the guess is soon proved right.
    private func isExpected(_ wake_ms: Int, _ now_ms: Int) -> Bool {
        guard settings.isPrewaking else { return false }
        return (forecast.probability(at: now_ms, within: 2 * max(wake_ms, 500)) ?? 0) > 0.5
    }
}
