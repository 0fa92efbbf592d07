import Glibc

/// The log's thread: fetches lines from the mailbox and writes them, until the mailbox is closed.
///
/// A thread of its own, because a disk that hangs must hang neither an event loop nor the cooperative pool.
struct LogThread: ~Copyable {
    private let handle: pthread_t

    /// Starts the thread. It keeps `mailbox` alive and owns `writer`.
    init(_ writer: LogWriter, _ mailbox: LogMailbox, gathering_ms: Int, retry_ms: Int) throws(LogError) {
        let body = Body(writer: writer, mailbox: mailbox, gathering_ms: gathering_ms, retry_ms: retry_ms)
        let path = writer.path
        let retained = Unmanaged.passRetained(body)
        // Signals belong to the process's own handler, never to this thread: it inherits a full mask.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, retained.toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        guard status == 0 else {
            retained.release()
            throw LogError(.thread, path, systemError: status)
        }
        handle = thread
    }

    /// Waits for the thread's end; the mailbox must be closing.
    consuming func join() {
        pthread_join(handle, nil)
    }
}

/// What the thread does. A class only because `pthread_create` takes a pointer.
private final class Body {
    private var writer: LogWriter
    private let mailbox: LogMailbox
    private let gathering_ms: Int
    private let retry_ms: Int

    init(writer: consuming LogWriter, mailbox: LogMailbox, gathering_ms: Int, retry_ms: Int) {
        self.writer = writer
        self.mailbox = mailbox
        self.gathering_ms = gathering_ms
        self.retry_ms = retry_ms
    }

    func run() {
        var spare: [UInt8] = []
        while let (lines, count) = mailbox.take(spare: spare, gathering_ms: gathering_ms) {
            writer.take(lines)
            settle(count)
            guard !writer.hasBacklog else { break }
            spare = writer.reclaim()
            // A burst's memory is given back; an ordinary batch's is kept for the next.
            if spare.capacity > 1 << 20 { spare = [] }
        }
        loseTheRest()
        do throws(LogError) {
            try writer.close()
        } catch {
            mailbox.report(settledCount: 0) { $0.note(error) }
        }
    }

    /// Writes the batch, trying again for as long as the log is open.
    private func settle(_ count: Int) {
        var rest = count
        while true {
            do throws(LogError) {
                try writer.write()
                let rotations = (writer.rotationsCount, writer.rotationError)
                mailbox.report(settledCount: rest) { status in
                    status.writtenCount += rest
                    status.rotationsCount = rotations.0
                    status.noteSuccess(rotations.1)
                }
                return
            } catch {
                let done = rest - writer.backlogLinesCount
                rest -= done
                mailbox.report(settledCount: done) { status in
                    status.writtenCount += done
                    status.note(error)
                }
                if mailbox.pause(retry_ms) {
                    // Closing: one last try, for the disk may have room again.
                    try? writer.write()
                    let written = rest - writer.backlogLinesCount
                    mailbox.report(settledCount: written) { $0.writtenCount += written }
                    return
                }
            }
        }
    }

    /// The log is closed while nothing can be written: what is left is lost, and counted.
    private func loseTheRest() {
        var lost = writer.backlogLinesCount
        if lost > 0, let (_, count) = mailbox.take(spare: [], gathering_ms: 0) { lost += count }
        mailbox.report(settledCount: lost) { $0.droppedCount += lost }
    }
}
