import Dispatch
import GPUServeKit
import Synchronization
import Tokens
import Transport
import Wire

/// Runs the model on a thread of its own, several sequences a pass (continuous batching): every pass takes one token of each
/// sequence that is generating, and fills up with tokens of prompts. All sequences of a pass use the same weights; when the
/// last of them has ended, the weights of whoever waits are switched to (see `Turns`).
final class Engine: Sendable {
    /// A generation that waits for a slot or runs in one.
    private struct Ticket: Sendable {
        let number: UInt64
        let request: GenerationRequest
        let continuation: AsyncStream<GenerationEvent>.Continuation

        func fail(_ problem: String) {
            continuation.yield(.failed(problem))
            continuation.finish()
        }
    }

    /// What is to be done on the thread once a sequence has made so many tokens; without arguments when that cannot be any more.
    private struct Errand: Sendable {
        let number: UInt64
        let tokenCount: Int
        let run: @Sendable ((model: any PassRunner, sequences: [ActiveSequence])?) -> Void
    }

    private struct Desk: Sendable {
        var turns = Turns<SnapshotID, Ticket>()
        var cancelled: Set<UInt64> = []
        var errands: [Errand] = []
        var nextNumber: UInt64 = 0
        /// Called when the thread has ended; nil while it is to go on.
        var whenStopped: CheckedContinuation<Void, Never>?
        var isOpen = false
    }

    /// What came in since the last pass.
    private struct News: Sendable {
        var cancelled: Set<UInt64>
        var errands: [Errand]
        var admitted: (weights: SnapshotID, tickets: [Ticket])?
        /// Whether to end when nothing runs.
        var isLast: Bool
    }

    /// The model, and how other weights are put in its place.
    struct Model: Sendable {
        let make: @Sendable () -> any PassRunner
        let tokenizer: Tokenizer
        let weights: SnapshotID
        /// Blocks. Returns what went wrong.
        let switchTo: @Sendable (SnapshotID) -> (any Error)?
    }

    /// The most generations that may wait, and the most who wait for a generation to come so far.
    static let waitingLimit = 256
    static let visitorLimit = 16

    private let desk: Lock<Desk> = Lock(Desk())
    /// Rings when there may be something to do.
    private let bell = DispatchSemaphore(value: 0)

    /// Counts for `/metrics`.
    let counters = EngineCounters()

    /// Starts the thread. The model is made on it, so that it belongs to it.
    func start(_ model: Model) {
        desk.withLock { $0.isOpen = true }
        DispatchQueue(label: "model").async {
            self.run(model.make(), model)
            let (stopped, errands) = self.desk.withLock { desk in
                defer { desk.errands = [] }
                return (desk.whenStopped.take(), desk.errands)
            }
            for errand in errands { errand.run(nil) }
            stopped?.resume()
        }
    }

    /// Lets what waits and runs finish, takes nothing new, and returns when the thread and its model are gone.
    func stop() async {
        await withCheckedContinuation { continuation in
            desk.withLock { desk in
                precondition(desk.isOpen, "the engine is stopped once")
                desk.isOpen = false
                desk.whenStopped = continuation
            }
            bell.signal()
        }
    }

