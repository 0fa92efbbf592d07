import GPUServeKit
import Testing

@Suite struct TierLadderTests {
    private let failure = ReplicaFailure(.wakeRefused, "made to fail")

    @Test func theFastestTierComesFirstAndColdIsAlwaysThere() {
        #expect(TierLadder([.kitSnapshot, .inPlace]).offered == [.inPlace, .kitSnapshot, .cold])
        #expect(TierLadder([]).tier() == .cold)
        #expect(TierLadder([.inPlace, .suspended]).tier(atLeast: .suspended) == .suspended)
        #expect(TierLadder([.inPlace, .suspended]).tier(atLeast: .processSnapshot) == .cold)
    }

    @Test func twoFailuresPutATierAside() {
        var ladder = TierLadder([.suspended])
        let first = ladder.failed(.suspended, failure)
        #expect(!first && ladder.tier() == .suspended)
        let second = ladder.failed(.suspended, failure)
        #expect(second && ladder.tier() == .cold)
        let third = ladder.failed(.suspended, failure)
        #expect(!third && ladder.isAside(.suspended))
    }

    @Test func coldIsNeverPutAside() {
        var ladder = TierLadder([])
        for _ in 0..<5 { ladder.failed(.cold, failure) }
        #expect(ladder.isUsable(.cold))
    }

    @Test func fallingBackNeedsAnImageAndNoProcess() {
        var ladder = TierLadder(SleepTier.allCases)
        #expect(ladder.fallback(below: .inPlace) == .cold)
        ladder.imageMade(.kitSnapshot)
        #expect(ladder.fallback(below: .inPlace) == .kitSnapshot)
        ladder.imageMade(.processSnapshot)
        #expect(ladder.fallback(below: .suspended) == .processSnapshot)
        #expect(ladder.fallback(below: .processSnapshot) == .kitSnapshot)
        ladder.failed(.processSnapshot, failure)
        #expect(ladder.fallback(below: .suspended) == .kitSnapshot)
    }

    @Test func aTierThatTheMachineLacksIsWithdrawnWithTheReason() {
        var ladder = TierLadder([.processSnapshot])
        let reason = ReplicaFailure(.notPermitted, "CAP_CHECKPOINT_RESTORE is missing")
        ladder.withdraw(.processSnapshot, reason)
        #expect(ladder.offered == [.cold])
        #expect(ladder.lastFailures[.processSnapshot] == reason)
    }
}
