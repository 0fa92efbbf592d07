import Glibc

/// Unix signals as values.
///
/// The handlers only write the signal's number into a pipe, the one thing that is safe there; a thread of its own
/// reads it. Blocking the signals and waiting for them with `sigwait` does not work in a program with an async main:
/// when the main thread parks, libdispatch unblocks every signal in it, and the default action ends the process.
package enum Signals {
    private static let handled = [SIGHUP, SIGTERM, SIGINT]
    /// Reading end; -1 until `handle()` ran.
    nonisolated(unsafe) private static var readEnd: Int32 = -1

    /// Catches the handled signals from now on, and ignores SIGPIPE: a write to a client that left must be an error of
    /// that write, not the end of the process. Call once, first thing in the process, before any other thread exists:
    /// that is what makes the unsynchronized descriptors safe.
    package static func handle() {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe for signals: \(errno)")
        readEnd = ends[0]
        writeEnd = ends[1]
        // A full pipe holds thousands of signals that nobody read yet; one more would say nothing new.
        _ = fcntl(writeEnd, F_SETFL, O_NONBLOCK)
        for number in handled {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                let before = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(writeEnd, &byte, 1)
                errno = before
            }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
    }

    /// The next of the handled signals. Occupies one thread of its own while it waits.
    package static func next() async -> Int32 {
        await withCheckedContinuation { continuation in
            let box = Unmanaged.passRetained(Waiter(continuation))
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { pointer in
                    let waiter = Unmanaged<Waiter>.fromOpaque(pointer!).takeRetainedValue()
                    var byte: UInt8 = 0
                    while read(Signals.readEnd, &byte, 1) != 1 {}
                    waiter.continuation.resume(returning: Int32(byte))
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

/// Writing end. A plain global with a constant value: reading it in a handler runs no initializer.
nonisolated(unsafe) private var writeEnd: Int32 = -1
