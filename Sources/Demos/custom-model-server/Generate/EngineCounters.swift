import Synchronization

/// What the engine has done, for `/metrics`. Any thread.
final class EngineCounters: Sendable {
    private let passes = Atomic<Int>(0)
    private let takenTokens = Atomic<Int>(0)
    private let madeTokens = Atomic<Int>(0)
    private let active = Atomic<Int>(0)
    private let switches = Atomic<Int>(0)
    private let lastSwitch_us = Atomic<Int>(0)

    func add(passes: Int, takenTokens: Int, madeTokens: Int) {
        self.passes.add(passes, ordering: .relaxed)
        self.takenTokens.add(takenTokens, ordering: .relaxed)
        let before = self.madeTokens.add(madeTokens, ordering: .relaxed)
        if madeTokens > 0, before.oldValue == 0, let age_ms = Waterfall.age_ms() {
            Console.note("first token \(Waterfall.tenths(age_ms)) ms after exec")
        }
    }

    /// Other weights were put in place.
    func note(switch_ms: Double) {
        switches.add(1, ordering: .relaxed)
        lastSwitch_us.store(Int(switch_ms * 1000), ordering: .relaxed)
    }

    var activeCount: Int { active.load(ordering: .relaxed) }
    var switchCount: Int { switches.load(ordering: .relaxed) }
    var lastSwitch_ms: Double { Double(lastSwitch_us.load(ordering: .relaxed)) / 1000 }

    func set(active count: Int) { active.store(count, ordering: .relaxed) }

    /// Prometheus' text format.
    var text: String {
        """
        # TYPE model_passes_total counter
        model_passes_total \(passes.load(ordering: .relaxed))
        # TYPE model_taken_tokens_total counter
        model_taken_tokens_total \(takenTokens.load(ordering: .relaxed))
        # TYPE model_made_tokens_total counter
        model_made_tokens_total \(madeTokens.load(ordering: .relaxed))
        # TYPE model_sequences gauge
        model_sequences \(activeCount)
        # TYPE model_switches_total counter
        model_switches_total \(switchCount)

        """
    }
}
