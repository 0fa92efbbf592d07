internal import Transport

/// The time that reports are made with.
enum RestoreClock {
    /// Nanoseconds that never go back.
    static let now_ns: @Sendable () -> UInt64 = { EventLoop.clock_ns() }
}