    /// Generates; nil when the engine is stopped. Dropping the stream cancels.
    ///
    /// - Throws: `overloaded` when too many generations wait.
    func generate(_ request: GenerationRequest) throws(CompletionCall.Refusal) -> AsyncStream<GenerationEvent>? {
        let (stream, continuation) = AsyncStream.makeStream(of: GenerationEvent.self)
        let number = try desk.withLock { (desk) throws(CompletionCall.Refusal) -> UInt64? in
            guard desk.isOpen else { return nil }
            guard desk.turns.waiting.count < Self.waitingLimit else {
                let message = "\(Self.waitingLimit) requests wait already; try again later."
                throw CompletionCall.Refusal(status: 503, message: message, code: "overloaded")
            }
            desk.nextNumber += 1
            let ticket = Ticket(number: desk.nextNumber, request: request, continuation: continuation)
            desk.turns.append(ticket, for: request.weights.snapshot)
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

    /// Number of generations that wait, and of visitors.
    var waitingCount: (generations: Int, visitors: Int) {
        desk.withLock { ($0.turns.waiting.count, $0.errands.count) }
    }

    /// Runs `body` on the thread between two passes, with what is running: as soon as one of them has made `tokenCount` tokens.
    /// Nil when the engine is stopped, or is before that came, when too many wait already, or when the task is cancelled.
    func visit<Result: Sendable>(
        after tokenCount: Int, _ body: @escaping @Sendable (any PassRunner, [ActiveSequence]) throws -> Result
    ) async throws -> Result? {
        let number = desk.withLock { desk in
            desk.nextNumber += 1
            return desk.nextNumber
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isTaken = desk.withLock { desk in
                    guard desk.isOpen, desk.errands.count < Self.visitorLimit else { return false }
                    desk.errands.append(
                        Errand(number: number, tokenCount: tokenCount) { found in
                            continuation.resume(with: .init { try found.map { try body($0.model, $0.sequences) } })
                        })
                    return true
                }
                if isTaken { bell.signal() } else { continuation.resume(returning: nil) }
                if Task.isCancelled { forget(number) }
            }
        } onCancel: {
            forget(number)
        }
    }

    private func forget(_ number: UInt64) {
        let errand = desk.withLock { desk in
            desk.errands.firstIndex { $0.number == number }.map { desk.errands.remove(at: $0) }
        }
        errand?.run(nil)
    }

    // MARK: The thread

    private func run(_ model: any PassRunner, _ parts: Model) {
        var active: [(ticket: Ticket, sequence: ActiveSequence)] = []
        var freeSlots = Array((0..<model.slotCount).reversed())
        // Nil when it is not known what a switch that failed has left.
        var weights: SnapshotID? = parts.weights
        while true {
            let news = self.news(freeSlots.count, active.isEmpty ? nil : weights, active.map(\.sequence))
            for index in active.indices.reversed() where news.cancelled.contains(active[index].ticket.number) {
                freeSlots.append(active.remove(at: index).sequence.slot)
            }
            for errand in news.errands { errand.run((model, active.map(\.sequence))) }
            if let admitted = news.admitted {
                if admitted.weights != weights, let problem = parts.switchTo(admitted.weights) {
                    weights = nil
                    for ticket in admitted.tickets { ticket.fail("the weights could not be switched: \(problem)") }
                    continue
                }
                weights = admitted.weights
                for ticket in admitted.tickets {
                    let slot = freeSlots.removeLast()
                    do {
                        let sequence = try ActiveSequence(ticket.request, slot: slot, model, parts.tokenizer) {
                            ticket.continuation.yield($0)
                        }
                        active.append((ticket, sequence))
                    } catch {
                        freeSlots.append(slot)
                        ticket.fail("it could not go on: \(error)")
                    }
                }
            }
            counters.set(active: active.count)
            guard !active.isEmpty else {
                if news.isLast { return }
                bell.wait()
                continue
            }
            var ended: [ActiveSequence] = []
            do {
                ended = try pass(model, parts.tokenizer, active.map(\.sequence))
            } catch {
                // Nobody knows what the pass has left in the cache.
                for (ticket, sequence) in active {
                    freeSlots.append(sequence.slot)
                    ticket.fail("the model could not run: \(error)")
                }
                active = []
            }
            for index in active.indices.reversed() where ended.contains(where: { $0 === active[index].sequence }) {
                let (ticket, sequence) = active.remove(at: index)
                freeSlots.append(sequence.slot)
                ticket.continuation.finish()
            }
        }
    }

    private func news(_ freeCount: Int, _ running: SnapshotID?, _ sequences: [ActiveSequence]) -> News {
        let most = sequences.map(\.usage.completionTokens).max() ?? 0
        return desk.withLock { desk in
            defer { desk.cancelled = [] }
            let cancelled = desk.cancelled
            let due = desk.errands.filter { $0.tokenCount <= most }
            desk.errands.removeAll { $0.tokenCount <= most }
            desk.turns.removeAll { cancelled.contains($0.number) }
            let admitted = desk.turns.admit(upTo: freeCount, running: running)
            return News(
                cancelled: cancelled, errands: due, admitted: admitted,
                isLast: !desk.isOpen && desk.turns.waiting.isEmpty)
        }
    }

    /// One pass over `sequences`; returns those that ended.
    private func pass(
        _ model: any PassRunner, _ tokenizer: Tokenizer, _ sequences: [ActiveSequence]
    ) throws -> [ActiveSequence] {
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
        let logits = try model.run(steps)
        counters.add(passes: 1, takenTokens: steps.count, madeTokens: wanting.count)
        return zip(wanting, logits).compactMap { sequence, logits in
            sequence.advance(logits, tokenizer, contextCount: model.contextCount) ? nil : sequence
        }
    }
}
