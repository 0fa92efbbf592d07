import Glibc
import Synchronization

/// Runs pieces of one job on several threads and waits for them all; for work of milliseconds, since starting a thread
/// costs about 30 us.
enum Threads {
    private final class Job: Sendable {
        let next = Atomic<Int>(0)
        let pieceCount: Int
        let body: @Sendable (Int) -> Void

        init(_ pieceCount: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.pieceCount = pieceCount
            self.body = body
        }

        func work() {
            while true {
                let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard piece < pieceCount else { return }
                body(piece)
            }
        }
    }

    /// Calls `body` once for each of `0..<pieceCount`, on at most `threadCount` threads with the calling one among them.
    /// When no thread can be started, the calling one does it all.
    static func run(_ pieceCount: Int, threadCount: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let job = Job(pieceCount, body)
        var helpers: [pthread_t] = []
        for _ in 1..<max(1, min(threadCount, pieceCount)) {
            var thread = pthread_t()
            let box = Unmanaged.passRetained(job)
            let status = pthread_create(
                &thread, nil,
                { pointer in
                    Unmanaged<Job>.fromOpaque(pointer!).takeRetainedValue().work()
                    return nil
                }, box.toOpaque())
            guard status == 0 else {
                box.release()
                break
            }
            helpers.append(thread)
        }
        job.work()
        for helper in helpers { pthread_join(helper, nil) }
    }

    /// How many threads a job of memory traffic is worth: a few saturate the memory of any host.
    static let usefulCount = max(1, min(8, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
}

/// The first failure of several threads. Any thread.
final class FirstFailure: Sendable {
    private let first = Atomic<Int32>(0)

    /// 0 when nothing failed.
    var code: Int32 { first.load(ordering: .acquiring) }

    func note(_ code: Int32) { _ = first.compareExchange(expected: 0, desired: code, ordering: .acquiringAndReleasing) }
}
