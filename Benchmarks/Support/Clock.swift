import Glibc

/// Monotonic time in nanoseconds (CLOCK_MONOTONIC_RAW: not steered, so short spans compare).
public func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC_RAW, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// Keeps a value that a benchmark computed from being optimised away.
@inline(never)
public func keep<Value>(_ value: borrowing Value) {}
