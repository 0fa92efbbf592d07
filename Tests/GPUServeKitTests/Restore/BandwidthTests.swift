import Glibc
import Synchronization
import Testing
import Transport

@testable import GPUServeKit

/// What predictions rest on: kept in a file, and learned.
@Suite struct BandwidthTests {
    static let some = {
        var some = Bandwidths(
            bytesPerSecond: [.resident: 5e9, .memory: 4e9, .pageCache: 6.5e9, .disk: 1.25e9, .remote: 1e8],
            upload_bytesPerSecond: 2e10, fixed_ms: [.attach: 0.01, .clone: 0.5, .delta: 0.75, .full: 1.5], step_us: 7)
        some.present_bytesPerSecond = 3.5e9
        some.seen[RestoreKind(.full, .pageCache, size: 5, isOnHost: true)] = [
            SeenRestore(byteCount: 5e8, time_ms: 71.5), SeenRestore(byteCount: 4e8, time_ms: 61.25),
        ]
        some.seen[RestoreKind(.attach, .resident, size: 0, isOnHost: false)] = [
            SeenRestore(byteCount: 0, time_ms: 0.002)
        ]
        return some
    }()

    @Test func `a file gives back what was kept, to nobody else`() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/bandwidths"
        #expect(Self.some.keep(at: path))
        var info = stat()
        #expect(stat(path, &info) == 0 && info.st_mode & 0o777 == 0o600)
        #expect(BandwidthFile.read(path).flatMap { BandwidthFile.decode($0) } == Self.some)
        #expect(ScratchDirectory.names(scratch.path) == ["bandwidths"])
    }

    @Test func `a file with any byte changed, cut, of another version or machine is not believed`() {
        let bytes = BandwidthFile.encode(Self.some)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1
            #expect(BandwidthFile.decode(damaged) == nil)
            #expect(BandwidthFile.decode(Array(bytes[..<index])) == nil)
        }
        #expect(BandwidthFile.decode(bytes, machine: "machine 1 1") == nil)
        #expect(BandwidthFile.decode([UInt8](repeating: 65, count: 300_000)) == nil)
    }

    @Test func `a missing or damaged file is made by a probe`() async throws {
        let fixture = try await RestoreFixture()
        let path = fixture.scratch.path + "/bandwidths"
        let first = try await Bandwidths.kept(at: path, orProbing: fixture.disk, fixture.snapshot.id)
        #expect(first.bytesPerSecond.values.allSatisfy { $0 > 0 && $0.isFinite })
        #expect(first.bytesPerSecond[.disk] != Bandwidths.standard.bytesPerSecond[.disk], "it was measured")
        #expect(try await Bandwidths.kept(at: path, orProbing: fixture.disk, fixture.snapshot.id) == first)
        ScratchDirectory.write(Array("nonsense".utf8), to: path)
        _ = try await Bandwidths.kept(at: path, orProbing: fixture.disk, fixture.snapshot.id)
        #expect(BandwidthFile.read(path).flatMap { BandwidthFile.decode($0) } != nil)
    }

    private static func report(
        _ choice: RestoreChoice, _ tier: RestoreTier, _ byteCount: Int, _ time_ms: Double
    ) -> RestoreReport {
        var bytes = TierBytes()
        bytes[tier] = byteCount
        return RestoreReport(
            snapshot: RestorePlannerTests.id(1), choice: choice, ready_ms: time_ms, firstRegion_ms: 0, planned_ms: 0,
            predicted_ms: 0, bytesByTier: bytes, verifiedChunkCount: 0, incidents: [])
    }

    @Test func `the first restore of a kind is believed at once, and stalls not at all`() {
        var bandwidths = Bandwidths.standard
        let kind = RestoreKind(.full, .pageCache, size: 5, isOnHost: true)
        #expect(bandwidths.expected_ms(kind, 500_000_000) == nil)
        for (took_ms, expected_ms) in [
            // The first one stalled, as the first of a process may.
            (1000.0, 1000.0), (100, 100), (101, 101), (2000, 101), (102, 102), (3000, 102),
            // It got slower for good: the last six count.
            (200, 151), (201, 200.5), (202, 201.5), (203, 201.5),
        ] {
            bandwidths.learn(from: Self.report(.full, .pageCache, 500_000_000, took_ms), isOnHost: true)
            #expect(bandwidths.expected_ms(kind, 500_000_000) == expected_ms, "after \(took_ms)")
        }
    }

    @Test func `what making memory present took is learned apart`() {
        var bandwidths = Bandwidths.standard
        bandwidths.present_bytesPerSecond = 4e9
        let kind = RestoreKind(.full, .pageCache, size: 5, isOnHost: true)
        var first = Self.report(.full, .pageCache, 500_000_000, 350)
        (first.freshBytes, first.memory_ms) = (500_000_000, 250)
        bandwidths.learn(from: first, isOnHost: true)
        #expect(bandwidths.expected_ms(kind, 500_000_000) == 100, "the next one has the memory already")
        #expect(bandwidths.present_bytesPerSecond == 3.5e9, "a quarter of the way to 2 GB/s")
        var second = Self.report(.full, .pageCache, 500_000_000, 101)
        second.memory_ms = 0.02
        bandwidths.learn(from: second, isOnHost: true)
        #expect(bandwidths.expected_ms(kind, 500_000_000) == 100.5)
        #expect(bandwidths.present_bytesPerSecond == 3.5e9)
    }

    @Test func `restores that take two speeds in turns are expected between them`() {
        var bandwidths = Bandwidths.standard
        let kind = RestoreKind(.delta, .pageCache, size: 2, isOnHost: true)
        for round in 0..<12 {
            let took_ms = round % 2 == 0 ? 5.0 : 8.0
            if round >= 6 { #expect(bandwidths.expected_ms(kind, 8_000_000) == 6.5, "in round \(round)") }
            bandwidths.learn(from: Self.report(.delta, .pageCache, 8_000_000, took_ms), isOnHost: true)
        }
    }

    @Test func `a restore from several tiers tells of no other`() throws {
        var bytes = TierBytes()
        bytes[.pageCache] = 90
        bytes[.disk] = 10
        #expect(RestoreKind(.full, bytes, isOnHost: true)?.tier == .pageCache)
        bytes[.disk] = 12
        #expect(RestoreKind(.full, bytes, isOnHost: true) == nil)
        var bandwidths = Bandwidths.standard
        var report = Self.report(.full, .pageCache, 500_000_000, 100)
        report.bytesByTier[.disk] = 500_000_000
        bandwidths.learn(from: report, isOnHost: true)
        #expect(bandwidths.seen.isEmpty)
    }

    @Test func `what was seen is scaled to other sizes, and to no other kind`() throws {
        var bandwidths = Bandwidths.standard
        bandwidths.fixed_ms[.full] = 2
        var bytes = TierBytes()
        bytes[.pageCache] = 500_000_000
        let kind = try #require(RestoreKind(.full, bytes, isOnHost: true))
        #expect(kind.size == 5)
        bandwidths.learn(from: Self.report(.full, .pageCache, 500_000_000, 102), isOnHost: true)
        bytes[.pageCache] = 2_000_000_000
        let larger = try #require(RestoreKind(.full, bytes, isOnHost: true))
        #expect(larger.size == 6)
        #expect(bandwidths.expected_ms(larger, 2_000_000_000) == 402)
        bytes[.pageCache] = 1_000_000
        let small = try #require(RestoreKind(.full, bytes, isOnHost: true))
        #expect(bandwidths.expected_ms(small, 1_000_000) == nil, "too far to tell")
        #expect(bandwidths.expected_ms(RestoreKind(.full, .disk, size: 5, isOnHost: true), 500_000_000) == nil)
        #expect(bandwidths.expected_ms(RestoreKind(.delta, .pageCache, size: 5, isOnHost: true), 500_000_000) == nil)
        #expect(bandwidths.expected_ms(RestoreKind(.full, .pageCache, size: 5, isOnHost: false), 500_000_000) == nil)
    }

    /// With a clock that goes on by the same step each time it is read, what a restore takes is known, and predictions must
    /// come to it.
    @Test func `predictions come to what is measured`() async throws {
        let fixture = try await RestoreFixture()
        let (context, _) = try RestoreFixture.host()
        let restorer = RestoreClockFixture.restorer(fixture.disk, [context])
        var errors: [Double] = []
        for _ in 0..<40 {
            let resident = try await restorer.restore(
                fixture.snapshot.id, RestoreOptions(parallelCount: 1, mayAttach: false, mayClone: false))
            errors.append(resident.report.predictionError)
            try await resident.close()
        }
        #expect(errors[39] < 0.05, "\(errors)")
        #expect(errors[39] < errors[0])
    }
}

/// A restorer whose time passes by one millisecond each time somebody looks.
enum RestoreClockFixture {
    private final class Ticker: Sendable {
        private let now = Atomic<UInt64>(0)
        func next() -> UInt64 { now.wrappingAdd(1_000_000, ordering: .relaxed).newValue }
    }

    static func restorer(_ store: any SnapshotStore, _ devices: [any GPUContext]) -> Restorer {
        let ticker = Ticker()
        return Restorer(store: store, devices: devices, now_ns: { ticker.next() })
    }
}
