import GPUServeKit
import Testing

@testable import bench_trace

/// Traces of many requests through the scheduler: nobody is lost, the budget holds, and deployments that do not fit together
/// take turns instead of pushing each other out.
@Suite struct TraceTests {
    private let costs = WakeCosts(wake_ms: 100, sleep_ms: 200)

    @Test(arguments: [1, 2, 3] as [UInt64]) func `nothing thrashes`(seed: UInt64) {
        let trace = Trace(seed: seed, length_ms: 600_000)
        for policy in [Policy(patience: 150), Policy("for ever", window_s: 86_400), Policy("short", window_s: 1)] {
            // It stops the program when a request is not answered.
            let outcome = Replay.run(trace, policy, costs, placeCount: 2)
            #expect(outcome.mostHeld <= 2, "\(policy.name)")
            #expect(outcome.evictionCount <= outcome.wakeCount, "\(policy.name)")
            // Ten deployments on two places: some are asked again just when they have gone, most are not.
            #expect(
                outcome.regretCount * 5 <= outcome.wakeCount,
                "\(policy.name): \(outcome.regretCount) of \(outcome.wakeCount) were sent away and wanted back at once")
        }
    }

    @Test func `a trace is the same in every run, and has the shape that it says`() {
        let trace = Trace(seed: 1)
        let again = Trace(seed: 1)
        #expect(trace.requests.map(\.arrived_ms) == again.requests.map(\.arrived_ms))
        #expect(trace.requests.map(\.arrived_ms) != Trace(seed: 2).requests.map(\.arrived_ms))
        #expect(trace.requests.allSatisfy { (0..<3_600_000).contains($0.arrived_ms) && $0.service_ms >= 100 })
        let counts = Trace.deployments.indices.map { index in trace.requests.count { $0.deployment == index } }
        #expect(counts.allSatisfy { $0 > 0 })
        // A timer of a minute.
        #expect((57...63).contains(counts[2]))
    }

    @Test func `with room for all nobody makes room`() {
        let outcome = Replay.run(
            Trace(seed: 1, length_ms: 600_000), Policy("for ever", window_s: 86_400), costs, placeCount: 10)
        #expect(outcome.evictionCount == 0 && outcome.wakeCount <= 10)
    }

    @Test func `events come by time, and those of one time as they were added`() {
        var queue = TimeQueue<Int>()
        for (number, time) in [5, 1, 5, 3, 1, 9, 0].enumerated() { queue.add(number, at: time) }
        var found: [Int] = []
        while let next = queue.next() { found.append(next.element) }
        #expect(found == [6, 1, 4, 3, 0, 2, 5])
    }
}
