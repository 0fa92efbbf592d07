/// What may lie on one device (or in one host's memory) at once, and what goes when something else is to come. Pure.
///
/// What goes is what is least worth its bytes: the wait that it would cost if its next request came, times how likely that is
/// soon. Nothing goes while it answers requests, and what has just come stays for a while, so that two deployments that do
/// not fit together take turns instead of pushing each other out at every request.
public struct MemoryBudget: Sendable, Hashable {
    /// Something that lies there.
    public struct Occupant: Sendable, Hashable {
        /// Unique among occupants.
        public var name: String
        /// Bytes that it holds.
        public var byteCount: Int
        /// Whether it answers requests now, or must stay for another reason.
        public var isBusy: Bool
        /// How long bringing it back is predicted to take.
        public var wake_ms: Int
        /// Since its last request.
        public var idle_ms: Int
        /// Since it came.
        public var age_ms: Int
        /// How likely its next request comes within the horizon (`ArrivalForecast.probability`); nil when nobody can tell.
        public var demand: Double?

        /// Something that lies there.
        public init(
            name: String, byteCount: Int, isBusy: Bool, wake_ms: Int, idle_ms: Int, age_ms: Int, demand: Double? = nil
        ) {
            self.name = name
            self.byteCount = byteCount
            self.isBusy = isBusy
            self.wake_ms = wake_ms
            self.idle_ms = idle_ms
            self.age_ms = age_ms
            self.demand = demand
        }
    }

    /// What is to be done for something to come.
    public enum Verdict: Sendable, Hashable {
        /// It fits once these have gone; none when it fits as things are.
        case evict([String])
        /// It must wait: those that could go are busy, or have just come. Ask again when one of these changes, or after
        /// `retry_ms`.
        case wait(for: [String], retry_ms: Int)
        /// It never fits.
        case tooLarge(missingBytes: Int)
    }

    /// Bytes that all occupants together may hold.
    public var capacityBytes: Int
    /// How long what has come stays at least, when something else wants its place.
    public var minimumStay_ms: Int
    /// How far ahead demand is looked at.
    public static let horizon_ms = 60_000

    /// A budget of so many bytes.
    public init(capacityBytes: Int, minimumStay_ms: Int = 2_000) {
        self.capacityBytes = capacityBytes
        self.minimumStay_ms = minimumStay_ms
    }

    /// What must go so that `wantedBytes` more fit beside `occupants`.
    public func room(for wantedBytes: Int, beside occupants: [Occupant]) -> Verdict {
        guard wantedBytes <= capacityBytes else { return .tooLarge(missingBytes: wantedBytes - capacityBytes) }
        var missing = wantedBytes - (capacityBytes - occupants.reduce(0) { $0 + $1.byteCount })
        guard missing > 0 else { return .evict([]) }
        let movable = occupants.filter { !$0.isBusy && $0.age_ms >= minimumStay_ms }
            .sorted { (Self.worth($0), $0.name) < (Self.worth($1), $1.name) }
        var going: [Occupant] = []
        for occupant in movable where missing > 0 {
            going.append(occupant)
            missing -= occupant.byteCount
        }
        guard missing <= 0 else {
            let blocking = occupants.filter { $0.isBusy || $0.age_ms < minimumStay_ms }
            let soonest = blocking.filter { !$0.isBusy }.map { minimumStay_ms - $0.age_ms }.min()
            return .wait(for: blocking.map(\.name).sorted(), retry_ms: max(1, soonest ?? minimumStay_ms))
        }
        // Small ones taken first may turn out not to be needed beside a large one taken last: the most worthy stay.
        for occupant in going.reversed() where missing + occupant.byteCount <= 0 {
            missing += occupant.byteCount
            going.removeAll { $0.name == occupant.name }
        }
        return .evict(going.map(\.name))
    }

    /// Milliseconds of waiting that a byte of it is expected to save.
    static func worth(_ occupant: Occupant) -> Double {
        // Without a forecast: as likely as if requests came at random, as often as the time since the last one.
        let demand = occupant.demand ?? Double(horizon_ms) / Double(horizon_ms + max(0, occupant.idle_ms))
        return demand * Double(max(1, occupant.wake_ms)) / Double(max(1, occupant.byteCount))
    }
}
