import Testing

@testable import GPUServeKit

private typealias Key = MemoryPlan.Key

/// Who gets the memory of a machine, who waits for it, and who makes room.
@Suite struct MemoryPlanTests {
    private func plan(_ hostBytes: Int = 100, gpu gpuBytes: Int = 0, stay_ms: Int = 2000) -> MemoryPlan {
        MemoryPlan(capacity: MemorySize(hostBytes: hostBytes, gpuBytes: gpuBytes), minimumStay_ms: stay_ms)
    }

    private func idle(_ bytes: Int, wake_ms: Int = 100, came_ms: Int? = 0, demand: Double? = nil) -> MemoryPlan.Holding
    {
        MemoryPlan.Holding(
            size: MemorySize(hostBytes: bytes), isBusy: false, wake_ms: wake_ms, came_ms: came_ms, demand: demand)
    }

    @Test func `what fits is granted, what does not makes the least worthy go and waits for it`() {
        var plan = plan()
        for name in ["a", "b"] {
            let (answer, evictions) = plan.ask(Key(name, 1), MemorySize(hostBytes: 50), isUrgent: true, at: 0)
            #expect(answer == .granted && evictions == [])
        }
        plan.hold(Key("a", 1), idle(50, wake_ms: 1000))
        plan.hold(Key("b", 1), idle(50, wake_ms: 10))
        let asked = plan.ask(Key("c", 1), MemorySize(hostBytes: 50), isUrgent: true, at: 5000)
        #expect(asked.evictions == [MemoryPlan.Eviction(key: Key("b", 1), kinds: [.host])])
        guard case .wait(let obstacle) = asked.answer else {
            Issue.record("\(asked.answer)")
            return
        }
        #expect(obstacle.text == "it needs 50 bytes of host memory; 100 bytes of 100 bytes are held by b")
        // Asked again: nobody is told twice, and it still waits.
        #expect(plan.ask(Key("c", 1), MemorySize(hostBytes: 50), isUrgent: true, at: 5001).evictions == [])
        #expect(plan.waiting == [Key("c", 1)])
        let hasMoreRoom = plan.hold(Key("b", 1), MemoryPlan.Holding(size: MemorySize(), isBusy: false))
        #expect(hasMoreRoom)
        #expect(plan.ask(Key("c", 1), MemorySize(hostBytes: 50), isUrgent: true, at: 5002).answer == .granted)
        #expect(plan.waiting == [] && plan.held.hostBytes == 100)
    }

    @Test func `whoever is on the way out gets nothing before it has gone`() {
        var plan = plan()
        _ = plan.ask(Key("a", 1), MemorySize(hostBytes: 100), isUrgent: true, at: 0)
        plan.hold(Key("a", 1), idle(100))
        #expect(plan.ask(Key("b", 1), MemorySize(hostBytes: 100), isUrgent: true, at: 3000).evictions.count == 1)
        // a is asked again while it leaves: b came first.
        guard case .wait = plan.ask(Key("a", 1), MemorySize(hostBytes: 100), isUrgent: true, at: 3001).answer else {
            Issue.record("a takes back what b waits for")
            return
        }
        plan.hold(Key("a", 1), MemoryPlan.Holding(size: MemorySize(), isBusy: false))
        #expect(plan.waiting == [Key("b", 1), Key("a", 1)])
        guard case .wait = plan.ask(Key("a", 1), MemorySize(hostBytes: 100), isUrgent: true, at: 3002).answer else {
            Issue.record("a overtakes b")
            return
        }
        #expect(plan.ask(Key("b", 1), MemorySize(hostBytes: 100), isUrgent: true, at: 3003).answer == .granted)
    }

