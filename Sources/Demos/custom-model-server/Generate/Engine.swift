import Dispatch
import Synchronization
import Transport

/// Runs the model on a thread of its own, several sequences a pass (continuous batching): every pass takes one token of each
/// sequence that is generating, and fills up with tokens of prompts.
final class Engine: Sendable {
    /// A generation that waits for a slot or runs in one.
    private struct Ticket: Sendable {
        let number: UInt64
        let request: GenerationRequest
        let continuation: AsyncStream<GenerationEvent>.Continuation
    }

    private struct Desk {
        var waiting: [Ticket] = []
        var cancelled: Set<UInt64> = []
        var nextNumber: UInt64 = 0
    }

    /// What came in since the last pass.
    private struct News: Sendable {
        var cancelled: Set<UInt64>
        var admitted: [Ticket]
    }

    /// The most generations that may wait.
    static let waitingLimit = 256

    private let desk: Lock<Desk> = Lock(Desk())
    /// Rings when there may be something to do.
    private let bell = DispatchSemaphore(value: 0)
    private let tokenizer: Tokenizer

    /// Counts for `/metrics`.
    let counters = EngineCounters()

    init(tokenizer: Tokenizer) { self.tokenizer = tokenizer }

    /// Starts the thread. `make` runs on it, so that the model belongs to it.
    func start(_ make: @escaping @Sendable () -> Llama) {
        DispatchQueue(label: "model").async { self.run(make()) }
    }

    /// Generates. Nil when too many generations wait. Dropping the stream cancels.
    func generate(_ request: GenerationRequest) -> AsyncStream<GenerationEvent>? {
        let (stream, continuation) = AsyncStream.makeStream(of: GenerationEvent.self)
        let number: UInt64? = desk.withLock { desk in
            guard desk.waiting.count < Self.waitingLimit else { return nil }
            desk.nextNumber += 1
            desk.waiting.append(Ticket(number: desk.nextNumber, request: request, continuation: continuation))
            return desk.nextNumber
        }
        guard let number else { return nil }
        continuation.onTermination = { [weak self] reason in
            guard case .cancelled = reason, let self else { return }
            self.desk.withLock { _ = $0.cancelled.insert(number) }
            self.bell.signal()
        }
        bell.signal()
        return stream
    }

    // MARK: The thread

    private func run(_ model: Llama) {
        var active: [(ticket: Ticket, sequence: ActiveSequence)] = []
        var freeSlots = Array((0..<model.cache.slotCount).reversed())
        while true {
            let freeCount = freeSlots.count
            let news = desk.withLock { desk -> News in
                defer {
                    desk.waiting.removeFirst(min(freeCount, desk.waiting.count))
                    desk.cancelled = []
                }
                desk.waiting.removeAll { desk.cancelled.contains($0.number) }
                return News(cancelled: desk.cancelled, admitted: Array(desk.waiting.prefix(freeCount)))
            }
            for index in active.indices.reversed() where news.cancelled.contains(active[index].ticket.number) {
                freeSlots.append(active.remove(at: index).sequence.slot)
            }
            for ticket in news.admitted {
                let sequence = ActiveSequence(ticket.request, slot: freeSlots.removeLast()) {
                    ticket.continuation.yield($0)
                }
                active.append((ticket, sequence))
            }
            counters.set(active: active.count)
            guard !active.isEmpty else {
                bell.wait()
                continue
            }
            let ended = pass(model, active.map(\.sequence))
            for index in active.indices.reversed() where ended.contains(where: { $0 === active[index].sequence }) {
                let (ticket, sequence) = active.remove(at: index)
                freeSlots.append(sequence.slot)
                ticket.continuation.finish()
            }
        }
    }

    /// One pass over `sequences`; returns those that ended.
    private func pass(_ model: Llama, _ sequences: [ActiveSequence]) -> [ActiveSequence] {
        var steps: [Llama.Step] = []
        var wanting: [ActiveSequence] = []
        // Those that generate come first: a long prompt must not hold them up.
        for sequence in sequences.sorted(by: { $0.tokens.count - $0.takenCount < $1.tokens.count - $1.takenCount }) {
            let room = model.passTokenCount - steps.count
            guard room > 0 else { break }
            let own = sequence.steps(limit: room)
            sequence.takenCount += own.count
            steps += own
            if own.last?.wantsLogits == true { wanting.append(sequence) }
        }
        let logits = model.run(steps)
        counters.add(passes: 1, takenTokens: steps.count, madeTokens: wanting.count)
        return zip(wanting, logits).compactMap { sequence, logits in
            sequence.advance(logits, tokenizer, contextCount: model.cache.contextCount) ? nil : sequence
        }
    }
}
