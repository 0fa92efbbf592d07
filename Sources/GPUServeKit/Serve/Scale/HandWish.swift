/// That somebody wants a replica to be up, requests or not: until when. Pure; times are of a clock that never jumps.
struct HandWish: Sendable, Hashable {
    private var until_ms = 0
    private var latest_ms = 0

    /// Whether it counts now.
    func isOn(at now_ms: Int) -> Bool { now_ms < until_ms }

    /// Somebody asks: for as long as an idle replica is kept, or at least until it was looked at. While there is no room for one it
    /// counts on, until `limit_ms` have passed.
    mutating func ask(at now_ms: Int, _ settings: ScaleSettings, limit_ms: Int) {
        until_ms = now_ms + max(settings.scaledown_ms, 1_000)
        latest_ms = now_ms + limit_ms
    }

    /// A replica was found up: it stays for as long as an idle one is kept.
    mutating func keep(at now_ms: Int, _ settings: ScaleSettings) { until_ms = now_ms + settings.scaledown_ms }

    /// Nobody wants it any more.
    mutating func end() { until_ms = 0 }

    /// There was no room for a replica at this look: it counts until the next one.
    mutating func waitsForRoom(at now_ms: Int) {
        guard isOn(at: now_ms) else { return }
        until_ms = max(until_ms, min(now_ms + 1_000, latest_ms))
    }

    /// A replica has come up, on a way that began at `begun_ms`. One that was asked for by then gets time to be used in, however long it
    /// took; one that requests or a guess brought up stays as long as these make it worth.
    mutating func cameUp(begunAt begun_ms: Int, at now_ms: Int, _ settings: ScaleSettings) {
        guard isOn(at: begun_ms) else { return }
        let stay_ms = settings.patience > 0 ? min(1_000, settings.scaledown_ms) : settings.scaledown_ms
        until_ms = max(until_ms, now_ms + stay_ms)
    }
}
