import CPosix
import Glibc
import Synchronization

/// What the kernel says about a descriptor.
public struct Readiness: OptionSet, Sendable {
    /// The raw bits; private to this type.
    public let rawValue: UInt8
    /// Makes a set from raw bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Bytes (or a connection) can be read.
    public static let readable = Readiness(rawValue: 1)
    /// Bytes can be written.
    public static let writable = Readiness(rawValue: 2)
    /// The peer closed its writing side (EPOLLRDHUP).
    public static let peerClosed = Readiness(rawValue: 4)
    /// The descriptor is broken or fully closed (EPOLLERR, EPOLLHUP).
    public static let failed = Readiness(rawValue: 8)
}

/// Receives readiness of one descriptor. Called on the loop's thread; must not block.
public protocol EventHandler: AnyObject {
    /// The descriptor became ready. Edge-triggered registrations must read or write until EAGAIN.
    func ready(_ readiness: Readiness)
}

/// One epoll thread that is also the executor of everything that runs on it.
///
/// Jobs enqueued on the loop's own thread go to an unlocked queue; foreign ones go through a lock and an eventfd.
/// Start connection tasks with `spawn`, which prefers this executor: otherwise a continuation first resumes on the
/// global executor, two thread hops a wake-up.
///
/// `@unchecked Sendable`: the members below "confined" are touched only on the loop's thread (`assertCurrent`), those in
/// `shared` only under its lock.
public final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case closure(@Sendable () -> Void)
    }

    private struct Shared {
        var inbox: [Work] = []
        var wakeSent = false
        var stopping = false
        var started = false
        /// Its thread is gone.
        var ended = false
    }

    private struct Registration {
        var generation: UInt32 = 0
        var handler: (any EventHandler)?
    }

    // Any thread.
    private let shared = Lock(Shared())
    private let epoll: Int32
    private let wake: Int32
    private let foreignEnqueues = Atomic<Int>(0)
    private let threadID = Atomic<UInt>(0)

    // Confined to the loop's thread.
    private var thread = pthread_t()
    private var ready: [Work] = []
    private var running: [Work] = []
    private var registrations: [Registration] = []
    private var deadlines = DeadlineHeap()
    private var turnStart_ns: UInt64 = 0

    /// A name for logs and debuggers.
    public let name: String

    /// Makes a loop that is not yet running.
    ///
    /// - Throws: `system` when the process is out of descriptors.
    public init(name: String = "loop") throws(TransportError) {
        self.name = name
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw TransportError(.system, "epoll_create1: errno \(errno)") }
        wake = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard wake >= 0 else {
            let code = errno
            close(epoll)
            throw TransportError(.system, "eventfd: errno \(code)")
        }
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64.max))
        epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event)
    }

    deinit {
        close(wake)
        close(epoll)
    }

    // MARK: Life

    /// Starts the loop's thread. Call once.
    public func start() {
        shared.withLock {
            precondition(!$0.started, "a loop starts once")
            $0.started = true
        }
        let status = startThread(&thread)
        precondition(status == 0, "pthread_create failed: \(status)")
    }

    private func startThread(_ thread: inout pthread_t) -> Int32 {
        let me = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { pointer in
                Unmanaged<EventLoop>.fromOpaque(pointer!).takeRetainedValue().run()
                return nil
            }, me.toOpaque())
        if status != 0 { me.release() }
        return status
    }

    /// Asks the loop to end after its current turn and waits for its thread. Never call it on the loop's own thread.
    ///
    /// Jobs still queued are run first. Work enqueued afterwards is run too, by a thread made for it that ends with it:
    /// a task that comes to a stopped loop must not stay there for ever. Descriptors and deadlines are not served then.
    public func stop() {
        precondition(!isCurrent, "a loop cannot wait for itself")
        let mustJoin = shared.withLock { state -> Bool in
            defer { state.stopping = true }
            return state.started && !state.stopping
        }
        signal()
        if mustJoin { pthread_join(thread, nil) }
    }

    /// Asks the loop to end like `stop`, without waiting for its thread: for owners whose last reference may go away on
    /// that very thread.
    public func abandon() {
        let mustDetach = shared.withLock { state -> Bool in
            defer { state.stopping = true }
            return state.started && !state.stopping
        }
        if mustDetach { pthread_detach(thread) }
        signal()
    }

    /// True on the loop's own thread.
    public var isCurrent: Bool { threadID.load(ordering: .relaxed) == cposix_thread_number() }

    /// Traps off the loop's thread: confined state must never be reached from elsewhere.
    @inline(__always)
    public func assertCurrent() { precondition(isCurrent, "called off the loop's thread") }

    /// How many jobs and closures came from other threads since the start; the tests want none per proxied request.
    public var foreignEnqueueCount: Int { foreignEnqueues.load(ordering: .relaxed) }

    /// Monotonic nanoseconds, read now. Any thread.
    public static func clock_ns() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// The same in milliseconds.
    public static func clock_ms() -> Int { Int(clock_ns() / 1_000_000) }

    /// Monotonic nanoseconds at the start of this turn; cheap, and good enough for deadlines. Loop thread only.
    public var now_ns: UInt64 { turnStart_ns }

    // MARK: Executor

    /// Takes a job of the Swift runtime. Any thread.
    public func enqueue(_ job: consuming ExecutorJob) { push(.job(UnownedJob(job))) }

    /// Takes a closure to run on the loop's thread, in order. Any thread.
    public func execute(_ body: @escaping @Sendable () -> Void) { push(.closure(body)) }

    /// This executor, without retaining it: the loop outlives its jobs.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Traps when code that claims to be isolated to this loop is elsewhere.
    public func checkIsolated() { assertCurrent() }

    /// Lets `assumeIsolated` succeed on the loop's thread.
    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    private func push(_ work: Work) {
        if isCurrent {
            ready.append(work)
            return
        }
        foreignEnqueues.wrappingAdd(1, ordering: .relaxed)
        let (mustSignal, mustRestart) = shared.withLock { state -> (Bool, Bool) in
            state.inbox.append(work)
            defer {
                state.wakeSent = true
                state.ended = false
            }
            return (!state.wakeSent, state.ended)
        }
        if mustRestart { restart() } else if mustSignal { signal() }
    }

    /// Runs work that came after the end.
    private func restart() {
        var thread = pthread_t()
        if startThread(&thread) == 0 {
            pthread_detach(thread)
        } else {
            // No thread to be had: the next piece of work tries again.
            shared.withLock { $0.ended = true }
        }
    }

    private func signal() {
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }

    // MARK: Descriptors (loop thread only)

    /// Watches a descriptor. Edge-triggered unless `levelTriggered`.
    ///
    /// - Throws: `system` when epoll refuses the descriptor.
    public func register(
        _ descriptor: Int32, for interest: Readiness, levelTriggered: Bool = false, _ handler: any EventHandler
    ) throws(TransportError) {
        assertCurrent()
        let index = Int(descriptor)
        while registrations.count <= index { registrations.append(Registration()) }
        precondition(registrations[index].handler == nil, "descriptor registered twice")
        registrations[index].handler = handler
        var event = event(interest, levelTriggered, descriptor)
        if epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0 {
            registrations[index].handler = nil
            throw TransportError(.system, "epoll_ctl add: errno \(errno)")
        }
    }

    /// Changes what is watched for. The descriptor must be registered.
    public func modify(_ descriptor: Int32, for interest: Readiness, levelTriggered: Bool = false) {
        assertCurrent()
        var event = event(interest, levelTriggered, descriptor)
        let status = epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event)
        precondition(status == 0, "epoll_ctl mod on a descriptor that is not registered")
    }

    /// Stops watching; call before closing. Events already fetched for it are dropped (the generation changes).
    public func deregister(_ descriptor: Int32) {
        assertCurrent()
        let index = Int(descriptor)
        guard index < registrations.count, registrations[index].handler != nil else { return }
        registrations[index].handler = nil
        registrations[index].generation &+= 1
        // The descriptor may already be closed by its owner (libcurl does so); the kernel then forgot it by itself.
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
    }

    /// True when the descriptor has a handler.
    public func isRegistered(_ descriptor: Int32) -> Bool {
        assertCurrent()
        return Int(descriptor) < registrations.count && registrations[Int(descriptor)].handler != nil
    }

    private func event(_ interest: Readiness, _ levelTriggered: Bool, _ descriptor: Int32) -> epoll_event {
        var bits: UInt32 = levelTriggered ? 0 : EPOLLET.rawValue
        if interest.contains(.readable) { bits |= EPOLLIN.rawValue }
        if interest.contains(.writable) { bits |= EPOLLOUT.rawValue }
        if interest.contains(.peerClosed) { bits |= EPOLLRDHUP.rawValue }
        // Generation in the token: an event fetched for a descriptor closed and reused in the same turn is ignored.
        let token = UInt64(registrations[Int(descriptor)].generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
        return epoll_event(events: bits, data: epoll_data_t(u64: token))
    }

    // MARK: Deadlines (loop thread only)

    /// Calls `handler.deadlineReached` once, at `at_ns` on the monotonic clock or soon after, unless cancelled.
    public func schedule(at_ns: UInt64, _ handler: any DeadlineHandler) -> DeadlineID {
        assertCurrent()
        return deadlines.insert(at_ns, handler)
    }

    /// Calls `handler.deadlineReached` once, `after_ms` milliseconds from now unless cancelled.
    public func schedule(after_ms: Int, _ handler: any DeadlineHandler) -> DeadlineID {
        assertCurrent()
        return deadlines.insert(EventLoop.clock_ns() &+ UInt64(max(0, after_ms)) &* 1_000_000, handler)
    }

    /// Cancels; harmless when it has already fired.
    public func cancel(_ id: DeadlineID) {
        assertCurrent()
        deadlines.cancel(id)
    }

    /// Moves a live deadline to `at_ns`; false when it has already fired.
    public func reschedule(_ id: DeadlineID, at_ns: UInt64) -> Bool {
        assertCurrent()
        return deadlines.move(id, to: at_ns)
    }

    /// Moves a live deadline; false when it has already fired.
    public func reschedule(_ id: DeadlineID, after_ms: Int) -> Bool {
        assertCurrent()
        return deadlines.move(id, to: now_ns &+ UInt64(max(0, after_ms)) &* 1_000_000)
    }

    // MARK: The loop

    private static let eventsPerTurn = 256
    /// Rounds of queued work before the kernel is asked again. Enough for the few hops of one request; without a bound,
    /// work that queues more work (a task that yields, a busy connection) would keep descriptors, deadlines and other
    /// threads' work waiting for ever.
    private static let roundsPerTurn = 16

    private func run() {
        threadID.store(cposix_thread_number(), ordering: .relaxed)
        _ = name.withCString { cposix_name_thread($0) }
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: EventLoop.eventsPerTurn)
        defer { events.deallocate() }
        while true {
            turnStart_ns = EventLoop.clock_ns()
            runReady()
            fireDeadlines()
            if takeInbox() { break }
            let count = epoll_wait(epoll, events, Int32(EventLoop.eventsPerTurn), timeout_ms())
            turnStart_ns = EventLoop.clock_ns()
            for index in 0..<max(0, Int(count)) { dispatch(events[index]) }
        }
    }

    /// Runs what is queued, and what that queues in turn, for a bounded number of rounds.
    private func runReady() {
        var rounds = 0
        while !ready.isEmpty, rounds < Self.roundsPerTurn {
            rounds += 1
            swap(&ready, &running)
            for work in running {
                switch work {
                case .job(let job):
                    job.runSynchronously(
                        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
                case .closure(let body): body()
                }
            }
            running.removeAll(keepingCapacity: true)
        }
    }

    /// Moves foreign work over; true when the loop should end.
    private func takeInbox() -> Bool {
        shared.withLock { state in
            if !state.inbox.isEmpty {
                ready.append(contentsOf: state.inbox)
                state.inbox.removeAll(keepingCapacity: true)
            }
            state.wakeSent = false
            guard state.stopping, ready.isEmpty else { return false }
            // Under the lock: from here on another thread may be this loop's.
            threadID.store(0, ordering: .relaxed)
            state.ended = true
            return true
        }
    }

    private func fireDeadlines() {
        let now = EventLoop.clock_ns()
        while let (id, handler) = deadlines.popExpired(now_ns: now) { handler.deadlineReached(id) }
    }

    private func timeout_ms() -> Int32 {
        guard ready.isEmpty else { return 0 }
        guard let earliest = deadlines.earliest_ns else { return -1 }
        let now = EventLoop.clock_ns()
        guard earliest > now else { return 0 }
        // Rounded up: waking a fraction early would spin until the deadline.
        return Int32(clamping: (earliest - now + 999_999) / 1_000_000)
    }

    private func dispatch(_ event: epoll_event) {
        let token = event.data.u64
        if token == UInt64.max {
            var count: UInt64 = 0
            _ = read(wake, &count, 8)
            return
        }
        let index = Int(token & 0xFFFF_FFFF)
        guard index < registrations.count, registrations[index].generation == UInt32(token >> 32),
            let handler = registrations[index].handler
        else { return }
        var readiness: Readiness = []
        if event.events & EPOLLIN.rawValue != 0 { readiness.insert(.readable) }
        if event.events & EPOLLOUT.rawValue != 0 { readiness.insert(.writable) }
        if event.events & EPOLLRDHUP.rawValue != 0 { readiness.insert(.peerClosed) }
        if event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { readiness.insert(.failed) }
        handler.ready(readiness)
    }
}

/// The isolation of code that runs on a loop: an actor whose executor is the loop's thread.
public actor LoopActor {
    /// The loop whose thread runs this actor.
    public nonisolated let loop: EventLoop

    /// Isolates to `loop`.
    public init(_ loop: EventLoop) { self.loop = loop }

    /// The loop itself.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// Runs `body` on the loop's thread and waits for its result.
    func run<Result: Sendable, E: Error>(_ body: @Sendable () throws(E) -> Result) throws(E) -> Result {
        try body()
    }

    /// Starts a task that runs on the loop's thread only, continuations included.
    @discardableResult
    public nonisolated func spawn(
        _ body: sending @escaping @isolated(any) () async -> Void
    ) -> Task<Void, Never> {
        Task(executorPreference: loop) { await body() }
    }
}
