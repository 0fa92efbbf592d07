import Synchronization
import Testing

@testable import Transport

@Suite struct EventLoopTests {
    @Test func aSpawnedTaskStaysOnTheLoopAcrossAwaits() async throws {
        let loop = try EventLoop(name: "test")
        loop.start()
        defer { loop.stop() }
        let actor = LoopActor(loop)
        let onLoop = await withCheckedContinuation { continuation in
            actor.spawn {
                var seen = [loop.isCurrent]
                for _ in 0..<10 {
                    await Task.yield()
                    seen.append(loop.isCurrent)
                }
                continuation.resume(returning: seen)
            }
        }
        #expect(onLoop == Array(repeating: true, count: 11))
    }

    @Test func closuresFromOtherThreadsRunInOrderOnTheLoop() async throws {
        let loop = try EventLoop(name: "test")
        loop.start()
        defer { loop.stop() }
        let seen = Lock<[Int]>([])
        for value in 0..<1000 { loop.execute { seen.withLock { $0.append(value) } } }
        await withCheckedContinuation { continuation in loop.execute { continuation.resume() } }
        #expect(seen.withLock { $0 } == Array(0..<1000))
        #expect(loop.foreignEnqueueCount >= 1001)
    }

    @Test func whatComesToAStoppedLoopIsRunAllTheSame() async throws {
        let loop = try EventLoop(name: "test")
        loop.start()
        loop.stop()
        let seen = Lock<[Int]>([])
        for value in 0..<100 {
            loop.execute {
                loop.assertCurrent()
                seen.withLock { $0.append(value) }
            }
        }
        // A task that came to a loop that never ran it would never end.
        let actor = LoopActor(loop)
        #expect(await actor.run { loop.isCurrent })
        #expect(seen.withLock { $0 } == Array(0..<100))
        let onLoop = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<50 {
                group.addTask { await actor.run { loop.isCurrent } }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(onLoop == 50)
    }

    @Test func deadlinesComeOutInOrderAndCancelledOnesNever() {
        final class Nobody: DeadlineHandler { func deadlineReached(_ id: DeadlineID) {} }
        let nobody = Nobody()
        var heap = DeadlineHeap()
        var generator = SystemRandomNumberGenerator()
        var ids: [DeadlineID] = []
        for _ in 0..<500 { ids.append(heap.insert(UInt64.random(in: 0..<1000, using: &generator), nobody)) }
        var cancelled = 0
        var moved = 0
        for id in ids.prefix(100) where heap.cancel(id) { cancelled += 1 }
        for id in ids.suffix(100) where heap.move(id, to: 2000) { moved += 1 }
        let again = heap.cancel(ids[0])
        #expect(cancelled == 100 && moved == 100 && !again)
        var fired: [DeadlineID] = []
        var last: UInt64 = 0
        while let earliest = heap.earliest_ns {
            #expect(earliest >= last)
            last = earliest
            guard let (id, _) = heap.popExpired(now_ns: 3000) else { break }
            fired.append(id)
        }
        #expect(fired.count == 400)
        #expect(Set(fired).isDisjoint(with: ids.prefix(100)))
        #expect(Set(fired.suffix(100)) == Set(ids.suffix(100)))
        let leftover = heap.popExpired(now_ns: .max)
        #expect(leftover == nil)
    }
}
