/// Decides whether an endpoint (or a key) may be tried, from what came of earlier tries.
///
/// A pure state machine: time comes in as an argument, so thousands of transitions are tested without a clock.
/// - closed: everything is admitted; `failuresToOpen` failures in a row open it, a trip opens it at once;
/// - open: nothing is admitted until the cool-down is over; each opening in a row doubles the cool-down;
/// - half-open: one probe is admitted; its success closes the breaker, its failure opens it again.
///
/// Results of requests admitted before the last change of state are ignored: a slow request from before an
/// outage must neither close a breaker nor prolong its cool-down.
public struct CircuitBreaker: Sendable, Hashable {
    /// Bounds of the state machine.
    public struct Settings: Sendable, Hashable {
        /// Failures in a row that open a closed breaker, 1 or more.
        public var failuresToOpen: Int
        /// First cool-down after failures in a row; doubles with each opening in a row.
        public var coolDown_ms: Int
        /// Bound of the doubling.
        public var coolDownCeiling_ms: Int
        /// Cool-down of a key that was refused (401, 403).
        public var refusedKeyCoolDown_ms: Int
        /// Bound of a `Retry-After`: a provider's mistake must not take an endpoint out for a day.
        public var retryAfterCeiling_ms: Int

        /// Bounds that suit hosted models.
        public init(
            failuresToOpen: Int = 5, coolDown_ms: Int = 1_000, coolDownCeiling_ms: Int = 60_000,
            refusedKeyCoolDown_ms: Int = 30_000, retryAfterCeiling_ms: Int = 120_000
        ) {
            precondition(failuresToOpen > 0 && coolDown_ms > 0, "a breaker needs positive bounds")
            self.failuresToOpen = failuresToOpen
            self.coolDown_ms = coolDown_ms
            self.coolDownCeiling_ms = max(coolDown_ms, coolDownCeiling_ms)
            self.refusedKeyCoolDown_ms = max(1, refusedKeyCoolDown_ms)
            self.retryAfterCeiling_ms = max(1, retryAfterCeiling_ms)
        }
    }

    /// Where the machine stands.
    public enum State: Sendable, Hashable {
        /// Admits everything; so many failures in a row so far.
        case closed(failures: Int)
        /// Admits nothing before `until_ns`.
        case open(until_ns: UInt64)
        /// Admits one probe at a time.
        case halfOpen(isProbing: Bool, since_ns: UInt64)

        /// Stable and bounded, for metrics.
        public var label: String {
            switch self {
            case .closed: "closed"
            case .open: "open"
            case .halfOpen: "half_open"
            }
        }
    }

    /// Whether a try would be admitted now.
    public enum Readiness: Sendable, Hashable {
        /// It would.
        case ready
        /// Not before this time.
        case notBefore(UInt64)
    }

    /// Proof of admission, handed back with the result.
    public struct Ticket: Sendable, Hashable {
        fileprivate let era: UInt64
    }

    /// What came of a try, as far as a breaker is concerned.
    public enum Event: Sendable, Hashable {
        /// The other side works.
        case success
        /// The other side failed; counts towards opening.
        case failure
        /// Open at once, for this long.
        case trip(coolDown_ms: Int)
        /// Nothing was learned (the client went away).
        case nothing
    }

    /// A change worth counting or logging.
    public enum Transition: Sendable, Hashable {
        /// Opened until this time.
        case opened(until_ns: UInt64)
        /// Closed again after a good probe.
        case closed
    }

    /// Where the machine stands. An open breaker whose cool-down is over still reads as open until the next try.
    public private(set) var state: State = .closed(failures: 0)
    /// How often it opened since it was made.
    public private(set) var openedCount = 0

    private let settings: Settings
    private var openingsInRow = 0
    /// Counts changes of state; a ticket of an earlier era has nothing to say about this one.
    private var era: UInt64 = 0

    /// A closed breaker.
    public init(settings: Settings = Settings()) {
        self.settings = settings
    }

    /// Whether a try would be admitted at `now_ns`; changes nothing.
    public func readiness(now_ns: UInt64) -> Readiness {
        switch state {
        case .closed, .halfOpen(isProbing: false, _):
            .ready
        case .open(let until_ns):
            now_ns >= until_ns ? .ready : .notBefore(until_ns)
        case .halfOpen(isProbing: true, let since_ns):
            // No one knows when the probe will answer; one cool-down after it began is a fair time to ask again.
            .notBefore(max(now_ns, since_ns) &+ Self.nanoseconds(settings.coolDown_ms))
        }
    }

    /// Admits a try, or `nil` when ``readiness(now_ns:)`` says no.
    public mutating func admit(now_ns: UInt64) -> Ticket? {
        guard readiness(now_ns: now_ns) == .ready else { return nil }
        switch state {
        case .closed: break
        case .open, .halfOpen:
            era &+= 1
            state = .halfOpen(isProbing: true, since_ns: now_ns)
        }
        return Ticket(era: era)
    }

    /// Learns what came of an admitted try.
    public mutating func record(_ event: Event, ticket: Ticket, now_ns: UInt64) -> Transition? {
        guard ticket.era == era else { return nil }
        switch state {
        case .open:
            return nil
        case .closed(let failures):
            switch event {
            case .nothing: return nil
            case .success:
                state = .closed(failures: 0)
                return nil
            case .failure:
                guard failures + 1 >= settings.failuresToOpen else {
                    state = .closed(failures: failures + 1)
                    return nil
                }
                return open(for: growingCoolDown_ms, now_ns: now_ns)
            case .trip(let coolDown_ms):
                return open(for: coolDown_ms, now_ns: now_ns)
            }
        case .halfOpen:
            switch event {
            case .nothing:
                state = .halfOpen(isProbing: false, since_ns: now_ns)
                return nil
            case .success:
                state = .closed(failures: 0)
                openingsInRow = 0
                era &+= 1
                return .closed
            case .failure:
                return open(for: growingCoolDown_ms, now_ns: now_ns)
            case .trip(let coolDown_ms):
                return open(for: max(coolDown_ms, 1), now_ns: now_ns)
            }
        }
    }

    private mutating func open(for coolDown_ms: Int, now_ns: UInt64) -> Transition {
        let until_ns = now_ns &+ Self.nanoseconds(max(1, coolDown_ms))
        state = .open(until_ns: until_ns)
        openingsInRow += 1
        openedCount += 1
        era &+= 1
        return .opened(until_ns: until_ns)
    }

    private var growingCoolDown_ms: Int {
        // 2^20 cool-downs is past any ceiling; the bound keeps the shift from overflowing.
        let factor = 1 << min(openingsInRow, 20)
        let (product, isTooLarge) = settings.coolDown_ms.multipliedReportingOverflow(by: factor)
        return isTooLarge ? settings.coolDownCeiling_ms : min(product, settings.coolDownCeiling_ms)
    }

    private static func nanoseconds(_ milliseconds: Int) -> UInt64 { UInt64(milliseconds) &* 1_000_000 }
}
