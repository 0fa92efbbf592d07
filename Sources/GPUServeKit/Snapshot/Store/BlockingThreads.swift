internal import CPosix
internal import Glibc

/// A few threads for calls that block: a disk that hangs must hang neither an event loop nor the cooperative pool.
///
/// Each job belongs to a task that waits for it, so the queue is as long as there are such tasks. The threads live as long
/// as the process; an embedder's signals never come to them.
///
/// `@unchecked Sendable`: `queue` is touched only with `mutex` held; the rest never changes.
final class BlockingThreads: @unchecked Sendable {
    /// The threads of all stores and sources: as many as keep a disk busy.
    static let shared = BlockingThreads(count: 4)

    // Heap cells: a pthread lock must never move.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var queue: [@Sendable () -> Void] = []

    private init(count: Int) {
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        condition.initialize(to: pthread_cond_t())
        pthread_cond_init(condition, nil)
        for _ in 0..<count { startThread() }
    }

    /// Runs `work` on one of the threads and waits for it without holding up the caller's.
    func run<Result: Sendable>(
        _ work: @escaping @Sendable () throws(SnapshotError) -> Result
    ) async throws(SnapshotError) -> Result {
        let outcome: Swift.Result<Result, SnapshotError> = await withUnsafeContinuation { continuation in
            start {
                do throws(SnapshotError) {
                    continuation.resume(returning: .success(try work()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try outcome.get()
    }

    /// Whether others wait for a thread: who has much to do makes room for them now and then.
    var isWanted: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return !queue.isEmpty
    }

    /// Runs `job` on one of the threads, once one is free. For work that says by itself when it is done.
    func start(_ job: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        queue.append(job)
        pthread_mutex_unlock(mutex)
        pthread_cond_signal(condition)
    }

    private func startThread() {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                cposix_name_thread("snapshot-io")
                Unmanaged<BlockingThreads>.fromOpaque(argument!).takeUnretainedValue().serve()
            }, Unmanaged.passUnretained(self).toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        precondition(status == 0, "pthread_create failed: \(status)")
        pthread_detach(thread)
    }

    private func serve() -> Never {
        while true {
            pthread_mutex_lock(mutex)
            while queue.isEmpty { pthread_cond_wait(condition, mutex) }
            let job = queue.removeFirst()
            pthread_mutex_unlock(mutex)
            job()
        }
    }
}
