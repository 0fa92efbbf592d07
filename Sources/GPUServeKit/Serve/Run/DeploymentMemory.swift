internal import Wire

/// What a deployment has learned about its engine, kept over restarts of the daemon.
struct DeploymentMemory: Hashable {
    /// What the canary was answered by an engine that started from nothing.
    var canaryWords: String?
    /// How long waking from each tier took, from the first wish to the canary's answer: newer ones count more.
    var wake_ms: [SleepTier: Double] = [:]
    /// Tiers of which there is an image.
    var images: Set<SleepTier> = []
    /// Resident bytes of an engine that is up, as measured; nil before.
    var residentBytes: Int?
    /// Stopped by hand.
    var isStopped = false

    /// Predictions before anything was measured: rather too long, because clients plan with them.
    private static let standard_ms: [SleepTier: Double] = [
        .inPlace: 1_000, .suspended: 100, .processSnapshot: 2_000, .kitSnapshot: 1_000, .cold: 30_000,
    ]

    func predicted_ms(_ tier: SleepTier) -> Int { Int(wake_ms[tier] ?? Self.standard_ms[tier] ?? 30_000) }

    mutating func note(_ tier: SleepTier, took_ms: Double) {
        wake_ms[tier] = wake_ms[tier].map { 0.7 * $0 + 0.3 * took_ms } ?? took_ms
    }

    /// What was more a while ago fades, in case it was an exception.
    mutating func note(residentBytes bytes: Int) {
        guard bytes > 0 else { return }
        residentBytes = max(bytes, (residentBytes ?? 0) / 8 * 7)
    }

    init() {}

    var json: [UInt8] {
        var object = JSONObjectText()
        if let canaryWords { object.add("canary", canaryWords) }
        for tier in SleepTier.allCases {
            if let ms = wake_ms[tier] { object.add("wake_ms_" + tier.rawValue, ms) }
        }
        object.add("images", images.sorted().map(\.rawValue))
        if let residentBytes { object.add("resident_bytes", residentBytes) }
        object.add("stopped", isStopped)
        return object.bytes
    }

    /// What cannot be read is forgotten: all of it can be learned again.
    init(json bytes: [UInt8]) {
        guard let json = try? JSONValue.parse(bytes) else { return }
        canaryWords = json["canary"]?.string
        for tier in SleepTier.allCases {
            if let ms = json["wake_ms_" + tier.rawValue]?.double, (0...3_600_000).contains(ms) { wake_ms[tier] = ms }
        }
        images = Set((json["images"]?.elements ?? []).compactMap { $0.string.flatMap { SleepTier(rawValue: $0) } })
        if let bytes = json["resident_bytes"]?.int, bytes > 0 { residentBytes = bytes }
        isStopped = json["stopped"]?.bool ?? false
    }
}
