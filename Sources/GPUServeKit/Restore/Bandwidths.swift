/// How fast this host moves bytes: what predictions rest on.
public struct Bandwidths: Sendable, Hashable {
    /// Bytes a second from each tier into place, verified, on all threads together.
    public var bytesPerSecond: [RestoreTier: Double]
    /// Bytes a second from the host onto a device that the host cannot write to.
    public var upload_bytesPerSecond: Double
    /// What a restore takes besides moving bytes: the manifest, the plan, the memory. By choice.
    public var fixed_ms: [RestoreChoice: Double]
    /// What each step takes besides its bytes.
    public var step_us: Double
    /// Bytes a second of new host memory made present. Counted apart: the first restores of a process pay for it, and later
    /// ones into the same memory do not.
    public var present_bytesPerSecond = 4e9
    /// What restores took on this host, memory made present apart: better than reckoning, for kinds that were seen.
    var seen: [RestoreKind: [SeenRestore]] = [:]

    /// What holds for a machine of which nothing is known: a fast SSD, one memory channel, PCIe 4, a 10 Gbit/s network.
    public static let standard = Bandwidths(
        bytesPerSecond: [.resident: 6e9, .memory: 6e9, .pageCache: 6e9, .disk: 2e9, .remote: 0.6e9],
        upload_bytesPerSecond: 20e9, fixed_ms: [.attach: 0.05, .clone: 1, .delta: 1, .full: 2], step_us: 10)

    /// Bandwidths that are known from elsewhere. All must be above 0.
    public init(
        bytesPerSecond: [RestoreTier: Double], upload_bytesPerSecond: Double, fixed_ms: [RestoreChoice: Double],
        step_us: Double
    ) {
        self.bytesPerSecond = bytesPerSecond
        self.upload_bytesPerSecond = upload_bytesPerSecond
        self.fixed_ms = fixed_ms
        self.step_us = step_us
    }

    /// Learns from a restore. What such restores took is remembered by kind: the first of a kind is believed at once, later
    /// the median of the last few counts, so that one stall spoils nothing. For kinds not seen yet, the bandwidth of the tier
    /// that gave nearly all of the bytes is kept up, or with little to move the fixed part.
    mutating func learn(from report: RestoreReport, isOnHost: Bool) {
        let share = 0.25
        var ready_ms = report.ready_ms
        if report.freshBytes > 0, report.memory_ms > 0 {
            ready_ms = max(ready_ms - report.memory_ms, ready_ms / 100)
            if report.freshBytes >= Self.tellingBytes {
                let rate = Double(report.freshBytes) / report.memory_ms * 1000
                present_bytesPerSecond += share * (rate - present_bytesPerSecond)
            }
        }
        if let kind = RestoreKind(report.choice, report.bytesByTier, isOnHost: isOnHost) {
            let now = SeenRestore(byteCount: Double(report.bytesByTier.total), time_ms: max(ready_ms, 1e-4))
            seen[kind] = Array(((seen[kind] ?? []) + [now]).suffix(RestoreKind.mostSeen))
        }
        let fixed = fixed_ms[report.choice] ?? 1
        let moved = report.bytesByTier.total
        guard let (tier, bytes) = RestoreTier.allCases.map({ ($0, report.bytesByTier[$0]) }).max(by: { $0.1 < $1.1 }),
            bytes * 10 >= moved * 9, bytes >= Self.tellingBytes
        else {
            let moving_ms = RestoreTier.allCases.reduce(0.0) {
                $0 + Double(report.bytesByTier[$1]) / (bytesPerSecond[$1] ?? 1e9) * 1000
            }
            let rest = max(ready_ms - moving_ms, ready_ms / 10)
            fixed_ms[report.choice] = fixed + share * (rest - fixed)
            return
        }
        let time_ms = max(ready_ms - fixed, ready_ms / 2)
        let rate = Double(bytes) / time_ms * 1000
        let believed = bytesPerSecond[tier] ?? rate
        bytesPerSecond[tier] = believed + share * (rate - believed)
    }

    /// Fewer bytes tell of no bandwidth.
    private static let tellingBytes = 32 * 1024 * 1024

