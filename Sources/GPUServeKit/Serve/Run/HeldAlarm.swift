internal import Transport

/// Which moment is waited for, so that the first deadline of all who wait is seen when it comes. Pure.
struct HeldAlarm: Sendable, Hashable {
    /// That moment; `.max` when none is.
    private(set) var armed_ns = UInt64.max

    /// The moment to wait for from now on; nil when the one before is early enough, or there is no deadline.
    mutating func arm(for earliest_ns: UInt64?) -> UInt64? {
        guard let earliest_ns, earliest_ns < armed_ns else { return nil }
        armed_ns = earliest_ns
        return earliest_ns
    }

    /// Forgets a moment that has come.
    mutating func passed(_ now_ns: UInt64) { if armed_ns <= now_ns { armed_ns = .max } }
}

/// The time as those who wait for a replica have it; a seam, so that tests can let it pass.
struct HeldClock: Sendable {
    /// Monotonic nanoseconds.
    var now_ns: @Sendable () -> UInt64
    /// Calls `body` once, when that moment has come. Any thread.
    var call: @Sendable (_ moment_ns: UInt64, _ body: @escaping @Sendable () -> Void) -> Void

    /// The machine's.
    static let system = HeldClock(
        now_ns: { EventLoop.clock_ns() },
        call: { moment_ns, body in
            Task {
                // Never early: nobody would look again.
                while case let now_ns = EventLoop.clock_ns(), now_ns < moment_ns {
                    guard (try? await Task.sleep(nanoseconds: moment_ns - now_ns)) != nil else { return }
                }
                body()
            }
        })
}
