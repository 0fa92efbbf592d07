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

    /// What is wished for.
    public struct Wish: Sendable, Hashable {
        /// Replicas that there should be.
        public var count: Int
        /// How many of them may push others out for it: for requests, promises and what somebody asked for, not for guesses
        /// and what was wanted a while ago.
        public var urgentCount: Int
    }

    /// How many replicas there should be now, and how urgently.
    ///
    /// - Parameters:
    ///   - inFlight: requests being answered.
    ///   - held: requests that wait for a replica.
    ///   - wake_ms: how long waking one is predicted to take.
    ///   - isAskedFor: whether somebody wants one to be up, requests or not.
    ///   - isPushedOut: whether it made room for others, so that what was wanted before counts no more.
    public mutating func wish(
        inFlight: Int, held: Int, wake_ms: Int, isAskedFor: Bool = false, isPushedOut: Bool = false, at now_ms: Int
    ) -> Wish {
        let (count, reason) = desired(inFlight: inFlight, held: held, wake_ms: wake_ms, at: now_ms)
        var urgent = max(settings.minCount, settings.replicaCount(for: inFlight + held))
        if isAskedFor { urgent = max(urgent, 1) }
        urgent = min(urgent, settings.maxCount)
        let wanted = isPushedOut ? reason == .expected ? 1 : 0 : count
        return Wish(count: max(urgent, wanted), urgentCount: urgent)
    }

    /// How many replicas there should be now, and what speaks for it.
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
        if load == 0, settings.patience > 0 { return patient(wake_ms, now_ms) }
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
    /// Nobody is there: one stays, or comes, as long as the time that it idles is worth the waiting that it is likely to save.
    /// As long as nothing is known it stays until it has idled away what one wait is worth: then no other rule costs less
    /// than half as much (the ski rental problem).
    private mutating func patient(_ wake_ms: Int, _ now_ms: Int) -> (count: Int, reason: Reason) {
        let worth_ms = settings.patience * max(1, wake_ms)
        let isWorth: Bool
        let isKnown: Bool
        if let rate = forecast.likelihoodPer_ms(at: now_ms) {
            isWorth = rate * Double(worth_ms) >= 1 && (settings.isPrewaking || (peaks.last?.count ?? 0) > 0)
            isKnown = true
        } else {
            isWorth = forecast.idle_ms(at: now_ms).map { $0 < worth_ms } ?? false
            isKnown = false
        }
        let wanted = min(isWorth ? 1 : 0, settings.maxCount)
        peaks = [(now_ms, wanted)]
        guard wanted > settings.minCount else { return (settings.minCount, settings.minCount > 0 ? .minimum : .idle) }
        return (wanted, isKnown ? .expected : .recentLoad)
    }
}
