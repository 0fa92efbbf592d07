import DemoSupport
import GPUServeKit

/// How bytes by tier are written.
enum TierText {
    static func json(_ bytes: TierBytes) -> JSONOutput {
        .object(RestoreTier.allCases.filter { bytes[$0] > 0 }.map { ($0.rawValue, .number(bytes[$0])) })
    }

    static func text(_ bytes: TierBytes) -> String {
        RestoreTier.allCases.filter { bytes[$0] > 0 }.map { "\(bytes[$0].bytesText) from \($0.rawValue)" }
            .joined(separator: ", ")
    }
}

/// `gpuserve snapshot predict`: what a restore would do. Nothing moves.
enum PredictRestore {
    static func run(_ arguments: Arguments) async throws {
        try arguments.expect("SNAPSHOT")
        let store = try Places.local(arguments)
        let id = try await store.find(arguments.words[0])
        let plan = try await RestoreTarget.with(arguments) { target in
            let kept = try await KeptBandwidths.load(arguments, store, id)
            return try await Restorer(store: store, devices: target.devices, bandwidths: kept.bandwidths).plan(id)
        }
        guard !arguments.has("json") else {
            JSONOutput.object([
                ("id", .text("\(id)")), ("choice", .text(plan.choice.rawValue)),
                ("predicted_ms", .decimal(plan.predicted_ms)),
                ("predicted_first_region_ms", .decimal(plan.predictedFirstRegion_ms)),
                ("chunks", .number(plan.chunkCount)), ("bytes_by_tier", TierText.json(plan.bytesByTier)),
                ("new_bytes", .list(plan.newBytes.map { .number($0) })),
            ]).show()
            return
        }
        print(
            """
            \(plan.choice.rawValue) restore: \(TierText.text(plan.bytesByTier)), \(plan.chunkCount) chunks
            predicted \(plan.predicted_ms.fixed(1)) ms, first region after \(plan.predictedFirstRegion_ms.fixed(1)) ms
            """)
    }
}

/// `gpuserve snapshot restore`: onto the devices, measured, and given back.
enum RestoreSnapshot {
    static func run(_ arguments: Arguments) async throws {
        try arguments.expect("SNAPSHOT")
        let store = try Places.local(arguments)
        let id = try await store.find(arguments.words[0])
        let bar = ProgressBar("restore", arguments)
        defer { bar.clear() }
        let options = RestoreOptions(progress: { bar.update($0, $1) })
        try await RestoreTarget.with(arguments) { target in
            let kept = try await KeptBandwidths.load(arguments, store, id)
            let restorer = Restorer(store: store, devices: target.devices, bandwidths: kept.bandwidths)
            let resident = try await restorer.restore(id, options)
            bar.clear()
            kept.keep(restorer)
            let digests = arguments.has("digests") ? try await digests(resident, target) : []
            show(resident.report, digests, arguments)
            try await resident.close()
        }
    }

    private typealias Digest = (region: String, device: DeviceID, index: Int, hash: ContentHash)

    /// The SHA-256 of each region as it lies in each device's memory.
    private static func digests(_ resident: Resident, _ target: RestoreTarget) async throws -> [Digest] {
        var digests: [Digest] = []
        for region in try resident.manifest().regions {
            for (index, context) in target.devices.enumerated() {
                let hash = try await target.digest(of: region.name, of: resident, on: index)
                digests.append((region.name, context.device.id, index, hash))
            }
        }
        return digests
    }

    private static func show(_ report: RestoreReport, _ digests: [Digest], _ arguments: Arguments) {
        guard !arguments.has("json") else {
            let regions = digests.map { digest in
                JSONOutput.object([
                    ("region", .text(digest.region)), ("device", .number(digest.index)),
                    ("sha256", .text(digest.hash.hex)),
                ])
            }
            JSONOutput.object(
                [
                    ("id", .text("\(report.snapshot)")), ("choice", .text(report.choice.rawValue)),
                    ("ready_ms", .decimal(report.ready_ms)), ("first_region_ms", .decimal(report.firstRegion_ms)),
                    ("memory_ms", .decimal(report.memory_ms)), ("fresh_bytes", .number(report.freshBytes)),
                    ("predicted_ms", .decimal(report.predicted_ms)), ("gbps", .decimal(report.gigabytesPerSecond)),
                    ("bytes_by_tier", TierText.json(report.bytesByTier)),
                    ("verified_chunks", .number(report.verifiedChunkCount)),
                    ("incidents", .list(report.incidents.map { .text("\($0)") })),
                ] + (digests.isEmpty ? [] : [("regions", .list(regions))])
            ).show()
            return
        }
        print(
            """
            ready in \(report.ready_ms.fixed(1)) ms (predicted \(report.predicted_ms.fixed(1))), \
            first region after \(report.firstRegion_ms.fixed(1)) ms
            \(report.choice.rawValue) restore: \(TierText.text(report.bytesByTier)), \
            \(report.gigabytesPerSecond.fixed(2)) GB/s, \(report.verifiedChunkCount) chunks verified
            """)
        for incident in report.incidents { print("made good: \(incident)") }
        for digest in digests { print("\(digest.hash.hex)  \(digest.region) on \(digest.device)") }
    }
}
