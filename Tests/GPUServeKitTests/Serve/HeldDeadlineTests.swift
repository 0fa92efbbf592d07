import Synchronization
import Testing
import Transport
import Wire

@testable import GPUServeKit

/// When requests that wait for a replica are told that it took too long, in time that the tests let pass.
@Suite struct HeldDeadlineTests {
    /// A clock that stands still until it is told to go on.
    private final class FakeClock: Sendable {
        private struct State {
            var now_ns: UInt64 = 1_000_000_000
            var calls: [(moment_ns: UInt64, body: @Sendable () -> Void)] = []
        }
        private let state = Lock(State())

        var moments_ms: [UInt64] { state.withLock { $0.calls.map { $0.moment_ns / 1_000_000 - 1_000 }.sorted() } }
        func moment_ns(_ ms: UInt64) -> UInt64 { (1_000 + ms) * 1_000_000 }

        var seam: HeldClock {
            HeldClock(
                now_ns: { self.state.withLock { $0.now_ns } },
                call: { moment, body in self.state.withLock { $0.calls.append((moment, body)) } })
        }

        func advance(to ms: UInt64) {
            let due = state.withLock { state in
                state.now_ns = moment_ns(ms)
                let due = state.calls.filter { $0.moment_ns <= state.now_ns }
                state.calls.removeAll { $0.moment_ns <= state.now_ns }
                return due
            }
            for call in due { call.body() }
        }
    }

    private let clock = FakeClock()
    private let front: DeploymentFront

    init() {
        front = DeploymentFront(
            limits: .standard, clock: clock.seam, demanded: {}, suspected: { _ in }, proven: { _ in })
    }

    private func enter(patience_ms: UInt64) -> DeploymentFront.Entry {
        front.enter(bytes: 0, deadline_ns: clock.moment_ns(patience_ms), wantsProgress: false, isAgain: false)
    }

    private func held(patience_ms: UInt64) throws -> UInt64 {
        guard case .held(let id) = enter(patience_ms: patience_ms) else {
            throw ReplicaFailure(.stopped, "it is not held")
        }
        return id
    }

    private func isRefused(_ id: UInt64) async -> Bool {
        if case .refused(.deadline) = await front.wait(id) { true } else { false }
    }

    @Test func `each is told when its own patience ends, in whatever order they came`() async throws {
        let long = try held(patience_ms: 70)
        let short = try held(patience_ms: 5)
        let middle = try held(patience_ms: 30)
        #expect(clock.moments_ms == [5, 70], "the middle one is seen to when the first one is")
        clock.advance(to: 4)
        #expect(front.counts.refused == 0)
        for (ms, id, count) in [(5, short, 1), (30, middle, 2), (70, long, 3)] {
            clock.advance(to: UInt64(ms))
            try #require(front.counts.refused == count)
            #expect(await isRefused(id))
        }
        #expect(front.heldCount == 0 && clock.moments_ms.isEmpty)
    }

    @Test func `without patience it is told at once, and asked for all the same`() {
        guard case .refused(.deadline) = enter(patience_ms: 0) else {
            Issue.record("it waits")
            return
        }
        #expect(front.heldCount == 0 && clock.moments_ms.isEmpty)
        #expect(front.takeLoad().held == 1, "whoever looks next brings a replica up")
        #expect(front.takeLoad().held == 0)
    }

    @Test func `a replica that is there is given to those without patience too`() {
        front.open(1, generation: 1, url: "http://127.0.0.1:1", tier: .cold, atMost: 1)
        guard case .ticket = enter(patience_ms: 0) else {
            Issue.record("it is refused")
            return
        }
        #expect(front.counts.refused == 0)
    }

    @Test func `more than an engine is to have at once wait for their turn`() async throws {
        front.open(1, generation: 1, url: "http://127.0.0.1:1", tier: .cold, atMost: 2)
        var tickets: [Ticket] = []
        for _ in 0..<2 {
            guard case .ticket(let ticket) = enter(patience_ms: 10) else { throw ReplicaFailure(.stopped, "no ticket") }
            tickets.append(ticket)
        }
        let (first, second) = (try held(patience_ms: 10), try held(patience_ms: 10))
        #expect(front.heldCount == 2)
        tickets[0].finish(.answered)
        guard case .ticket(let third) = await front.wait(first) else { throw ReplicaFailure(.stopped, "no ticket") }
        #expect(front.heldCount == 1 && front.inFlight(1) == 2)
        third.finish(.failed)
        #expect(front.heldCount == 1, "it is looked at first")
        front.open(1, generation: 1, url: "http://127.0.0.1:1", tier: .cold, atMost: 2)
        guard case .ticket(let fourth) = await front.wait(second) else { throw ReplicaFailure(.stopped, "no ticket") }
        #expect(front.inFlight(1) == 2 && front.heldCount == 0)
        fourth.finish(.answered)
        tickets[1].finish(.answered)
        #expect(front.inFlight(1) == 0)
    }

    @Test func `an alarm is set anew only for what comes earlier`() {
        var alarm = HeldAlarm()
        #expect(alarm.arm(for: nil) == nil)
        #expect(alarm.arm(for: 50) == 50)
        #expect(alarm.arm(for: 50) == nil)
        #expect(alarm.arm(for: 60) == nil)
        #expect(alarm.arm(for: 40) == 40)
        alarm.passed(39)
        #expect(alarm.arm(for: 45) == nil)
        alarm.passed(40)
        #expect(alarm.arm(for: 60) == 60)
    }
}
