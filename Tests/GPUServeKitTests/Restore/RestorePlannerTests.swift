import Testing

@testable import GPUServeKit

/// The planner, without a device, a store or a clock.
@Suite struct RestorePlannerTests {
    typealias Planner = RestorePlanner

    static func chunk(_ name: UInt8, _ byteCount: Int) -> ChunkRef {
        ChunkRef(
            hash: ContentHash(bytes: [UInt8](repeating: name, count: 32))!, crc64: UInt64(name), byteCount: byteCount)
    }

    /// Regions of one-byte elements, their chunks named.
    static func manifest(
        _ regions: [(name: String, chunks: [UInt8], shape: [Int], axis: Int?)], device: [String: String] = [:],
        moduleKind: String? = nil
    ) -> SnapshotManifest {
        var manifest = SnapshotManifest(name: "m", chunkBytes: 4096, device: device)
        for (order, region) in regions.enumerated() {
            let byteCount = region.shape.reduce(1, *)
            let chunks = region.chunks.enumerated().map { chunk($1, min(4096, byteCount - $0 * 4096)) }
            manifest.regions.append(
                SnapshotManifest.Region(
                    RegionDescription(
                        name: region.name, dtype: .bytes, shape: region.shape, byteCount: byteCount, order: order,
                        shardAxis: region.axis), content: SnapshotManifest.Content(chunks: chunks)))
        }
        if let moduleKind {
            manifest.modules = [.init(name: "k", kind: moduleKind, content: .init(chunks: [chunk(200, 10)]))]
        }
        return manifest
    }

    static let simple = manifest([("a", [1, 2], [8192], nil), ("b", [3, 1], [8192], nil)])

    static func id(_ name: UInt8) -> SnapshotID { SnapshotID(chunk(name, 1).hash) }

    static func device(
        _ kind: DeviceID.Kind = .host, _ ordinal: Int = 0, free: Int = 1 << 30, capability: (Int, Int)? = nil,
        driver: Int? = nil
    ) -> Planner.DeviceState {
        var info = DeviceInfo(id: DeviceID(kind, ordinal), name: "d", totalBytes: free)
        info.computeCapability = capability.map { .init(major: $0.0, minor: $0.1) }
        return Planner.DeviceState(info: info, freeBytes: free, driverVersion: driver, isHostVisible: kind == .host)
    }

    static func input(
        _ manifest: SnapshotManifest = simple, devices: [Planner.DeviceState] = [device()],
        tier: RestoreTier = .pageCache
    ) -> Planner.Input {
        let tiers = Dictionary(uniqueKeysWithValues: manifest.distinctChunks.map { ($0.hash, tier) })
        return Planner.Input(snapshot: id(1), manifest: manifest, devices: devices, tiers: tiers)
    }

    @Test func `a full restore reads each chunk once, in order of need, for all places that want it`() throws {
        let plan = try Planner.plan(Self.input())
        #expect(plan.choice == .full)
        #expect(plan.chunkCount == 3)
        #expect(plan.bytesByTier.total == 3 * 4096)
        guard case .read(let first, .pageCache, let targets) = plan.steps[0].work else {
            Issue.record("not a read")
            return
        }
        #expect(first.crc64 == 1)
        #expect(targets.map(\.offset) == [0, 12288], "in a, and again at the end of b")
        #expect(plan.steps[0].regions == [0, 1])
        #expect(plan.newBytes == [16384])
    }

    @Test func `memory that has to be made present first is predicted, memory that is there is not`() throws {
        let page = HostPages.alignment
        var input = Self.input()
        input.bandwidths.present_bytesPerSecond = Double(page) * 100
        let bare = try Planner.plan(input)
        #expect(bare.freshBytes == 0, "of a GPU's memory nothing is known")
        for (idle, fresh) in [
            ([], page), ([IdlePages(address: 1 << 40, byteCount: 2 * page)], 0),
            // As the pool has it: more than twice as much would be wasted.
            ([IdlePages(address: 1 << 40, byteCount: 3 * page)], page),
        ] {
            input.devices[0].idle = idle
            let plan = try Planner.plan(input)
            #expect(plan.freshBytes == fresh)
            #expect(abs(plan.predicted_ms - bare.predicted_ms - Double(fresh / page) * 10) < 1e-6)
            #expect(plan.predictedFirstRegion_ms <= plan.predicted_ms)
        }
        // Two devices do not get the same pages.
        let two = [IdlePages(address: 1 << 40, byteCount: page)]
        input.devices = [Self.device(.host, 0), Self.device(.host, 1)]
        for index in input.devices.indices { input.devices[index].idle = two }
        #expect(try Planner.plan(input).freshBytes == page)
        // A delta takes no memory.
        input = Self.input()
        input.base = Self.simple
        input.devices[0].idle = []
        #expect(try Planner.plan(input).freshBytes == 0)
    }

