internal import Transport

/// One replica as its deployment sees it. Confined to the deployment's actor.
final class Replica {
    let number: Int
    var machine: ReplicaMachine
    var process: EngineProcess?
    var port: UInt16 = 0
    /// The action that is being carried out, and all before it.
    var work: Task<Void, Never>?
    /// When the way to readiness began; 0 while it is not on one.
    var wakeBegun_ns: UInt64 = 0
    /// When the engine that is coming up was begun, was there, and answered; see `Waterfall`.
    var marks: [UInt64] = []
    /// The tier of that way.
    var wakeTier: SleepTier?
    /// Since when it has been in its state.
    var since_ns: UInt64 = EventLoop.clock_ns()
    /// Resident bytes before and after the last sleep.
    var memoryBefore = 0
    var memoryAfter = 0
    /// Resident bytes as they were measured last since it came up.
    var residentBytes: Int?
    /// Whether it was woken on a guess that no request has proved right yet.
    var isGuess = false
    /// The image of its process, if there is one.
    var image: ImageFact?

    /// What it is billed for.
    var clock: ResidencyClock

    init(number: Int, clock: ResidencyClock, machine: ReplicaMachine) {
        self.number = number
        self.clock = clock
        self.machine = machine
    }

    var url: String { "http://127.0.0.1:\(port)" }
    var logFile: String { "replica-\(number).log" }
    var factFile: String { Self.factFile(number) }
    static func factFile(_ number: Int) -> String { "replica-\(number).json" }
}

extension Replica {
    /// The steps of the way to readiness that ends now.
    func waterfall(until now_ns: UInt64, from tier: SleepTier) -> Waterfall {
        func between(_ start: UInt64, _ end: UInt64) -> Double { end > start ? Double(end - start) / 1e6 : 0 }
        let marks = marks + [UInt64](repeating: now_ns, count: max(0, 3 - marks.count))
        return Waterfall(
            tier: tier, ended_ms: Meter.now_ms(), before_ms: between(wakeBegun_ns, marks[0]),
            engine_ms: between(marks[0], marks[1]), ready_ms: between(marks[1], marks[2]),
            canary_ms: between(marks[2], now_ns))
    }
}

/// What is kept of a replica so that the next daemon finds its engine again.
struct ReplicaFact: Hashable {
    var pid: Int32
    var startTicks: UInt64
    var bootID: String
    var port: UInt16
    /// The tier it sleeps in; nil when it is awake.
    var asleep: SleepTier?
    /// What it has to itself, and who keeps that; nil for an engine without.
    var room: Room?

    /// An engine's room as it is written down.
    struct Room: Hashable {
        var kind: EngineRoom.Kind
        var keeper: EngineProcess.Identity
    }
}
