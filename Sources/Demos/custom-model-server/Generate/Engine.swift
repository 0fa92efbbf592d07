import Dispatch
import Synchronization
import Transport

/// Runs the model on a thread of its own, several sequences a pass (continuous batching): every pass takes one token of each
/// sequence that is generating, and fills up with tokens of prompts.
final class Engine: Sendable {
    /// Something to do between two passes.
    typealias Errand = @Sendable (Llama) -> Void

    /// A generation that waits for a slot or runs in one.
    private struct Ticket: Sendable {
        let number: UInt64
        let request: GenerationRequest
        let continuation: AsyncStream<GenerationEvent>.Continuation
    }

    private struct Desk {
        var waiting: [Ticket] = []
        var cancelled: Set<UInt64> = []
        var errands: [Errand] = []
        var nextNumber: UInt64 = 0
    }

    /// What came in since the last pass.
    private struct News: Sendable {
        var cancelled: Set<UInt64>
        var admitted: [Ticket]
        var errands: [Errand]
    }

    /// The most generations that may wait.
    static let waitingLimit = 256

    private let desk: Lock<Desk> = Lock(Desk())
    /// Rings when there may be something to do.
    private let bell = DispatchSemaphore(value: 0)
    private let tokenizer: Tokenizer
    /// Makes a variant's weights current; runs between passes.
    private let prepare: @Sendable (String?) throws -> Void

    /// Counts for `/metrics`.
    let counters = EngineCounters()

    init(tokenizer: Tokenizer, prepare: @escaping @Sendable (String?) throws -> Void) {
        self.tokenizer = tokenizer
        self.prepare = prepare
    }

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

    /// Runs `errand` on the engine's thread between two passes.
    func between(_ errand: @escaping Errand) {
        desk.withLock { $0.errands.append(errand) }
        bell.signal()
    }

    // MARK: The thread

    private func run(_ model: Llama) {
        var active: [(ticket: Ticket, sequence: ActiveSequence)] = []
        var freeSlots = Array((0..<model.cache.slotCount).reversed())
        var turn = 0
        while true {
            let freeCount = freeSlots.count
            let news = desk.withLock { desk -> News in
                defer {
                    desk.waiting.removeFirst(min(freeCount, desk.waiting.count))
                    (desk.cancelled, desk.errands) = ([], [])
                }
                desk.waiting.removeAll { desk.cancelled.contains($0.number) }
                let admitted = Array(desk.waiting.prefix(freeCount))
                return News(cancelled: desk.cancelled, admitted: admitted, errands: desk.errands)
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
            let (errands, isIdle) = (news.errands, active.isEmpty && news.errands.isEmpty)
            counters.set(active: active.count)
            for errand in errands { errand(model) }
            guard !active.isEmpty else {
                if isIdle { bell.wait() }
                continue
            }
            // A pass uses one set of weights, so it serves the sequences of one variant, each variant in its turn.
            turn += 1
            let variant = active[turn % active.count].ticket.request.variant
            let served = active.filter { $0.ticket.request.variant == variant }.map(\.sequence)
            let ended = pass(model, served, variant)
            for index in active.indices.reversed() where ended.contains(where: { $0 === active[index].sequence }) {
                let (ticket, sequence) = active.remove(at: index)
                freeSlots.append(sequence.slot)
                ticket.continuation.finish()
            }
        }
    }

    /// One pass over `sequences`; returns those that ended.
    private func pass(_ model: Llama, _ sequences: [ActiveSequence], _ variant: String?) -> [ActiveSequence] {
        do {
            try prepare(variant)
        } catch {
            let reason = error as? ModelError ?? ModelError(.unknownVariant, "\(error)")
            for sequence in sequences { sequence.fail(reason) }
            return sequences
        }
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
