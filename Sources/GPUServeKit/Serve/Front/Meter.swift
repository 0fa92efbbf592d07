internal import Glibc
internal import Synchronization
internal import Wire

/// Hands what was answered to the ledger, without holding up who was answered. Any thread.
final class Meter: Sendable {
    private let ledger: Ledger
    /// Records that were handed over and are not durable yet.
    private let pending = Atomic<Int>(0)
    private let lost = Atomic<Int>(0)

    init(_ ledger: Ledger) { self.ledger = ledger }

    /// Records that could not be kept.
    var lostCount: Int { lost.load(ordering: .relaxed) }

    func record(
        id: String, _ call: ServedCall, outcome: MeteredRequest.Outcome, key: String?, _ usage: TokenUsage?
    ) {
        let tokens = usage.map {
            MeteredTokens(
                promptCount: $0.promptTokens, cachedCount: $0.cachedTokens, answerCount: $0.completionTokens)
        }
        let request = MeteredRequest(
            id: id, ended_ms: Self.now_ms(), deployment: call.name, variant: call.variant, key: key, outcome: outcome,
            tokens: tokens)
        pending.wrappingAdd(1, ordering: .relaxed)
        Task {
            do {
                try await ledger.append(.request(request))
            } catch {
                lost.wrappingAdd(1, ordering: .relaxed)
            }
            pending.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    /// Waits until all that was handed over is durable, and closes the ledger.
    func close() async {
        while pending.load(ordering: .relaxed) > 0, await ledger.isHealthy { await EngineHost.pause(2) }
        await ledger.close()
    }

    static func now_ms() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
