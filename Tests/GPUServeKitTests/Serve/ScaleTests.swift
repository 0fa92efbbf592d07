import Testing

@testable import GPUServeKit

/// How many replicas there should be, and which of them share a device.
@Suite struct ScaleTests {
    @Test func `replicas follow the load at once and leave after the window`() {
        var scaler = Autoscaler(ScaleSettings(maxCount: 3, concurrency: 2, scaledown_ms: 1000))
        func count(_ inFlight: Int, _ held: Int, _ now_ms: Int) -> Int {
            scaler.desired(inFlight: inFlight, held: held, wake_ms: 100, at: now_ms).count
        }
        #expect(count(0, 0, 0) == 0)
        #expect(count(0, 1, 1) == 1)
        #expect(count(2, 3, 2) == 3)
        #expect(count(9, 9, 3) == 3, "never more than max")
        // The load is steady: long after the peak began, it still counts.
        #expect(count(9, 9, 10_000) == 3)
        #expect(count(1, 0, 10_001) == 3)
        #expect(count(1, 0, 11_000) == 3)
        #expect(count(1, 0, 11_001) == 1)
        #expect(count(0, 0, 11_002) == 1)
        #expect(count(0, 0, 12_002) == 0)
    }

    @Test func `min, buffer and live changes`() {
        var scaler = Autoscaler(
            ScaleSettings(minCount: 1, maxCount: 4, bufferCount: 1, concurrency: 1, scaledown_ms: 0))
        #expect(scaler.desired(inFlight: 0, held: 0, wake_ms: 1, at: 0) == (1, .minimum))
        #expect(scaler.desired(inFlight: 2, held: 0, wake_ms: 1, at: 1) == (3, .load))
        scaler.settings.maxCount = 2
        #expect(scaler.desired(inFlight: 2, held: 0, wake_ms: 1, at: 2) == (2, .load))
        scaler.settings.minCount = 0
        #expect(scaler.desired(inFlight: 0, held: 0, wake_ms: 1, at: 3) == (0, .idle))
    }

    @Test(arguments: [
        (ScaleSettings(minCount: 2, maxCount: 1), "min is 2 and max only 1"),
        (ScaleSettings(maxCount: 0), "max is 0"), (ScaleSettings(concurrency: 0), "concurrency is 0"),
        (ScaleSettings(scaledown_ms: -1), "scaledown is -1"), (ScaleSettings(bufferCount: -1), "buffer is -1"),
    ]) func `settings out of range are named`(settings: ScaleSettings, words: String) throws {
        #expect(try #require(settings.problem).contains(words))
        #expect(ScaleSettings().problem == nil)
    }

    @Test func `requests that come like clockwork are woken for ahead of time, others not`() {
        var scaler = Autoscaler(ScaleSettings(scaledown_ms: 1000))
        for beat in 0..<10 { scaler.requestArrived(at: beat * 60_000) }
        let last = 9 * 60_000
        #expect(scaler.desired(inFlight: 0, held: 0, wake_ms: 500, at: last + 20_000) == (0, .idle))
        // Somewhere in the bucket around a minute the next one is likelier than not within a second.
        var woken: Int?
        for time in stride(from: last + 20_000, to: last + 80_000, by: 100) where woken == nil {
            if scaler.desired(inFlight: 0, held: 0, wake_ms: 500, at: time).reason == .expected { woken = time - last }
        }
        #expect((50_000...64_000).contains(woken ?? 0), "woken \(woken ?? 0) ms after the last request")
        scaler.settings.isPrewaking = false
        #expect(scaler.desired(inFlight: 0, held: 0, wake_ms: 500, at: last + 70_000) == (1, .recentLoad))
        #expect(scaler.desired(inFlight: 0, held: 0, wake_ms: 500, at: last + 300_000) == (0, .idle))
    }

