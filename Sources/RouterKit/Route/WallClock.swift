import Glibc

/// The time of day, for receipts and logs only: durations come from the monotonic clock.
enum WallClock {
    /// Milliseconds since 1970 UTC.
    static func now_ms() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
