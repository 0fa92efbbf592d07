import RouterKit
import Testing

@Suite struct ModelPoolTests {
    private let settings = CircuitBreaker.Settings(failuresToOpen: 2, coolDown_ms: 100)

    private func pool(_ deployments: [Deployment]) throws -> ModelPool {
        try ModelPool(cards: [Fixture.card("m", deployments: deployments)], breakers: settings)
    }

    private func next(_ pool: ModelPool, _ outcome: LeaseOutcome = .success, at now_ns: UInt64 = 0) throws -> String {
        let lease = try pool.lease(model: "m", now_ns: now_ns)
        let id = lease.deployment.id
        lease.finish(outcome, now_ns: now_ns)
        return id
    }

    private func refusal(_ pool: ModelPool, excluding: Set<String> = [], at now_ns: UInt64 = 0) -> PoolError? {
        do {
            _ = try pool.lease(model: "m", excluding: excluding, now_ns: now_ns)
            return nil
        } catch {
            return error
        }
    }

    @Test func weightsAreSmoothAndExact() throws {
        let pool = try pool([Fixture.deployment("a", weight: 5), Fixture.deployment("b"), Fixture.deployment("c")])
        let order = try (0..<14).map { _ in try next(pool) }
        // The sequence that nginx documents for 5, 1, 1.
        #expect(order.joined() == "aabacaaaabacaa")
    }

    @Test func unknownModelsAreNamed() throws {
        let pool = try pool([Fixture.deployment()])
        do {
            _ = try pool.lease(model: "nope", now_ns: 0)
            Issue.record("a lease for a model that is not there")
        } catch {
            #expect(error.code == .unknownModel)
        }
    }

    @Test func excludedDeploymentsAreNotUsed() throws {
        let pool = try pool([Fixture.deployment("a"), Fixture.deployment("b")])
        for _ in 0..<4 {
            let lease = try pool.lease(model: "m", excluding: ["a"], now_ns: 0)
            #expect(lease.deployment.id == "b")
        }
        #expect(refusal(pool, excluding: ["a", "b"])?.code == .exhausted)
    }

    @Test func theCapHoldsAndComesBack() throws {
        let pool = try pool([Fixture.deployment(maxConcurrent: 2)])
        let first = try pool.lease(model: "m", now_ns: 0)
        let second = try pool.lease(model: "m", now_ns: 0)
        #expect(refusal(pool)?.code == .saturated)
        #expect(pool.view(now_ns: 0).availability == [.saturated])
        first.finish(.success, now_ns: 0)
        #expect(refusal(pool) == nil)
        second.finish(.failure(.reset, retryAfter_ms: nil), now_ns: 0)
        let state = pool.snapshot(now_ns: 0).models[0].deployments[0]
        #expect(state.inFlightCount == 0)
        #expect(state.successCount == 1)
        #expect(state.failureCounts == [.reset: 1])
    }

    @Test func aLeaseDroppedWithoutAnOutcomeCountsAsCancelled() throws {
        let pool = try pool([Fixture.deployment(maxConcurrent: 1)])
        do { _ = try pool.lease(model: "m", now_ns: 0) }
        let state = pool.snapshot(now_ns: 0).models[0].deployments[0]
        #expect(state.inFlightCount == 0)
        #expect(state.cancelledCount == 1)
        #expect(refusal(pool) == nil)
    }