    @Test func `a forecast is a probability, and silent without evidence`() {
        var forecast = ArrivalForecast()
        #expect(forecast.probability(at: 0, within: 1000) == nil)
        var now = 0
        for step in 0..<400 {
            now += 1000 + step % 7 * 300
            forecast.requestArrived(at: now)
        }
        var before = 0.0
        for horizon in stride(from: 0, through: 4000, by: 100) {
            let found = forecast.probability(at: now, within: horizon) ?? -1
            #expect((before...1).contains(found), "it grows with the horizon")
            before = found
        }
        #expect(before > 0.99)
        #expect(forecast.probability(at: now + 3_600_000, within: 1000) == nil, "no gap was ever that long")
    }

    private func occupant(
        _ name: String, _ byteCount: Int, busy: Bool = false, wake_ms: Int = 100, idle_ms: Int = 5000,
        age_ms: Int = 60_000, demand: Double? = nil
    ) -> MemoryBudget.Occupant {
        MemoryBudget.Occupant(
            name: name, byteCount: byteCount, isBusy: busy, wake_ms: wake_ms, idle_ms: idle_ms, age_ms: age_ms,
            demand: demand)
    }

    @Test func `the least worth its bytes goes, and no more than needed`() {
        let budget = MemoryBudget(capacityBytes: 100)
        #expect(budget.room(for: 50, beside: [occupant("a", 50)]) == .evict([]))
        #expect(
            budget.room(for: 60, beside: [occupant("a", 50, idle_ms: 9), occupant("b", 50, idle_ms: 99_999)])
                == .evict(["b", "a"]))
        #expect(
            budget.room(for: 50, beside: [occupant("a", 50, idle_ms: 9), occupant("b", 50, idle_ms: 99_999)])
                == .evict(["b"]))
        #expect(
            budget.room(for: 50, beside: [occupant("a", 50, wake_ms: 9), occupant("b", 50)]) == .evict(["a"]),
            "cheap to wake")
        #expect(
            budget.room(for: 50, beside: [occupant("a", 50, demand: 0.1), occupant("b", 50, demand: 0.9)])
                == .evict(["a"]))
        // a alone is not enough, b alone is: a stays after all.
        #expect(budget.room(for: 80, beside: [occupant("a", 10, demand: 0), occupant("b", 80)]) == .evict(["b"]))
    }

    @Test func `busy ones and newcomers stay`() {
        let budget = MemoryBudget(capacityBytes: 100, minimumStay_ms: 2000)
        let beside = [occupant("a", 50, busy: true), occupant("b", 50, age_ms: 500)]
        #expect(budget.room(for: 50, beside: beside) == .wait(for: ["a", "b"], retry_ms: 1500))
        #expect(budget.room(for: 101, beside: []) == .tooLarge(missingBytes: 1))
    }

    @Test func `whatever is asked, what is evicted is enough, idle, and needed`() {
        var generator = SplitMix(7)
        for _ in 0..<2000 {
            let budget = MemoryBudget(capacityBytes: 1000)
            var occupants: [MemoryBudget.Occupant] = []
            var used = 0
            while used < 900, occupants.count < 8 {
                let bytes = Int.random(in: 1...min(400, 1000 - used), using: &generator)
                used += bytes
                occupants.append(
                    occupant(
                        "o\(occupants.count)", bytes, busy: .random(using: &generator),
                        wake_ms: .random(in: 1...5000, using: &generator),
                        idle_ms: .random(in: 0...100_000, using: &generator),
                        age_ms: .random(in: 0...10_000, using: &generator)))
            }
            let wanted = Int.random(in: 1...1000, using: &generator)
            guard case .evict(let names) = budget.room(for: wanted, beside: occupants) else { continue }
            let going = occupants.filter { names.contains($0.name) }
            let free = 1000 - used + going.reduce(0) { $0 + $1.byteCount }
            #expect(free >= wanted)
            #expect(going.allSatisfy { !$0.isBusy && $0.age_ms >= 2000 })
            #expect(going.allSatisfy { free - $0.byteCount < wanted }, "each of them was needed")
        }
    }

    @Test func `three that take turns on room for two do not push each other out at every request`() {
        let budget = MemoryBudget(capacityBytes: 2, minimumStay_ms: 2000)
        var lastUse = [0, 0, 0]
        var since: [Int: Int] = [:]
        var wakes = 0
        // A request every 10 ms, round-robin, for a minute: each waits until its deployment is there.
        for now in stride(from: 0, to: 60_000, by: 10) {
            let index = now / 10 % 3
            lastUse[index] = now
            if since[index] != nil { continue }
            let beside = since.map { other, came in
                occupant("\(other)", 1, idle_ms: now - lastUse[other], age_ms: now - came)
            }
            guard case .evict(let names) = budget.room(for: 1, beside: beside) else { continue }
            for name in names { since[Int(name)!] = nil }
            since[index] = now
            wakes += 1
        }
        #expect(wakes <= 2 + 2 * 60_000 / 2000, "\(wakes) wakes in a minute")
        #expect(wakes >= 15, "and each gets its turn")
    }
}

