import RouterKit
import Testing

@Suite struct CircuitBreakerTests {
    private let settings = CircuitBreaker.Settings(
        failuresToOpen: 3, coolDown_ms: 100, coolDownCeiling_ms: 350, refusedKeyCoolDown_ms: 50,
        retryAfterCeiling_ms: 1_000)

    private func opened(at now_ns: UInt64 = 0) -> CircuitBreaker {
        var breaker = CircuitBreaker(settings: settings)
        for _ in 0..<3 {
            let ticket = breaker.admit(now_ns: now_ns)!
            _ = breaker.record(.failure, ticket: ticket, now_ns: now_ns)
        }
        return breaker
    }

    @Test func opensAfterFailuresInARow() {
        #expect(opened().state == .open(until_ns: .ms(100)))
        #expect(opened().openedCount == 1)
    }

    @Test func aSuccessStartsTheCountAgain() {
        var breaker = CircuitBreaker(settings: settings)
        for event in [.failure, .failure, .success, .failure, .failure] as [CircuitBreaker.Event] {
            #expect(breaker.record(event, ticket: breaker.admit(now_ns: 0)!, now_ns: 0) == nil)
        }
        #expect(breaker.state == .closed(failures: 2))
    }

    @Test func nothingIsAdmittedUntilTheCoolDownIsOver() {
        var breaker = opened()
        #expect(breaker.admit(now_ns: .ms(100) - 1) == nil)
        #expect(breaker.readiness(now_ns: 0) == .notBefore(.ms(100)))
        #expect(breaker.admit(now_ns: .ms(100)) != nil)
    }

    @Test func halfOpenAdmitsOneProbe() {
        var breaker = opened()
        let probe = breaker.admit(now_ns: .ms(100))!
        #expect(breaker.admit(now_ns: .ms(100)) == nil)
        #expect(breaker.record(.success, ticket: probe, now_ns: .ms(110)) == .closed)
        #expect(breaker.admit(now_ns: .ms(110)) != nil)
        #expect(breaker.admit(now_ns: .ms(110)) != nil)
    }

    @Test func aCancelledProbeMakesRoomForAnother() {
        var breaker = opened()
        let probe = breaker.admit(now_ns: .ms(100))!
        #expect(breaker.record(.nothing, ticket: probe, now_ns: .ms(101)) == nil)
        #expect(breaker.admit(now_ns: .ms(101)) != nil)
    }

    @Test func coolDownsDoubleUpToTheCeilingAndStartAgainAfterSuccess() {
        var breaker = opened()
        var now_ns: UInt64 = .ms(100)
        for expected_ms in [200, 350, 350] {
            let probe = breaker.admit(now_ns: now_ns)!
            let until_ns = now_ns + .ms(expected_ms)
            #expect(breaker.record(.failure, ticket: probe, now_ns: now_ns) == .opened(until_ns: until_ns))
            now_ns = until_ns
        }
        _ = breaker.record(.success, ticket: breaker.admit(now_ns: now_ns)!, now_ns: now_ns)
        for _ in 0..<3 { _ = breaker.record(.failure, ticket: breaker.admit(now_ns: now_ns)!, now_ns: now_ns) }
        #expect(breaker.state == .open(until_ns: now_ns + .ms(100)))
    }

    @Test func aTripOpensAtOnce() {
        var breaker = CircuitBreaker(settings: settings)
        let ticket = breaker.admit(now_ns: 5)!
        #expect(breaker.record(.trip(coolDown_ms: 7), ticket: ticket, now_ns: 5) == .opened(until_ns: 5 + .ms(7)))
    }

    @Test func resultsFromBeforeAnOutageAreIgnored() {
        var breaker = CircuitBreaker(settings: settings)
        let early = breaker.admit(now_ns: 0)!
        _ = breaker.record(.trip(coolDown_ms: 10), ticket: breaker.admit(now_ns: 0)!, now_ns: 0)
        #expect(breaker.record(.success, ticket: early, now_ns: 1) == nil)
        #expect(breaker.state == .open(until_ns: .ms(10)))
        let probe = breaker.admit(now_ns: .ms(10))!
        #expect(breaker.record(.failure, ticket: early, now_ns: .ms(11)) == nil)
        #expect(breaker.state.label == "half_open")
        _ = breaker.record(.success, ticket: probe, now_ns: .ms(12))
        #expect(breaker.record(.failure, ticket: early, now_ns: .ms(13)) == nil)
        #expect(breaker.state == .closed(failures: 0))
    }

    /// Whatever happens: no two probes at once, and an open breaker always opens up again.
    @Test func randomHistoriesKeepTheInvariants() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<200 {
            var breaker = CircuitBreaker(settings: settings)
            var now_ns: UInt64 = 0
            var out: [CircuitBreaker.Ticket] = []
            for _ in 0..<200 {
                now_ns += UInt64.random(in: 0..<UInt64.ms(60), using: &random)
                if Bool.random(using: &random) {
                    let wasHalfOpen = breaker.state.label == "half_open"
                    let probing = breaker.state == .halfOpen(isProbing: true, since_ns: 0) || wasHalfOpen
                    if let ticket = breaker.admit(now_ns: now_ns) {
                        out.append(ticket)
                    } else if !probing, case .open(let until_ns) = breaker.state {
                        #expect(until_ns > now_ns)
                        #expect(until_ns <= now_ns + .ms(1_000))
                    }
                    if breaker.state.label == "half_open" { #expect(breaker.admit(now_ns: now_ns) == nil) }
                } else if let index = out.indices.randomElement(using: &random) {
                    let event = [CircuitBreaker.Event.success, .failure, .nothing, .trip(coolDown_ms: 1_000)]
                        .randomElement(using: &random)!
                    _ = breaker.record(event, ticket: out.remove(at: index), now_ns: now_ns)
                }
            }
            now_ns += .ms(10_000)
            for ticket in out { _ = breaker.record(.nothing, ticket: ticket, now_ns: now_ns) }
            #expect(breaker.readiness(now_ns: now_ns) == .ready)
        }
    }
}
