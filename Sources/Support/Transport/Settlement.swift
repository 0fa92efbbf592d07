import Synchronization

/// One outcome, settled by whoever comes first and awaited by one caller: how a transfer tells `send` what came of it.
///
/// The continuation is unchecked, as in `ByteStream`: whoever leaves `waiting`, under the lock, resumes it. The outcome
/// goes through the lock too, and is taken out by the waiter: it may hold what holds this settlement.
final class Settlement<Outcome: Sendable>: Sendable {
    private enum State {
        case open
        case waiting(UnsafeContinuation<Void, Never>)
        case settled(Outcome)
        case taken
    }

    private let state = Lock(State.open)

    /// Whether nobody waits for it any more, or nobody does yet.
    var isAbandoned: Bool { state.withLock { if case .waiting = $0 { false } else { true } } }

    /// Only the first outcome counts. Any thread.
    ///
    /// Resumes without the lock: resuming takes the task's status lock, which a cancellation holds while its handler
    /// waits for ours.
    func settle(_ outcome: Outcome) {
        let continuation = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            switch state {
            case .open:
                state = .settled(outcome)
                return nil
            case .waiting(let continuation):
                state = .settled(outcome)
                return continuation
            case .settled, .taken: return nil
            }
        }
        continuation?.resume()
    }

    /// Waits with this continuation. False when the outcome is there already: then the caller resumes it.
    func wait(_ continuation: UnsafeContinuation<Void, Never>) -> Bool {
        state.withLock { state in
            guard case .open = state else { return false }
            state = .waiting(continuation)
            return true
        }
    }

    /// The outcome, once, after the wait is over.
    func take() -> Outcome {
        state.withLock { state in
            guard case .settled(let outcome) = state else { preconditionFailure("resumed without an outcome") }
            state = .taken
            return outcome
        }
    }
}