/// Staying and waking by what the traffic so far makes worth it.
@Suite struct PatienceTests {
    /// How long after the last of ten requests with such gaps one is wanted, in steps of a tenth of a second.
    private func wanted(gaps_ms: [Int], patience: Int, wake_ms: Int = 1000, until_ms: Int = 200_000) -> [Int] {
        var scaler = Autoscaler(ScaleSettings(patience: patience))
        var now_ms = 0
        for gap_ms in gaps_ms {
            now_ms += gap_ms
            scaler.requestArrived(at: now_ms)
        }
        return stride(from: 0, to: until_ms, by: 100).filter { idle_ms in
            scaler.desired(inFlight: 0, held: 0, wake_ms: wake_ms, at: now_ms + idle_ms).count == 1
        }
    }

    @Test func `without evidence it idles away what one wait is worth`() {
        #expect(wanted(gaps_ms: [5000], patience: 20).last == 19_900)
        #expect(wanted(gaps_ms: [5000], patience: 20, wake_ms: 100).last == 1900)
    }

    @Test func `for a timer it sleeps at once and is back in time`() {
        let times = wanted(gaps_ms: Array(repeating: 60_000, count: 30), patience: 10)
        #expect((45_000...58_000).contains(times.first ?? 0), "\(times.first ?? 0)")
        #expect(!times.contains(1000) && times.contains(59_000))
        #expect((times.last ?? 0) < 75_000, "and gives up when it does not come")
    }

    @Test func `in bursts it stays for the next of the burst, and no longer`() {
        let gaps = (0..<60).map { $0 % 10 == 9 ? 150_000 : 2000 }
        let times = wanted(gaps_ms: gaps + [2000], patience: 10)
        #expect(times.contains(1000))
        #expect((times.filter { $0 < 100_000 }.last ?? 0) < 20_000)
    }

    @Test func `impatience costs nothing`() {
        let gaps = (0..<40).map { 1000 + $0 % 7 * 9000 }
        let few = wanted(gaps_ms: gaps, patience: 2).count
        let many = wanted(gaps_ms: gaps, patience: 200).count
        #expect(few < many)
    }

    @Test func `the likelihood is that of the best time to wait`() {
        var forecast = ArrivalForecast()
        #expect(forecast.likelihoodPer_ms(at: 0) == nil)
        for beat in 0..<50 { forecast.requestArrived(at: beat * 10_000) }
        let last = 49 * 10_000
        let early = forecast.likelihoodPer_ms(at: last) ?? 0
        let late = forecast.likelihoodPer_ms(at: last + 9000) ?? 0
        #expect((0.00007...0.00011).contains(early), "about once in ten seconds: \(early)")
        #expect(late > 5 * early)
        #expect((forecast.likelihoodPer_ms(at: last + 20_000_000) ?? 1) == 0, "longer than any gap that is counted")
    }
}