    @Test func `small ones do not starve a large one`() {
        var plan = plan()
        _ = plan.ask(Key("a", 1), MemorySize(hostBytes: 60), isUrgent: true, at: 0)
        guard case .wait = plan.ask(Key("large", 1), MemorySize(hostBytes: 90), isUrgent: true, at: 1).answer else {
            Issue.record("granted beside one that is busy")
            return
        }
        // 40 are free, and promised.
        guard case .wait = plan.ask(Key("small", 1), MemorySize(hostBytes: 20), isUrgent: true, at: 2).answer else {
            Issue.record("overtaken")
            return
        }
        #expect(plan.ask(Key("small", 2), MemorySize(hostBytes: 10), isUrgent: true, at: 2).answer != .granted)
        plan.withdraw("large", but: nil)
        #expect(plan.ask(Key("small", 1), MemorySize(hostBytes: 20), isUrgent: true, at: 3).answer == .granted)
    }

    @Test func `guesses take what is free and push nobody out`() {
        var plan = plan()
        _ = plan.ask(Key("a", 1), MemorySize(hostBytes: 60), isUrgent: true, at: 0)
        plan.hold(Key("a", 1), idle(60))
        let asked = plan.ask(Key("b", 1), MemorySize(hostBytes: 50), isUrgent: false, at: 9000)
        #expect(asked.answer != .granted && asked.evictions == [] && plan.waiting == [])
        #expect(plan.ask(Key("b", 1), MemorySize(hostBytes: 40), isUrgent: false, at: 9000).answer == .granted)
    }

