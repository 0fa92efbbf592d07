import Testing

@testable import GPUServeKit

/// How long a replica stays for somebody who asked for it by hand.
@Suite struct HandWishTests {
    private let minute = ScaleSettings(scaledown_ms: 60_000)
    private let patient = ScaleSettings(scaledown_ms: 60_000, patience: 5)

    @Test func `a replica that requests brought up is given no time beyond theirs`() {
        for settings in [minute, patient] {
            var wish = HandWish()
            wish.cameUp(begunAt: 1_000, at: 1_060, settings)
            #expect(!wish.isOn(at: 1_061))
        }
    }

    @Test func `one that was asked for stays, however long it took`() {
        var wish = HandWish()
        wish.ask(at: 0, minute, limit_ms: 600_000)
        #expect(wish.isOn(at: 59_999) && !wish.isOn(at: 60_000))
        wish.cameUp(begunAt: 1, at: 90_000, minute)
        #expect(wish.isOn(at: 149_999) && !wish.isOn(at: 150_000))
    }

    @Test func `with patience it gets a second after a long way`() {
        var wish = HandWish()
        wish.ask(at: 0, patient, limit_ms: 600_000)
        wish.cameUp(begunAt: 1, at: 90_000, patient)
        #expect(wish.isOn(at: 90_999) && !wish.isOn(at: 91_000))
    }

    @Test func `asked for while it came up for a request, it stays too`() {
        var wish = HandWish()
        wish.ask(at: 500, minute, limit_ms: 600_000)
        wish.cameUp(begunAt: 0, at: 70_000, minute)
        #expect(wish.isOn(at: 129_999))
    }

    @Test func `without room it counts on, but not for ever`() {
        var wish = HandWish()
        wish.ask(at: 0, ScaleSettings(scaledown_ms: 0), limit_ms: 5_000)
        var now_ms = 0
        while wish.isOn(at: now_ms), now_ms < 100_000 {
            wish.waitsForRoom(at: now_ms)
            now_ms += 100
        }
        #expect(now_ms == 5_000)
        wish.waitsForRoom(at: now_ms)
        #expect(!wish.isOn(at: now_ms))
    }

    @Test func `put to sleep, it is over`() {
        var wish = HandWish()
        wish.ask(at: 0, minute, limit_ms: 600_000)
        wish.end()
        #expect(!wish.isOn(at: 1))
        wish.cameUp(begunAt: 2, at: 3, minute)
        #expect(!wish.isOn(at: 4))
        wish.keep(at: 10, minute)
        #expect(wish.isOn(at: 60_009) && !wish.isOn(at: 60_010))
    }
}
