internal import Synchronization
internal import Transport

/// What the workers of one restore share: which steps are done, which regions are ready, what went wrong.
final class RestoreBoard: Sendable {
    private struct State {
        var next = 0
        var pending: [Int]
        var waiters: [Int: [CheckedContinuation<RestoreError?, Never>]] = [:]
        var failure: RestoreError?
        var bytes = TierBytes()
        var verifiedCount = 0
        var incidents: [SnapshotError] = []
        var firstRegion_ns: UInt64?
        /// Steps that may have touched memory.
        var isTouched = false
    }

    private let steps: [RestoreStep]
    private let now_ns: @Sendable () -> UInt64
    private let state: Lock<State>
    private let total: Int
    private let batchBytes: Int
    private let progress: (@Sendable (Int, Int) -> Void)?

    init(
        _ plan: RestorePlan, now_ns: @escaping @Sendable () -> UInt64, progress: (@Sendable (Int, Int) -> Void)?
    ) {
        steps = plan.steps
        self.now_ns = now_ns
        self.progress = progress
        total = plan.bytesByTier.total
        batchBytes = max(Self.leastBatchBytes, min(Self.mostBatchBytes, total / 16))
        var pending = [Int](repeating: 0, count: plan.manifest.regions.count)
        for step in plan.steps { for region in step.regions { pending[region] += 1 } }
        state = Lock(State(pending: pending))
    }

    /// Work that a thread does before it looks whether others want it: long against a hop, short against a restore, and a
    /// small share of the whole, so that no worker is left with much when the others are done.
    private static let (leastBatchBytes, mostBatchBytes) = (512 * 1024, 8 * 1024 * 1024)
    private static let batchCount = 64

    /// The next steps for one worker: several that are short, one that is long. Nil when there are none, or one failed.
    func nextBatch() -> Range<Int>? {
        state.withLock { state in
            guard state.failure == nil, state.next < steps.count else { return nil }
            let first = state.next
            var sum = 0
            while state.next < steps.count, state.next - first < Self.batchCount, sum < batchBytes {
                sum += steps[state.next].byteCount
                state.next += 1
            }
            state.isTouched = true
            return first..<state.next
        }
    }

    /// Notes that a step's bytes are verified in place.
    func finish(_ step: RestoreStep, from tier: RestoreTier, isVerified: Bool) {
        finish(bytes: step.byteCount, tier, isVerified: isVerified, regions: step.regions)
    }

    func finish(bytes: Int, _ tier: RestoreTier, isVerified: Bool, regions: [Int]) {
        let time = now_ns()
        let (ready, done) = state.withLock { state in
            state.bytes[tier] += bytes
            if isVerified { state.verifiedCount += 1 }
            var ready: [CheckedContinuation<RestoreError?, Never>] = []
            for region in regions {
                state.pending[region] -= 1
                guard state.pending[region] == 0 else { continue }
                state.firstRegion_ns = state.firstRegion_ns ?? time
                // After a failure nothing gets ready any more: the memory goes away.
                if state.failure == nil { ready += state.waiters.removeValue(forKey: region) ?? [] }
            }
            return (ready, state.bytes.total)
        }
        for waiter in ready { waiter.resume(returning: nil) }
        progress?(done, total)
    }

    func note(_ incident: SnapshotError) {
        state.withLock { if $0.incidents.count < 100 { $0.incidents.append(incident) } }
    }

    /// Stops the workers and wakes who waits for a region. The first failure counts.
    func fail(_ error: RestoreError) {
        let waiters = state.withLock { state in
            // What the others say once they are stopped is only that.
            if state.failure == nil || state.failure?.code == .cancelled { state.failure = error }
            defer { state.waiters = [:] }
            return state.waiters.values.flatMap { $0 }
        }
        for waiter in waiters { waiter.resume(returning: error) }
    }

    var failure: RestoreError? { state.withLock { $0.failure } }
    var isTouched: Bool { state.withLock { $0.isTouched } }
    var doneBytes: Int { state.withLock { $0.bytes.total } }
    var results: (bytes: TierBytes, verified: Int, incidents: [SnapshotError], first_ns: UInt64?) {
        state.withLock { ($0.bytes, $0.verifiedCount, $0.incidents, $0.firstRegion_ns) }
    }

    /// Whether a region is verified in place.
    func isReady(_ region: Int) -> Bool { state.withLock { $0.pending[region] == 0 && $0.failure == nil } }

    /// Returns when a region is verified in place.
    func ready(_ region: Int) async throws(RestoreError) {
        let error = await withCheckedContinuation { continuation in
            let answer = state.withLock { state -> RestoreError?? in
                if let failure = state.failure { return .some(failure) }
                if state.pending[region] == 0 { return .some(nil) }
                state.waiters[region, default: []].append(continuation)
                return .none
            }
            if let answer { continuation.resume(returning: answer) }
        }
        if let error { throw error }
    }
}
