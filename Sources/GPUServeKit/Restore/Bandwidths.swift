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

    /// Learns from a restore: a quarter of the way from what was believed to what was seen.
    ///
    /// The tier that gave nearly all of the bytes gets the blame; with little to move the fixed part does.
    mutating func learn(from report: RestoreReport) {
        let share = 0.25
        let fixed = fixed_ms[report.choice] ?? 1
        let moved = report.bytesByTier.total
        guard let (tier, bytes) = RestoreTier.allCases.map({ ($0, report.bytesByTier[$0]) }).max(by: { $0.1 < $1.1 }),
            bytes * 10 >= moved * 9, bytes >= 32 * 1024 * 1024
        else {
            let rest = max(report.ready_ms - (report.predicted_ms - fixed), report.ready_ms / 10)
            fixed_ms[report.choice] = fixed + share * (rest - fixed)
            return
        }
        let time_ms = max(report.ready_ms - fixed, report.ready_ms / 2)
        let seen = Double(bytes) / time_ms * 1000
        let believed = bytesPerSecond[tier] ?? seen
        bytesPerSecond[tier] = believed + share * (seen - believed)
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
