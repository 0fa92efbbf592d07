/// What a `Settlement` is about. Called on the loop's thread.
protocol Settling: AnyObject, Sendable {
    /// Begins what leads to `settle`, now or later.
    func start()
    /// The caller has given up, perhaps before `start`: settles, unless that has happened.
    func giveUp()
}

/// One outcome, settled by whoever comes first and awaited by one caller: how a transfer tells `send` what came of it.
///
/// The caller waits on the loop, where everything that settles happens too, so no thread resumes a task that another one
/// is still about to suspend. That would be correct, but the runtime does not tell ThreadSanitizer how it orders the two
/// (`swift_continuation_resume` releases, `swift_continuation_await` does not acquire when it finds itself resumed), and
/// a report that is not about a race hides those that are. It needs no lock either.
///
/// `@unchecked Sendable`: `outcome` may be called anywhere; the members are touched only on the loop's thread.
final class Settlement<Outcome: Sendable>: @unchecked Sendable {
    private var outcome: Outcome?
    private var waiter: UnsafeContinuation<Void, Never>?
    private var isSettled = false

    /// Only the first outcome counts. Loop thread.
    func settle(_ outcome: Outcome) {
        guard !isSettled else { return }
        isSettled = true
        self.outcome = outcome
        waiter.take()?.resume()
    }

    /// Goes to the loop if it is not there, starts `work`, and waits for what comes of it. Once.
    ///
    /// Always by way of the actor, which costs nothing on the loop already. Which thread the caller is on would not tell: an
    /// optimized caller of another actor may still be on the loop's, from the call before, and leave it on the way in.
    func outcome(of work: some Settling, on home: isolated LoopActor) async -> Outcome {
        let loop = home.loop
        await withTaskCancellationHandler {
            // Named, so that this closure belongs to the same executor as its surroundings and not to the global one.
            _ = home
            if !Task.isCancelled { work.start() }
            await withUnsafeContinuation { continuation in
                // Asked here and not before: on the way here other work of the loop may have run.
                if isSettled { continuation.resume() } else { waiter = continuation }
            }
        } onCancel: {
            // Later, and on the loop even if it is this thread: whoever cancels may be in the middle of anything.
            loop.execute { work.giveUp() }
        }
        // Taken out: it may hold what holds this settlement.
        guard let outcome = outcome.take() else { preconditionFailure("resumed without an outcome") }
        return outcome
    }
}