    /// What a restore of this kind and so many bytes takes, by those that were seen; nil when none was that tells. The kind's
    /// own size counts first, then the nearest within a factor of 16.
    func expected_ms(_ kind: RestoreKind, _ byteCount: Int) -> Double? {
        for distance in 0...2 {
            for size in distance == 0 ? [kind.size] : [kind.size - distance, kind.size + distance] {
                var near = kind
                near.size = size
                guard let found = seen[near], !found.isEmpty else { continue }
                let fixed = fixed_ms[kind.choice] ?? 1
                let times_ms = found.map { $0.scaled(to: Double(byteCount), fixed) }.sorted()
                let (low, high) = (times_ms[(times_ms.count - 1) / 2], times_ms[times_ms.count / 2])
                // Between two speeds that restores take in turns the mean, or each would be expected at the other's; of a stall
                // and none the lower one: what goes wrong makes a restore longer, not shorter.
                return high <= 2 * low ? (low + high) / 2 : low
            }
        }
        return nil
    }
}

/// Restores that take alike: the same choice, nearly all of the bytes from the same tier, and sizes within a factor of four.
struct RestoreKind: Sendable, Hashable {
    var choice: RestoreChoice
    var tier: RestoreTier
    /// 0 below 1 MiB; n from 4^(n-1) MiB on.
    var size: Int
    /// Whether the host reads and writes all of the destination.
    var isOnHost: Bool

    /// So that the kinds there can be are few enough to be kept in a small file.
    static let largestSize = 15
    /// Restores of one kind that are remembered: the last ones, an even number (see `Bandwidths.expected_ms`).
    static let mostSeen = 6

    /// Nil when no tier gives nine tenths of the bytes: such a restore tells of no other.
    init?(_ choice: RestoreChoice, _ bytes: TierBytes, isOnHost: Bool) {
        let tier = bytes.largest
        guard bytes[tier] >= bytes.total - bytes.total / 10 else { return nil }
        let mebibytes = bytes.total >> 20
        let size = (Int.bitWidth - mebibytes.leadingZeroBitCount + 1) / 2
        self.init(choice, tier, size: min(size, Self.largestSize), isOnHost: isOnHost)
    }

    init(_ choice: RestoreChoice, _ tier: RestoreTier, size: Int, isOnHost: Bool) {
        self.choice = choice
        self.tier = tier
        self.size = size
        self.isOnHost = isOnHost
    }
}

/// What a restore took.
struct SeenRestore: Sendable, Hashable {
    var byteCount: Double
    var time_ms: Double

    /// In proportion to the bytes, but for what is fixed.
    func scaled(to count: Double, _ fixed_ms: Double) -> Double {
        guard byteCount > 0 else { return time_ms }
        let fixed_ms = min(fixed_ms, time_ms / 2)
        return fixed_ms + (time_ms - fixed_ms) * count / byteCount
    }
}

/// The time that steps will take. Pure.
struct RestorePrediction {
    let bandwidths: Bandwidths
    let isUploading: [Bool]
    let choice: RestoreChoice

    init(_ bandwidths: Bandwidths, _ devices: [RestorePlanner.DeviceState], _ choice: RestoreChoice) {
        self.bandwidths = bandwidths
        isUploading = devices.map { !$0.isHostVisible }
        self.choice = choice
    }

    private func read_s(_ byteCount: Int, _ tier: RestoreTier) -> Double {
        Double(byteCount) / (bandwidths.bytesPerSecond[tier] ?? 1e9)
    }

    /// Reading, copies to further places, and uploads, which overlap with reading.
    private func time_s(_ step: RestoreStep) -> (read: Double, upload: Double) {
        var read = read_s(step.byteCount, step.tier) + bandwidths.step_us / 1e6
        var upload = 0.0
        if case .read(_, _, let targets) = step.work {
            for (index, target) in targets.enumerated() {
                if isUploading[target.device] {
                    upload += Double(target.byteCount) / bandwidths.upload_bytesPerSecond
                } else if index > 0 {
                    read += read_s(target.byteCount, .resident)
                }
            }
        }
        return (read, upload)
    }

    func total_ms(_ steps: [RestoreStep], hostBytes: Int) -> Double {
        var sum = (read: read_s(hostBytes, .pageCache), upload: 0.0)
        for step in steps {
            let time = time_s(step)
            sum = (sum.read + time.read, sum.upload + time.upload)
        }
        return (bandwidths.fixed_ms[choice] ?? 1) + max(sum.read, sum.upload) * 1000
    }

    /// Steps are taken in order, so the first region is ready when its last step is done.
    func firstRegion_ms(_ steps: [RestoreStep], regionCount: Int) -> Double {
        guard let first = steps.first(where: { !$0.regions.isEmpty })?.regions.first,
            let last = steps.lastIndex(where: { $0.regions.contains(first) })
        else { return bandwidths.fixed_ms[choice] ?? 1 }
        return total_ms(Array(steps[...last]), hostBytes: 0)
    }
}