    @Test func `order of need wins over the order in the manifest`() throws {
        var manifest = Self.simple
        manifest.regions[0].description.order = 5
        let plan = try Planner.plan(Self.input(manifest))
        #expect(plan.regions == ["b", "a"])
        guard case .read(let first, _, _) = plan.steps[0].work else { return }
        #expect(first.crc64 == 3)
    }

    @Test func `a delta reads only what differs, and nothing when nothing does`() throws {
        let next = Self.manifest([("a", [1, 9], [8192], nil), ("b", [3, 1], [8192], nil)])
        var input = Self.input(next)
        input.base = Self.simple
        let plan = try Planner.plan(input)
        #expect(plan.choice == .delta)
        #expect(plan.chunkCount == 1 && plan.bytesByTier.total == 4096)
        #expect(plan.newBytes == [0])
        input.base = next
        #expect(try Planner.plan(input).choice == .attach)
    }

    @Test func `a base with other regions is refused by name`() throws {
        for other in [
            Self.manifest([("x", [1, 2], [8192], nil), ("b", [3, 1], [8192], nil)]),
            Self.manifest([("a", [1, 2], [8192], nil)]),
            Self.manifest([("a", [1], [4096], nil), ("b", [3, 1], [8192], nil)]),
        ] {
            var input = Self.input()
            input.base = other
            #expect(throws: RestoreError.self) { try Planner.plan(input) }
            do { _ = try Planner.plan(input) } catch { #expect(error.code == .layoutDiffers) }
        }
    }

    @Test func `a resident of the same snapshot is cloned whole`() throws {
        var input = Self.input(devices: [Self.device(.host, 1)])
        input.residents = [
            Planner.KnownResident(
                snapshot: Self.id(1), manifest: Self.simple, devices: [DeviceID(.host, 0)], isReachable: true)
        ]
        let plan = try Planner.plan(input)
        #expect(plan.choice == .clone)
        // Chunk by chunk within the host, so that each can be checked on the way.
        #expect(plan.steps.map(\.regions) == [[0], [0], [1], [1]])
        let checks = plan.steps.map {
            if case .copy(_, _, _, _, let chunk) = $0.work { chunk?.crc64 } else { UInt64?.none }
        }
        #expect(checks == [1, 2, 3, 1])
        #expect(plan.bytesByTier[.resident] == 16384)
        #expect(Planner.isClone(input))
        // Whole arenas where devices do the copying.
        input.devices = [Self.device(.cuda, 1)]
        input.residents[0].devices = [DeviceID(.cuda, 0)]
        let whole = try Planner.plan(input)
        #expect(whole.steps.count == 1 && whole.steps[0].regions == [0, 1])
        input.residents[0].isReachable = false
        #expect(try Planner.plan(input).choice == .full)
    }

    @Test func `chunks that another resident holds are copied from there`() throws {
        var input = Self.input()
        input.tiers[Self.chunk(2, 1).hash] = nil
        input.residents = [
            Planner.KnownResident(
                snapshot: Self.id(7), manifest: Self.manifest([("z", [2], [4096], nil)]),
                devices: [DeviceID(.host, 0)], isReachable: true)
        ]
        let plan = try Planner.plan(input)
        #expect(plan.choice == .full)
        #expect(plan.bytesByTier[.resident] == 4096, "though no store has it")
    }

    // MARK: Refusals

    private func code(_ input: Planner.Input) -> RestoreError.Code? {
        do throws(RestoreError) { _ = try Planner.plan(input) } catch { return error.code }
        return nil
    }

    @Test func `what cannot succeed is refused with its name`() throws {
        #expect(code(Self.input(devices: [])) == .invalidArgument)
        #expect(code(Self.input(devices: [Self.device(free: 1 << 20)])) == .memoryShort)
        // Both take from one memory, which is enough for one.
        let pair = [Self.device(.host, 0, free: 3 << 20), Self.device(.host, 1, free: 3 << 20)]
        #expect(code(Self.input(devices: pair)) == .memoryShort)
        var input = Self.input()
        input.tiers[Self.chunk(3, 1).hash] = nil
        do throws(RestoreError) { _ = try Planner.plan(input) } catch {
            #expect(error.code == .chunkMissing && error.chunk == Self.chunk(3, 1).hash)
            #expect(error.detail.contains("'b'"))
        }
    }

    @Test func `code wants its architecture and its driver, on GPUs only`() throws {
        let needs = ["architecture": "sm_90", "driver_version": "12040"]
        func check(_ kind: String, _ capability: (Int, Int), _ driver: Int) -> RestoreError.Code? {
            code(
                Self.input(
                    Self.manifest([("a", [1], [4096], nil)], device: needs, moduleKind: kind),
                    devices: [Self.device(.cuda, capability: capability, driver: driver)]))
        }
        #expect(check("cubin", (9, 0), 12040) == nil)
        #expect(check("cubin", (10, 0), 12040) == .architectureMismatch)
        #expect(check("ptx", (10, 0), 12040) == nil)
        #expect(check("ptx", (8, 6), 12040) == .architectureMismatch)
        #expect(check("ptx", (9, 0), 12020) == .driverTooOld)
        let onHost = Self.manifest([("a", [1], [4096], nil)], device: needs, moduleKind: "cubin")
        #expect(code(Self.input(onHost)) == nil)
    }

    @Test func `an axis that does not divide is refused`() throws {
        let devices = (0..<3).map { Self.device(.host, $0) }
        let manifest = Self.manifest([("a", [1, 2], [8, 1024], 0)])
        #expect(code(Self.input(manifest, devices: devices)) == .shardMismatch)
        #expect(code(Self.input(manifest, devices: Array(devices.prefix(2)))) == nil)
    }

    // MARK: Shards

    @Test func `parts of all devices together are the region, along any axis`() throws {
        for axis in 0..<3 {
            for count in [1, 2, 4] {
                let region = RegionDescription(
                    name: "r", dtype: DataType("F16"), shape: [4, 8, 12], byteCount: 4 * 8 * 12 * 2, shardAxis: axis)
                let whole = TestBytes.random(count: region.byteCount, seed: UInt64(axis))
                var back = [UInt8](repeating: 0, count: whole.count)
                for device in 0..<count {
                    let cut = try ShardCut(region, device: device, of: count)
                    #expect(cut.held(before: region.byteCount) == region.byteCount / count)
                    // In uneven pieces, as chunks are.
                    for start in stride(from: 0, to: whole.count, by: 100) {
                        let range = start..<min(start + 100, whole.count)
                        var sum = 0
                        cut.pieces(of: range) { source, destination, length in
                            #expect(destination == sum)
                            sum += length
                            for index in 0..<length {
                                back[start + source + index] = whole[start + source + index]
                            }
                        }
                        #expect(sum == cut.part(of: range).count)
                    }
                }
                #expect(back == whole)
            }
        }
    }

    @Test func `a cut never tears a quantized block`() throws {
        let region = RegionDescription(
            name: "q", dtype: DataType("Q4_K"), shape: [4, 512], byteCount: 4 * 2 * 144, shardAxis: 1)
        #expect(try ShardCut(region, device: 1, of: 2).span == 144..<288)
        #expect(throws: RestoreError.self) { try ShardCut(region, device: 0, of: 4) }
    }

    // MARK: Layout

    @Test func `fixed addresses get arenas of their own, and overlaps are refused`() throws {
        var manifest = Self.simple
        manifest.regions[0].description.address = 0x7000_0020_0000
        let layout = try ResidentLayout(manifest, deviceCount: 1)
        #expect(layout.devices[0].arenas.map(\.address) == [nil, 0x7000_0020_0000])
        #expect(layout.devices[0].places.map(\.arena) == [1, 0])
        manifest.regions[1].description.address = 0x7000_0020_2000
        let both = try ResidentLayout(manifest, deviceCount: 1)
        #expect(both.devices[0].arenas.map(\.byteCount) == [2 << 20], "neighbours share pages")
        #expect(both.devices[0].places.map(\.offset) == [0, 8192])
        manifest.regions[1].description.address = 0x7000_0020_1000
        #expect(throws: RestoreError.self) { try ResidentLayout(manifest, deviceCount: 1) }
    }

    // MARK: Prediction

    @Test func `the prediction is bytes over bandwidth, plus what is fixed`() throws {
        var input = Self.input(tier: .disk)
        input.bandwidths = Bandwidths(
            bytesPerSecond: [.disk: 4096 * 1000, .resident: 4096 * 1000], upload_bytesPerSecond: 1,
            fixed_ms: [.full: 5],
            step_us: 0)
        // Three chunks from disk, and one of them once more to another place.
        #expect(abs(try Planner.plan(input).predicted_ms - 9) < 0.001)
        #expect(abs(try Planner.plan(input).predictedFirstRegion_ms - 8) < 0.001)
    }
}
