internal import Glibc

/// The time that reports are made with.
enum RestoreClock {
    /// Nanoseconds that never go back.
    static let now_ns: @Sendable () -> UInt64 = {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
