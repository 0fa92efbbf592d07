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
        let counts = (0..<Trace.deploymentCount).map { index in trace.requests.count { $0.deployment == index } }
        #expect(counts.allSatisfy { $0 > 0 })
        // A timer of a minute.
        #expect((57...63).contains(counts[2]))
    }

    /// Ten deployments, of which each is asked as many times in each minute as its number says.
    private let counted = (0..<10).map { "f,1," + Array(repeating: "\($0)", count: 60).joined(separator: ",") }

    @Test func `a recorded hour has its counts in its minutes, whatever the seed`() throws {
        let text = "# who recorded it\n" + counted.joined(separator: "\n") + "\n"
        let traces = try [1, 2].map { try Trace(recorded: text, seed: $0) }
        for trace in traces {
            for deployment in 0..<10 {
                let minutes = trace.requests.filter { $0.deployment == deployment }.map { $0.arrived_ms / 60_000 }
                #expect(minutes == (0..<60).flatMap { Array(repeating: $0, count: deployment) })
            }
        }
        #expect(traces[0].requests.map(\.arrived_ms) != traces[1].requests.map(\.arrived_ms))
        let fast = traces[0].squeezed(by: 12, brevity: 4)
        #expect(fast.length_ms == 300_000 && fast.requests.count == traces[0].requests.count)
        #expect(fast.requests.allSatisfy { $0.arrived_ms < 300_000 })
        #expect(fast.requests.map(\.service_ms).max()! == traces[0].requests.map(\.service_ms).max()! / 48)
    }

    @Test func `a recorded hour that is damaged is refused with the line`() {
        var short = counted
        short[3].removeLast(2)
        #expect { try Trace(recorded: short.joined(separator: "\n"), seed: 1) } throws: { "\($0)".contains("line 4") }
        var odd = counted
        odd[0] = odd[0].replacing("0,0", with: "0,x", maxReplacements: 1)
        #expect { try Trace(recorded: odd.joined(separator: "\n"), seed: 1) } throws: { "\($0)".contains("line 1") }
        #expect { try Trace(recorded: counted.dropLast().joined(separator: "\n"), seed: 1) } throws: {
            "\($0)".contains("9 deployments")
        }
    }

    @Test func `whoever waits at the end of an hour is answered too`() throws {
        // All at once in the last minute, with one place that each holds for two seconds at least.
        let text = (0..<10).map { _ in "f,1," + (0..<60).map { $0 == 59 ? "3" : "0" }.joined(separator: ",") }
        let trace = try Trace(recorded: text.joined(separator: "\n"), seed: 1).squeezed(by: 60)
        let outcome = Replay.run(trace, Policy("for ever", window_s: 86_400), costs, placeCount: 1)
        #expect(outcome.waits_ms.count == 30 && outcome.waits_ms.max()! > 1_000)
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
