import GPUServeKit
import Glibc

/// Creates, copies, deletes and collects in two stores until it is killed, and prints a byte at each step, so that whoever
/// kills it can choose the moment.
///
///     store-torture DIRECTORY SEED
@main struct StoreTorture {
    private var random: UInt64
    private let stores: [DirectorySnapshotStore]

    static func main() async {
        do {
            let directory = CommandLine.arguments[1]
            var torture = StoreTorture(
                random: UInt64(CommandLine.arguments[2]) ?? 1,
                stores: [
                    try DirectorySnapshotStore(path: directory + "/a"),
                    try DirectorySnapshotStore(path: directory + "/b"),
                ])
            while true { try await torture.turn() }
        } catch {
            print("store-torture failed: \(error)")
            exit(1)
        }
    }

    private mutating func turn() async throws {
        StoreTorture.step()
        let store = stores[next(2)]
        let other = stores[next(2)]
        let ids = try await store.list().map(\.id)
        switch next(6) {
        case 0, 1, 2:
            let options = SnapshotOptions(
                name: "s", chunkBytes: 4096, parallelCount: 2, progress: { _, _ in StoreTorture.step() })
            _ = try await store.create(from: source(), options)
        case 3 where !ids.isEmpty:
            _ = try await store.copy(ids[next(ids.count)], to: other, progress: { _, _ in StoreTorture.step() })
        case 4 where ids.count > 2: try await store.delete(ids[next(ids.count)])
        default: _ = try await store.collectGarbage()
        }
    }

    private static func step() {
        var byte: UInt8 = 0x2E
        _ = write(1, &byte, 1)
    }

    private mutating func next(_ bound: Int) -> Int {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(random >> 33) % bound
    }

    /// Few different contents, so that snapshots share chunks.
    private mutating func source() -> MemorySource {
        var regions: [(RegionDescription, [UInt8])] = []
        for index in 0..<3 {
            let (count, fill) = (4096 * (1 + next(4)) + next(100), UInt8(next(6)))
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) ^ fill }
            regions.append(
                (RegionDescription(name: "r\(index)", dtype: .bytes, shape: [count], byteCount: count), bytes))
        }
        return MemorySource(regions)
    }
}