    @Test func `what never fits is told with the numbers`() {
        var plan = plan(2_000_000_000)
        let asked = plan.ask(Key("a", 1), MemorySize(hostBytes: 3_210_000_000), isUrgent: true, at: 0)
        guard case .never(let obstacle) = asked.answer else {
            Issue.record("\(asked.answer)")
            return
        }
        #expect(
            obstacle.text == "it needs 3.2 GB of host memory, and all deployments together may have 2.0 GB")
        guard case .never(let other) = plan.ask(Key("a", 1), MemorySize(gpuBytes: 1), isUrgent: true, at: 0).answer
        else {
            Issue.record("there is no GPU")
            return
        }
        #expect(other.kind == .gpu)
    }

    @Test func `a sleeper that keeps its memory wakes at once, and may go at any time`() {
        var plan = plan()
        _ = plan.ask(Key("a", 1), MemorySize(hostBytes: 60), isUrgent: true, at: 0)
        plan.hold(Key("a", 1), idle(60, came_ms: nil))
        #expect(plan.ask(Key("a", 1), MemorySize(hostBytes: 60), isUrgent: true, at: 1).answer == .granted)
        plan.hold(Key("a", 1), idle(60, came_ms: nil))
        #expect(plan.ask(Key("b", 1), MemorySize(hostBytes: 60), isUrgent: true, at: 2).evictions.count == 1)
    }

    @Test func `more held than there is sends the idle away, and only them`() {
        var plan = plan()
        for name in ["a", "b", "c"] { _ = plan.ask(Key(name, 1), MemorySize(hostBytes: 30), isUrgent: true, at: 0) }
        plan.hold(Key("a", 1), MemoryPlan.Holding(size: MemorySize(hostBytes: 60), isBusy: true))
        #expect(plan.relieve(at: 5000) == [], "all are busy")
        plan.hold(Key("b", 1), idle(30))
        #expect(plan.relieve(at: 5000).map(\.key) == [Key("b", 1)])
        #expect(plan.relieve(at: 5000) == [])
        plan.stays(Key("b", 1))
        #expect(plan.relieve(at: 5000) == [], "it has become busy")
    }

    @Test func `a GPU that is short sends away what lies on it`() {
        var plan = plan(1000, gpu: 100)
        _ = plan.ask(Key("host", 1), MemorySize(hostBytes: 50), isUrgent: true, at: 0)
        _ = plan.ask(Key("gpu", 1), MemorySize(hostBytes: 50, gpuBytes: 80), isUrgent: true, at: 0)
        for name in ["host", "gpu"] {
            let size = plan.holdings[Key(name, 1)]!.size
            plan.hold(Key(name, 1), MemoryPlan.Holding(size: size, isBusy: false, wake_ms: 1, came_ms: 0))
        }
        let asked = plan.ask(Key("other", 1), MemorySize(hostBytes: 50, gpuBytes: 80), isUrgent: true, at: 9000)
        #expect(asked.evictions == [MemoryPlan.Eviction(key: Key("gpu", 1), kinds: [.gpu])])
    }

    /// Whatever is asked in whatever order, reports that come late included.
    @Test(arguments: 0..<20)
    func `nobody is granted what is not there, nobody busy goes, and nobody waits for ever`(seed: Int) {
        var random = SplitMix(UInt64(seed) + 1)
        var plan = plan(1000, gpu: 500)
        var leaving: Set<Key> = []
        let keys = (0..<12).map { Key("d\($0 / 2)", $0 % 2) }
        for now_ms in stride(from: 0, to: 60_000, by: 50) {
            let key = keys.randomElement(using: &random)!
            switch Int.random(in: 0..<10, using: &random) {
            case 0...4:
                let size = MemorySize(
                    hostBytes: .random(in: 1...600, using: &random), gpuBytes: .random(in: 0...300, using: &random))
                let before = plan.holdings
                let asked = plan.ask(key, size, isUrgent: .random(using: &random), at: now_ms)
                for eviction in asked.evictions {
                    #expect(before[eviction.key]?.isBusy == false && !leaving.contains(eviction.key))
                    leaving.insert(eviction.key)
                }
                if asked.answer == .granted { #expect(!leaving.contains(key)) }
                #expect(plan.held.hostBytes <= 1000 && plan.held.gpuBytes <= 500, "seed \(seed)")
            case 5: plan.withdraw(key.deployment, but: .random(using: &random) ? key : nil)
            case 6:
                guard leaving.contains(key) else { continue }
                leaving.remove(key)
                plan.stays(key)
            default:
                // It has gone, or it idles now.
                guard let held = plan.holdings[key] else { continue }
                if leaving.contains(key) || Bool.random(using: &random) {
                    plan.hold(key, MemoryPlan.Holding(size: MemorySize(), isBusy: false))
                    leaving.remove(key)
                } else {
                    plan.hold(
                        key,
                        MemoryPlan.Holding(
                            size: held.size, isBusy: false, wake_ms: .random(in: 1...900, using: &random),
                            came_ms: now_ms))
                }
            }
        }
        // Whoever is first in line gets its turn once all others rest.
        while let first = plan.waiting.first {
            for (key, held) in plan.holdings {
                plan.hold(key, MemoryPlan.Holding(size: held.size, isBusy: false, came_ms: 0))
            }
            for key in leaving { plan.hold(key, MemoryPlan.Holding(size: MemorySize(), isBusy: false)) }
            leaving = []
            let size = MemorySize(hostBytes: 400, gpuBytes: 200)
            let asked = plan.ask(first, size, isUrgent: true, at: 100_000)
            for eviction in asked.evictions {
                plan.hold(eviction.key, MemoryPlan.Holding(size: MemorySize(), isBusy: false))
            }
            guard asked.answer == .granted || plan.ask(first, size, isUrgent: true, at: 100_001).answer == .granted
            else {
                Issue.record("seed \(seed): \(first) waits for ever")
                return
            }
        }
    }

    @Test(arguments: [
        ("0", 0), ("512", 512), ("512B", 512), ("1k", 1000), ("2 MB", 2_000_000), ("1.5GiB", 1_610_612_736),
        ("80G", 80_000_000_000), ("1 TiB", 1_099_511_627_776),
    ]) func `sizes are read`(text: String, bytes: Int) { #expect(MemorySize.byteCount(text) == bytes) }

    @Test(arguments: ["", "x", "-1", "1.5", "1e9", "12 XB", "1GBs", "999999999T", "1..5G", "G"])
    func `what is no size is none`(text: String) { #expect(MemorySize.byteCount(text) == nil) }
}
