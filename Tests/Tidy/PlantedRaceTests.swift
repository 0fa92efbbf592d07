import Foundation
import Synchronization
import Testing

/// Shows that the ThreadSanitizer job can fail. Two threads add to one counter: under a lock as a rule, without it
/// when `PLANTED_RACE` is set, and `Scripts/planted_race.sh` wants that run to be reported.
@Suite struct PlantedRaceTests {
    /// The one place where a data race is meant, so the compiler is told not to look; `lock` protects `value` unless
    /// the race is planted.
    private final class Counter: @unchecked Sendable {
        var value = 0
        let lock = NSLock()
        /// How far each thread is.
        let turns = [Turn(), Turn()]
    }

    private final class Turn: Sendable {
        private let round = Atomic<Int>(0)

        var value: Int { round.load(ordering: .relaxed) }
        func reach(_ number: Int) { round.store(number, ordering: .relaxed) }
    }

    @Test func `two threads count right under a lock`() {
        let isPlanted = ProcessInfo.processInfo.environment["PLANTED_RACE"] != nil
        let counter = Counter()
        let finished = DispatchGroup()
        for index in 0..<2 {
            finished.enter()
            Thread.detachNewThread {
                for round in 1...1_000 {
                    if !isPlanted { counter.lock.lock() }
                    counter.value += 1
                    if !isPlanted { counter.lock.unlock() }
                    // By turns, so that both are seen at it on however loaded a machine: the sanitizer may forget what a
                    // thread did that has ended. Relaxed, so that the turns themselves put nothing in order.
                    counter.turns[index].reach(round)
                    while counter.turns[1 - index].value < round { sched_yield() }
                }
                finished.leave()
            }
        }
        finished.wait()
        if !isPlanted { #expect(counter.value == 2_000) }
    }
}
