import Testing

@testable import GPUServeKit

/// The time of a replica is billed once and without a gap.
@Suite struct ResidencyClockTests {
    private func clock() -> ResidencyClock {
        ResidencyClock(
            deployment: "chat", replica: "chat/1/x", device: "host", now_ms: 1000, wall_ms: 1_700_000_000_000)
    }

    @Test func `stretches follow each other without a gap`() throws {
        var clock = clock()
        let steps = [
            clock.enter(.awake, at: 1500), clock.enter(.awake, at: 1600), clock.enter(.suspended, at: 2500),
            clock.piece(longest_ms: 60_000, at: 3000), clock.piece(longest_ms: 60_000, at: 62_500),
            clock.enter(nil, at: 62_600), clock.enter(.awake, at: 99_999),
        ]
        let found = steps.map { $0.map { "\($0.state) \($0.start_ms - 1_700_000_000_000) \($0.duration_ms)" } }
        // Nothing was held before the first; the second changes nothing; the fourth is too short; the last begins one.
        #expect(found == [nil, nil, "awake 500 1000", nil, "suspended 1500 60000", "suspended 61500 100", nil])
    }

    @Test func `however it goes, all time in a state is billed and no two stretches start together`() {
        var generator = SplitMix(3)
        var clock = clock()
        var (now, expected, billed) = (1000, 0, 0)
        var state: ResidencyState?
        var starts: Set<Int> = []
        for _ in 0..<5000 {
            let passed = Int.random(in: 0...3, using: &generator)
            now += passed
            if state != nil { expected += passed }
            let stretch: MeteredResidency?
            if Bool.random(using: &generator) {
                let next = ([nil] + ResidencyState.allCases.map { $0 }).randomElement(using: &generator)!
                stretch = clock.enter(next, at: now)
                state = next
            } else {
                stretch = clock.piece(longest_ms: 2, at: now)
            }
            guard let stretch else { continue }
            billed += stretch.duration_ms
            #expect(starts.insert(stretch.start_ms).inserted)
        }
        billed += clock.enter(nil, at: now)?.duration_ms ?? 0
        #expect(billed == expected)
    }

    @Test func `what holds nothing is in no state`() {
        #expect(ReplicaState.absent.residency == nil && ReplicaState.asleep(.cold).residency == nil)
        #expect(ReplicaState.waking(.processSnapshot, .engine).residency == .awake)
        #expect(ReplicaState.asleep(.kitSnapshot).residency == .snapshot)
    }
}
