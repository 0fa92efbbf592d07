/// The two deadlines of one connection (what it waits to read, what it waits to write) behind one entry of the loop's
/// heap. Moving a deadline later is only a store: the entry fires early, sees that, and is scheduled again. So keep-alive
/// traffic does not touch the heap. Confined to the loop's thread.
struct ConnectionTimer {
    enum Verdict {
        /// Nothing is due; schedule again at this time, if any.
        case later(UInt64?)
        case readDue
        case writeDue
    }

    static let never = UInt64.max

    /// When waiting to read gives up.
    private(set) var read_ns = never
    /// When waiting to write gives up.
    private(set) var write_ns = never
    private var entry: DeadlineID?
    private var entry_ns = never

    /// Waits to read until `deadline_ns`.
    mutating func setRead(_ deadline_ns: UInt64, _ loop: EventLoop, _ handler: any DeadlineHandler) {
        read_ns = deadline_ns
        arm(loop, handler)
    }

    /// Waits to write until `deadline_ns`.
    mutating func setWrite(_ deadline_ns: UInt64, _ loop: EventLoop, _ handler: any DeadlineHandler) {
        write_ns = deadline_ns
        arm(loop, handler)
    }

    /// Nothing to read is waited for.
    mutating func clearRead() { read_ns = Self.never }
    /// Nothing to write is waited for.
    mutating func clearWrite() { write_ns = Self.never }

    /// Schedules the heap entry where it is missing or too late.
    mutating func arm(_ loop: EventLoop, _ handler: any DeadlineHandler) {
        let wanted = min(read_ns, write_ns)
        guard wanted < entry_ns else { return }
        entry_ns = wanted
        if let entry, loop.reschedule(entry, at_ns: wanted) { return }
        entry = loop.schedule(at_ns: wanted, handler)
    }

    /// The heap entry fired: says what is due. After `later`, call `arm`.
    mutating func fired(now_ns: UInt64) -> Verdict {
        entry = nil
        entry_ns = Self.never
        if write_ns <= now_ns {
            clearWrite()
            return .writeDue
        }
        if read_ns <= now_ns {
            clearRead()
            return .readDue
        }
        let next = min(read_ns, write_ns)
        return .later(next == Self.never ? nil : next)
    }

    /// Forgets both deadlines and takes the entry off the heap.
    mutating func cancel(_ loop: EventLoop) {
        clearRead()
        clearWrite()
        if let entry { loop.cancel(entry) }
        entry = nil
        entry_ns = Self.never
    }
}
