/// One entry in the loop's deadline heap that is moved only when it must fire earlier: a connection whose deadline moves
/// away with every request touches the heap once in a while, not once a request. Confined to its loop's thread.
struct LazyDeadline {
    private var entry: DeadlineID?
    private var entry_ns = UInt64.max

    /// Makes sure that `handler` hears at `at_ns` or earlier. It must look at the clock itself, and ask again.
    mutating func want(_ at_ns: UInt64, _ loop: EventLoop, _ handler: any DeadlineHandler) {
        guard at_ns < entry_ns else { return }
        entry_ns = at_ns
        if let entry, loop.reschedule(entry, at_ns: at_ns) { return }
        entry = loop.schedule(at_ns: at_ns, handler)
    }

    /// The entry fired.
    mutating func fired() {
        entry = nil
        entry_ns = .max
    }

    /// Takes the entry off the heap.
    mutating func cancel(_ loop: EventLoop) {
        if let entry { loop.cancel(entry) }
        fired()
    }

    /// `start_ns` and `after_ms` milliseconds.
    static func time_ns(_ start_ns: UInt64, after_ms: Int) -> UInt64 {
        // Bounded at some 35 years, so that "never" written as a huge number does not wrap around.
        start_ns &+ UInt64(min(max(0, after_ms), 1 << 40)) &* 1_000_000
    }
}
