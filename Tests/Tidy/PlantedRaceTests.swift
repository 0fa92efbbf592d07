import Foundation
import Testing

/// Shows that the ThreadSanitizer job can fail. Two threads add to one counter: under a lock as a rule, without it
/// when `PLANTED_RACE` is set, and `Scripts/planted_race.sh` wants that run to be reported.
@Suite struct PlantedRaceTests {
    /// The one place where a data race is meant, so the compiler is told not to look; `lock` protects `value` unless
    /// the race is planted.
    private final class Counter: @unchecked Sendable {
        var value = 0
        let lock = NSLock()
    }

    @Test func `two threads count right under a lock`() {
        let isPlanted = ProcessInfo.processInfo.environment["PLANTED_RACE"] != nil
        let counter = Counter()
        let finished = DispatchGroup()
        // Both threads live before either counts, and planted ones count long enough to overlap: the sanitizer may
        // forget what a thread did that has ended.
        let ready = DispatchSemaphore(value: 0)
        let start = DispatchSemaphore(value: 0)
        for _ in 0..<2 {
            finished.enter()
            Thread.detachNewThread {
                ready.signal()
                start.wait()
                for _ in 0..<(isPlanted ? 5_000_000 : 100_000) {
                    if !isPlanted { counter.lock.lock() }
                    counter.value += 1
                    if !isPlanted { counter.lock.unlock() }
                }
                finished.leave()
            }
        }
        for _ in 0..<2 { ready.wait() }
        for _ in 0..<2 { start.signal() }
        finished.wait()
        if !isPlanted { #expect(counter.value == 200_000) }
    }
}
