import DemoSupport
import GPUServeKit

/// Where a restore goes.
enum Target {
    /// `--into host`, with `--devices N` host devices.
    static func devices(_ arguments: Arguments) throws -> [any GPUContext] {
        let kind = try arguments.required("into")
        guard kind == "host" else { throw UsageError(message: "--into takes host, not \(kind)") }
        let text = arguments[option: "devices"] ?? "1"
        guard let count = Int(text), (1...64).contains(count) else {
            throw UsageError(message: "--devices takes a whole number from 1 to 64, not \(text)")
        }
        return try (0..<count).map { try HostContext(ordinal: $0) }
    }

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
        let plan = try await Restorer(store: store, devices: try Target.devices(arguments)).plan(id)
        guard !arguments.has("json") else {
            JSONOutput.object([
                ("id", .text("\(id)")), ("choice", .text(plan.choice.rawValue)),
                ("predicted_ms", .decimal(plan.predicted_ms)),
                ("predicted_first_region_ms", .decimal(plan.predictedFirstRegion_ms)),
                ("chunks", .number(plan.chunkCount)), ("bytes_by_tier", Target.json(plan.bytesByTier)),
                ("new_bytes", .list(plan.newBytes.map { .number($0) })),
            ]).show()
            return
        }
        print(
            """
            \(plan.choice.rawValue) restore: \(Target.text(plan.bytesByTier)), \(plan.chunkCount) chunks
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
        let devices = try Target.devices(arguments)
        let bar = ProgressBar("restore", arguments)
        defer { bar.clear() }
        let options = RestoreOptions(progress: { bar.update($0, $1) })
        let resident = try await Restorer(store: store, devices: devices).restore(id, options)
        bar.clear()
        let digests = arguments.has("digests") ? try digests(resident, devices.count) : []
        show(resident.report, digests, arguments)
        try await resident.close()
    }

    private typealias Digest = (region: String, device: Int, hash: ContentHash)

    /// The SHA-256 of each region as it lies in each device's memory.
    private static func digests(_ resident: Resident, _ deviceCount: Int) throws -> [Digest] {
        var digests: [Digest] = []
        for region in try resident.manifest().regions {
            for device in 0..<deviceCount {
                let hash =
                    try resident.window(of: region.name, on: device)?.withBytes {
                        ContentHash(of: Memory(UnsafeRawBufferPointer($0)))
                    } ?? ContentHash(of: [])
                digests.append((region.name, device, hash))
            }
        }
        return digests
    }

    private static func show(_ report: RestoreReport, _ digests: [Digest], _ arguments: Arguments) {
        guard !arguments.has("json") else {
            let regions = digests.map { digest in
                JSONOutput.object([
                    ("region", .text(digest.region)), ("device", .number(digest.device)),
                    ("sha256", .text(digest.hash.hex)),
                ])
            }
            JSONOutput.object(
                [
                    ("id", .text("\(report.snapshot)")), ("choice", .text(report.choice.rawValue)),
                    ("ready_ms", .decimal(report.ready_ms)), ("first_region_ms", .decimal(report.firstRegion_ms)),
                    ("predicted_ms", .decimal(report.predicted_ms)), ("gbps", .decimal(report.gigabytesPerSecond)),
                    ("bytes_by_tier", Target.json(report.bytesByTier)),
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
            \(report.choice.rawValue) restore: \(Target.text(report.bytesByTier)), \
            \(report.gigabytesPerSecond.fixed(2)) GB/s, \(report.verifiedChunkCount) chunks verified
            """)
        for incident in report.incidents { print("made good: \(incident)") }
        for digest in digests { print("\(digest.hash.hex)  \(digest.region) on host:\(digest.device)") }
    }
}
