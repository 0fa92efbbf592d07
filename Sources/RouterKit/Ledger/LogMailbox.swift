import Glibc

/// Where requests leave their lines and the log's thread fetches them: one lock, two conditions.
///
/// `@unchecked Sendable`: every access to `state` holds `mutex`; the pthread objects are heap cells that never move.
/// pthread and not `Mutex`, because a thread must be able to wait for work without polling.
final class LogMailbox: @unchecked Sendable {
    /// What the thread does at the moment; decides whether a new line must wake it.
    enum Phase {
        /// Waits for a first line.
        case idle
        /// Waits a little for more lines, so that a busy gateway pays for one write in a while and not per request.
        case gathering
        case writing
    }

    struct State {
        var lines: [UInt8] = []
        var linesCount = 0
        var phase = Phase.idle
        var isClosing = false
        var isFlushing = false
        /// Lines ever accepted, and those of them that the thread is done with, written or lost.
        var acceptedCount = 0
        var settledCount = 0
        var droppedCount = 0
        var writer = DecisionLog.Status()
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let settled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var state = State()
    private let queueBytes: Int
    /// Enough gathered to be worth a write at once.
    private let batchBytes: Int

    init(queueBytes: Int) {
        self.queueBytes = queueBytes
        batchBytes = min(256 * 1024, queueBytes / 2)
        mutex.initialize(to: pthread_mutex_t())
        work.initialize(to: pthread_cond_t())
        settled.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // Waits must not jump with the wall clock.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let failures =
            pthread_mutex_init(mutex, nil) | pthread_cond_init(work, &attributes)
            | pthread_cond_init(settled, &attributes)
        pthread_condattr_destroy(&attributes)
        precondition(failures == 0, "the log's lock could not be made")
    }

    deinit {
        pthread_cond_destroy(settled)
        pthread_cond_destroy(work)
        pthread_mutex_destroy(mutex)
        settled.deallocate()
        work.deallocate()
        mutex.deallocate()
    }

    private func locked<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&state)
    }

    /// With the lock held, which is given up while waiting; `false` when the time is over. Never called while
    /// `state` is being accessed as `inout`: such an access is exclusive, so the compiler may keep the values from
    /// before the wait and would never see what other threads change meanwhile.
    private func wait(_ condition: UnsafeMutablePointer<pthread_cond_t>, until deadline: timespec) -> Bool {
        var deadline = deadline
        return pthread_cond_timedwait(condition, mutex, &deadline) != ETIMEDOUT
    }

    // MARK: Requests' side

    /// Leaves one line; `false`, counted, when the queue is full or closed.
    func append(_ line: Span<UInt8>) -> Bool {
        locked { state in
            guard !state.isClosing, state.lines.count + line.count <= queueBytes else {
                state.droppedCount += 1
                return false
            }
            line.withUnsafeBufferPointer { state.lines.append(contentsOf: $0) }
            state.linesCount += 1
            state.acceptedCount += 1
            if state.phase == .idle || (state.phase == .gathering && state.lines.count >= batchBytes) {
                pthread_cond_signal(work)
            }
            return true
        }
    }

    /// Counts and states as they are now.
    func status() -> DecisionLog.Status {
        locked { state in
            var status = state.writer
            status.droppedCount += state.droppedCount
            status.queuedBytes = state.lines.count
            return status
        }
    }

    /// Waits until every line accepted so far is settled; `false` when that takes longer than `timeout_ms`.
    func flush(timeout_ms: Int) -> Bool {
        let deadline = timespec(monotonicAfter_ms: timeout_ms)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let target = state.acceptedCount
        while state.settledCount < target {
            state.isFlushing = true
            pthread_cond_signal(work)
            if !wait(settled, until: deadline) { return state.settledCount >= target }
        }
        return true
    }

    /// Refuses further lines and tells the thread to finish.
    func startClosing() {
        locked { state in
            state.isClosing = true
            pthread_cond_signal(work)
        }
    }

    // MARK: The thread's side

    /// Waits for lines and takes them all, handing `spare` in as the next buffer; `nil` when the log is closed and
    /// nothing is left.
    func take(spare: consuming [UInt8], gathering_ms: Int) -> (lines: [UInt8], count: Int)? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        state.phase = .idle
        while state.linesCount == 0 {
            if state.isClosing { return nil }
            state.isFlushing = false
            pthread_cond_wait(work, mutex)
        }
        state.phase = .gathering
        let deadline = timespec(monotonicAfter_ms: gathering_ms)
        while !state.isClosing, !state.isFlushing, state.lines.count < batchBytes {
            if !wait(work, until: deadline) { break }
        }
        state.phase = .writing
        let count = state.linesCount
        state.linesCount = 0
        var lines = spare
        swap(&lines, &state.lines)
        return (lines, count)
    }

    /// Reports what the thread has come to, and that `settledCount` more lines are done with.
    func report(settledCount: Int, _ change: (inout DecisionLog.Status) -> Void) {
        locked { state in
            state.settledCount += settledCount
            change(&state.writer)
            pthread_cond_broadcast(settled)
        }
    }

    /// Waits before the next try, at most so long, less when the log is being closed; `true` when it is.
    func pause(_ wait_ms: Int) -> Bool {
        let deadline = timespec(monotonicAfter_ms: wait_ms)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !state.isClosing, wait(work, until: deadline) {}
        return state.isClosing
    }
}

extension timespec {
    /// The monotonic clock's time, so many milliseconds from now.
    fileprivate init(monotonicAfter_ms wait_ms: Int) {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let total_ns = now.tv_nsec + (wait_ms % 1_000) * 1_000_000
        self.init(tv_sec: now.tv_sec + wait_ms / 1_000 + total_ns / 1_000_000_000, tv_nsec: total_ns % 1_000_000_000)
    }
}
