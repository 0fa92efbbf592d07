import Glibc
import Synchronization
import Transport

/// Unix signals as values, waited for on a thread of their own instead of in handlers, where almost nothing is allowed.
enum Signals {
    private static let handled = [SIGHUP, SIGTERM, SIGINT]

    /// Blocks the handled signals in this thread and every thread started after it, and ignores SIGPIPE: a write to a
    /// client that left must be an error of that write, not the end of the process. Call first thing in the process.
    static func block() {
        signal(SIGPIPE, SIG_IGN)
        var set = Signals.set
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in handled { sigaddset(&set, number) }
        return set
    }

    /// The next of the handled signals. Occupies one thread of its own while it waits.
    static func next() async -> Int32 {
        await withCheckedContinuation { continuation in
            let box = Unmanaged.passRetained(Waiter(continuation))
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { pointer in
                    let waiter = Unmanaged<Waiter>.fromOpaque(pointer!).takeRetainedValue()
                    var set = Signals.set
                    var number: Int32 = 0
                    while sigwait(&set, &number) != 0 {}
                    waiter.continuation.resume(returning: number)
                    return nil
                }, box.toOpaque())
            precondition(status == 0, "pthread_create failed: \(status)")
            pthread_detach(thread)
        }
    }

    private final class Waiter: Sendable {
        let continuation: CheckedContinuation<Int32, Never>
        init(_ continuation: CheckedContinuation<Int32, Never>) { self.continuation = continuation }
    }
}