    @Test func failuresInARowTakeADeploymentOutAndAProbeBringsItBack() throws {
        let pool = try pool([Fixture.deployment("a"), Fixture.deployment("b")])
        var failed = 0
        while failed < 2 {
            let lease = try pool.lease(model: "m", now_ns: 0)
            if lease.deployment.id == "a" {
                failed += 1
                lease.finish(.failure(.connect, retryAfter_ms: nil), now_ns: 0)
            } else {
                lease.finish(.success, now_ns: 0)
            }
        }
        for _ in 0..<4 { #expect(try next(pool) == "b") }
        let later: UInt64 = .ms(100)
        let order = try (0..<4).map { _ in try next(pool, at: later) }
        #expect(order.contains("a"))
        #expect(pool.snapshot(now_ns: later).models[0].deployments[0].breakerLabel == "closed")
    }

    @Test func anUnavailablePoolSaysWhenToComeBack() throws {
        let pool = try pool([Fixture.deployment("a"), Fixture.deployment("b")])
        _ = try next(pool, .failure(.overloaded, retryAfter_ms: 700))
        _ = try next(pool, .failure(.rateLimited, retryAfter_ms: 400))
        let error = refusal(pool, at: .ms(100))
        #expect(error?.code == .coolingDown)
        #expect(error?.retryAfter_ms == 300)
        #expect(pool.view(now_ns: .ms(100)).availability == [.coolingDown(retryAfter_ms: 300)])
        #expect(refusal(pool, at: .ms(400)) == nil)
    }

    @Test func retryAfterIsBounded() throws {
        let pool = try pool([Fixture.deployment()])
        _ = try next(pool, .failure(.rateLimited, retryAfter_ms: 86_400_000))
        #expect(refusal(pool)?.retryAfter_ms == settings.retryAfterCeiling_ms)
    }

    @Test func keysRotate() throws {
        let pool = try pool([Fixture.deployment(keys: ["x", "y", "z"])])
        var labels: [String] = []
        for _ in 0..<6 {
            let lease = try pool.lease(model: "m", now_ns: 0)
            labels.append(lease.key?.label ?? "-")
            lease.finish(.success, now_ns: 0)
        }
        #expect(labels == ["x", "y", "z", "x", "y", "z"])
    }

    @Test(arguments: [LeaseOutcome.FailureKind.unauthorized, .forbidden, .rateLimited])
    func aRefusedKeyRestsWhileTheOthersGoOn(_ kind: LeaseOutcome.FailureKind) throws {
        let pool = try pool([Fixture.deployment(keys: ["x", "y"])])
        let lease = try pool.lease(model: "m", now_ns: 0)
        #expect(lease.key?.label == "x")
        lease.finish(.failure(kind, retryAfter_ms: 500), now_ns: 0)
        for _ in 0..<3 {
            let lease = try pool.lease(model: "m", now_ns: 0)
            #expect(lease.key?.label == "y")
            lease.finish(.success, now_ns: 0)
        }
        #expect(pool.snapshot(now_ns: 0).models[0].deployments[0].coolingKeysCount == 1)
        let last = try pool.lease(model: "m", now_ns: 0)
        last.finish(.failure(kind, retryAfter_ms: 800), now_ns: 0)
        #expect(refusal(pool)?.retryAfter_ms == 500)
    }

    @Test(arguments: [LeaseOutcome.FailureKind.unauthorized, .forbidden])
    func refusalsOfTheKeyCoolDownAtOnceForABoundedTime(_ kind: LeaseOutcome.FailureKind) throws {
        for keys in [[], ["x"]] {
            let pool = try pool([Fixture.deployment(keys: keys)])
            _ = try next(pool, .failure(kind, retryAfter_ms: nil))
            #expect(refusal(pool)?.retryAfter_ms == settings.refusedKeyCoolDown_ms)
        }
    }

    @Test func statusesThatBlameTheRequestDoNotCountAgainstTheDeployment() {
        for status in [200, 301, 400, 404, 413, 422] { #expect(LeaseOutcome.FailureKind(status: status) == nil) }
        #expect(LeaseOutcome.FailureKind(status: 429) == .rateLimited)
        #expect(LeaseOutcome.FailureKind(status: 529) == .overloaded)
        #expect(LeaseOutcome.FailureKind(status: 502) == .serverError)
    }

    @Test func replacingCardsKeepsTheHealthOfWhatStays() throws {
        let pool = try pool([Fixture.deployment("a"), Fixture.deployment("b")])
        let held = try pool.lease(model: "m", now_ns: 0)
        #expect(held.deployment.id == "a")
        _ = try next(pool, .failure(.overloaded, retryAfter_ms: 1_000))
        try pool.replace(cards: [
            Fixture.card("n", deployments: [Fixture.deployment("c")]),
            Fixture.card("m", deployments: [Fixture.deployment("b"), Fixture.deployment("d")]),
        ])
        var state = pool.snapshot(now_ns: 0)
        #expect(state.models.map(\.name) == ["n", "m"])
        #expect(state.models[1].deployments.map(\.breakerLabel) == ["open", "closed"])
        held.finish(.success, now_ns: 0)
        // The slot that came free is used by a newcomer without the old one's counts.
        try pool.replace(cards: [Fixture.card("m", deployments: [Fixture.deployment("e")])])
        state = pool.snapshot(now_ns: 0)
        #expect(state.models[0].deployments[0].successCount == 0)
        #expect(try next(pool) == "e")
    }

    @Test func aBadReplacementChangesNothing() throws {
        let pool = try pool([Fixture.deployment("a")])
        #expect(throws: CardError.self) { try pool.replace(cards: []) }
        #expect(try next(pool) == "a")
    }

    /// Four threads lease and give back at random while cards are replaced; at the end everything is back, no cap
    /// was ever exceeded and every lease was counted once.
    @Test func aStormOfLeasesLosesNothing() async throws {
        let cards = [
            Fixture.card(
                "m",
                deployments: [
                    Fixture.deployment("a", weight: 3, keys: ["x", "y"], maxConcurrent: 2),
                    Fixture.deployment("b", maxConcurrent: 1),
                ])
        ]
        let pool = try ModelPool(
            cards: cards, breakers: .init(failuresToOpen: 1_000_000, coolDown_ms: 1))
        let granted = try await withThrowingTaskGroup(of: Int.self) { group in
            for worker in 0..<4 {
                group.addTask { try Self.storm(pool, cards, seed: UInt64(worker)) }
            }
            return try await group.reduce(0, +)
        }
        let state = pool.snapshot(now_ns: 0).models[0].deployments
        #expect(state.allSatisfy { $0.inFlightCount == 0 })
        let counted = state.reduce(0) {
            $0 + $1.successCount + $1.cancelledCount + $1.failureCounts.values.reduce(0, +)
        }
        #expect(counted == granted)
        #expect(granted > 0)
    }

    private static func storm(_ pool: ModelPool, _ cards: [ModelCard], seed: UInt64) throws -> Int {
        var random = SplitMix64(seed: seed)
        var granted = 0
        for round in 0..<2_000 {
            if round % 500 == 0 { try pool.replace(cards: cards) }
            guard let lease = try? pool.lease(model: "m", now_ns: 0) else { continue }
            granted += 1
            let state = pool.snapshot(now_ns: 0).models[0].deployments
            for deployment in state { #expect(deployment.inFlightCount <= deployment.maxConcurrent!) }
            switch Int.random(in: 0..<3, using: &random) {
            case 0: lease.finish(.success, now_ns: 0)
            case 1: lease.finish(.failure(.reset, retryAfter_ms: nil), now_ns: 0)
            default: break
            }
        }
        return granted
    }
}
