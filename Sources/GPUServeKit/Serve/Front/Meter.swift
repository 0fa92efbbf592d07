internal import Glibc
internal import Synchronization
internal import Wire

/// The way to the ledger for what is answered and for the time that replicas hold. Any thread.
final class Meter: Sendable {
    private let ledger: Ledger
    /// Stretches of time that were handed over and are not durable yet.
    private let pending = Atomic<Int>(0)
    private let lost = Atomic<Int>(0)

    init(_ ledger: Ledger) { self.ledger = ledger }

    /// Where the ledger is.
    var path: String { ledger.path }

    /// Records that could not be kept.
    var lostCount: Int { lost.load(ordering: .relaxed) }

    /// Whether what is answered can be kept. While it cannot, nothing should be answered.
    var isTaking: Bool { ledger.isHealthy }

    /// Keeps that a request was answered; returns when that is durable. The last piece of an answer goes out after that, so that
    /// whoever has a whole answer is billed for it, whatever happens to this program then.
    nonisolated(nonsending) func record(
        id: String, _ call: ServedCall, outcome: MeteredRequest.Outcome, key: String?, _ usage: TokenUsage?
    ) async {
        let tokens = usage.map {
            MeteredTokens(
                promptCount: $0.promptTokens, cachedCount: $0.cachedTokens, answerCount: $0.completionTokens)
        }
        await append(
            .request(
                MeteredRequest(
                    id: id, ended_ms: Self.now_ms(), deployment: call.name, variant: call.variant, key: key,
                    outcome: outcome, tokens: tokens)))
    }

    private nonisolated(nonsending) func append(_ record: LedgerRecord) async {
        do {
            try await ledger.append(record)
        } catch {
            lost.wrappingAdd(1, ordering: .relaxed)
        }
    }

    /// Hands a stretch of time over; it is kept when the disk has taken it.
    func record(_ residency: MeteredResidency) {
        pending.wrappingAdd(1, ordering: .relaxed)
        Task {
            await append(.residency(residency))
            pending.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    /// From now on a deployment has these prices.
    func record(_ price: Price?, of deployment: String) async throws(ServeError) {
        do throws(LedgerError) {
            try await ledger.append(.price(deployment: deployment, price ?? .unknown))
        } catch {
            throw ServeError(.ledgerUnusable, "\(error)")
        }
    }

    /// Waits until all that was handed over is durable, and closes the ledger.
    func close() async {
        while pending.load(ordering: .relaxed) > 0, ledger.isHealthy { await EngineHost.pause(2) }
        await ledger.close()
    }

    static func now_ms() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
