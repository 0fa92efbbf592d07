import Synchronization

/// A bounded byte buffer between one producer, which never waits, and one consumer, which awaits.
///
/// The producer is told to pause when the buffer is full; the consumer takes everything there is at once, so that many
/// small pieces cost one wake-up and one array. Both sides may be on any thread.
public final class ByteStream: Sendable {
    /// What the producer is to do after `append`.
    public enum Appended: Sendable {
        /// The bytes are in the buffer.
        case taken
        /// Nothing was taken: the buffer is full. Stop until the consumer's `take` says `resumesProducer`.
        case full
        /// Nothing was taken: the consumer is gone or the stream has ended. Stop for good.
        case closed
    }

    /// What the consumer finds.
    public enum Taken: Sendable {
        /// All buffered bytes, never empty. `resumesProducer`: the producer was paused and must be told to go on.
        case bytes([UInt8], resumesProducer: Bool)
        /// The clean end.
        case ended
        /// The stream broke; everything before the break was taken already.
        case failed(TransportError)
        /// Nothing yet: call `wait`.
        case nothing
    }

    // The continuation is the unchecked kind, which costs half as much per piece of a stream. It is resumed exactly once:
    // whoever takes it out of the state, under the lock, resumes it.
    private struct State {
        var buffer: [UInt8] = []
        var paused = false
        var end: Result<Void, TransportError>?
        var waiter: UnsafeContinuation<Void, Never>?
        var waiterCancelled = false
        /// Told of every arrival, in place of a waiter.
        var listener: (@Sendable () -> Void)?
        var peakBytes = 0

        /// Whoever is to hear that something has come. The lock is given up before it does.
        mutating func takeConsumer() -> Consumer? {
            if let waiter = waiter.take() { return .waiter(waiter) }
            return listener.map { .listener($0) }
        }
    }

    private enum Consumer {
        case waiter(UnsafeContinuation<Void, Never>)
        case listener(@Sendable () -> Void)
    }

    private let state = Lock(State())
    private let highWaterBytes: Int
    /// Where the consumer waits and is resumed, for the reasons of `Settlement`; nil for wherever it is.
    private let home: LoopActor?

    /// Makes an empty stream that pauses its producer when it holds `highWaterBytes` or more. It may exceed that by one
    /// appended piece.
    public convenience init(highWaterBytes: Int) { self.init(highWaterBytes: highWaterBytes, home: nil) }

    /// Makes an empty stream that is filled on the loop of `home`.
    init(highWaterBytes: Int, home: LoopActor?) {
        precondition(highWaterBytes > 0, "a stream must be able to hold something")
        self.highWaterBytes = highWaterBytes
        self.home = home
    }

    /// The most bytes ever buffered at once.
    public var peakBytes: Int { state.withLock { $0.peakBytes } }

    // MARK: Producer

    /// Adds bytes and wakes the consumer.
    public func append(_ bytes: Span<UInt8>) -> Appended {
        guard !bytes.isEmpty else { return .taken }
        let (answer, consumer) = bytes.withUnsafeBufferPointer { pointer in
            // The pointer is only read inside the lock and does not outlive this call.
            nonisolated(unsafe) let source = pointer
            return state.withLock { state -> (Appended, Consumer?) in
                guard state.end == nil else { return (.closed, nil) }
                guard state.buffer.count < highWaterBytes else {
                    state.paused = true
                    return (.full, nil)
                }
                state.buffer.append(contentsOf: source)
                state.peakBytes = max(state.peakBytes, state.buffer.count)
                return (.taken, state.takeConsumer())
            }
        }
        tell(consumer)
        return answer
    }

    /// What `append` would answer now: for a producer that would rather not fetch what it could not hand over. `full`
    /// pauses it as `append`'s does.
    public func admits() -> Appended {
        state.withLock { state in
            guard state.end == nil else { return .closed }
            guard state.buffer.count < highWaterBytes else {
                state.paused = true
                return .full
            }
            return .taken
        }
    }

    /// Ends the stream, cleanly or with an error that the consumer gets after the bytes before it. Only the first end
    /// counts.
    public func finish(_ end: Result<Void, TransportError>) {
        let consumer = state.withLock { state -> Consumer? in
            guard state.end == nil else { return nil }
            state.end = end
            return state.takeConsumer()
        }
        tell(consumer)
    }

    // MARK: Consumer

    /// Takes everything that is buffered.
    public func take() -> Taken {
        state.withLock { state in
            guard state.buffer.isEmpty else {
                let bytes = state.buffer
                state.buffer = []
                let resumesProducer = state.paused && state.end == nil
                state.paused = false
                return .bytes(bytes, resumesProducer: resumesProducer)
            }
            switch state.end {
            case nil: return .nothing
            case .success?: return .ended
            case .failure(let error)?: return .failed(error)
            }
        }
    }

    /// Calls `listener` whenever `take` would find something new, on the producer's thread, until it is replaced; nil ends
    /// that. For a consumer that needs no task to take what there is. It must not come back to the producer from inside.
    public func listen(_ listener: (@Sendable () -> Void)?) {
        state.withLock { state in
            precondition(state.waiter == nil, "a byte stream has one consumer")
            state.listener = listener
        }
    }

    /// Waits until `take` finds something, or the task is cancelled. One consumer at a time.
    nonisolated(nonsending)
        public func wait() async
    {
        if let home, !home.loop.isCurrent { await wait(isolatedTo: home) } else { await wait(isolatedTo: #isolation) }
    }

    private func wait(isolatedTo isolation: isolated (any Actor)?) async {
        await withTaskCancellationHandler {
            // Named, so that this closure belongs to the same executor as its surroundings and not to the global one.
            _ = isolation
            await withUnsafeContinuation { continuation in
                let ready = state.withLock { state -> Bool in
                    precondition(state.waiter == nil, "a byte stream has one consumer")
                    guard state.buffer.isEmpty, state.end == nil, !state.waiterCancelled else { return true }
                    state.waiter = continuation
                    return false
                }
                if ready { continuation.resume() }
            }
        } onCancel: {
            let consumer = state.withLock { state -> Consumer? in
                state.waiterCancelled = true
                return state.takeConsumer()
            }
            tell(consumer)
        }
    }

    private func tell(_ consumer: Consumer?) {
        switch consumer {
        case nil: return
        case .listener(let listener)?: listener()
        case .waiter(let waiter)?:
            if let home, !home.loop.isCurrent { home.loop.execute { waiter.resume() } } else { waiter.resume() }
        }
    }

    /// Ends the stream from the consumer's side and drops what is buffered. False when it had already ended, so that
    /// the producer needs no word.
    @discardableResult
    public func cancel() -> Bool {
        let (consumer, wasLive) = state.withLock { state -> (Consumer?, Bool) in
            let wasLive = state.end == nil
            // Also after the end, when bytes are dropped: a body with a hole must not look complete.
            if wasLive || !state.buffer.isEmpty {
                state.end = .failure(TransportError(.cancelled, "the consumer cancelled the body"))
            }
            state.buffer = []
            return (state.takeConsumer(), wasLive)
        }
        tell(consumer)
        return wasLive
    }
}
