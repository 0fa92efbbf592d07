import GPUServeKit
import Glibc
import Transport

/// Creates, copies, pushes, pulls, deletes and collects until it is killed, and prints a letter at each step, so that
/// whoever kills it can choose the moment and see what it was doing.
///
///     store-torture DIRECTORY SEED [ENDPOINT BUCKET]
///
/// Two stores are in the directory and, with an endpoint, a third in the bucket, whose keys are in the environment.
@main struct StoreTorture {
    private var random: UInt64
    private let disks: [DirectorySnapshotStore]
    private let bucket: HTTPSnapshotStore?

    static func main() async {
        do {
            let words = CommandLine.arguments
            var torture = StoreTorture(
                random: UInt64(words[2]) ?? 1,
                disks: [
                    try DirectorySnapshotStore(path: words[1] + "/a"),
                    try DirectorySnapshotStore(path: words[1] + "/b"),
                ], bucket: words.count > 4 ? try bucket(words[3], words[4]) : nil)
            while true { try await torture.turn() }
        } catch {
            print("store-torture failed: \(error)")
            exit(1)
        }
    }

    private static func bucket(_ endpoint: String, _ name: String) throws -> HTTPSnapshotStore {
        guard let credentials = S3Credentials.fromEnvironment() else {
            throw SnapshotError(.invalidArgument, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
        }
        return try HTTPSnapshotStore(
            S3Location(endpoint: endpoint, bucket: name, prefix: "torture"), credentials: credentials,
            transport: try LoopTransport(), grace_s: bucketGrace_s)
    }

    /// So short that collections find something; still longer than twice what any upload here takes.
    private static let bucketGrace_s = 120

    private mutating func turn() async throws {
        let disk = disks[next(2)]
        switch next(bucket == nil ? 6 : 10) {
        case 0, 1: try await create(in: disk)
        case 2: try await copy(from: disk, to: disks[next(2)], "m")
        case 3: try await delete(from: disk)
        case 4, 5: try await collect(disk)
        case 6, 7: if let bucket { try await copy(from: disk, to: bucket, "p") }
        case 8: if let bucket { try await copy(from: bucket, to: disk, "l") }
        default:
            guard let bucket else { return }
            if next(2) == 0 { try await delete(from: bucket) } else { try await collect(bucket) }
        }
    }

    private mutating func create(in store: any SnapshotStore) async throws {
        StoreTorture.step("c")
        let options = SnapshotOptions(
            name: "s", chunkBytes: 4096, parallelCount: 2, progress: { _, _ in StoreTorture.step("c") })
        _ = try await store.create(from: source(), options)
    }

    private mutating func copy(from store: any SnapshotStore, to other: any SnapshotStore, _ letter: Character)
        async throws
    {
        StoreTorture.step(letter)
        let ids = try await store.list().map(\.id)
        guard !ids.isEmpty else { return }
        _ = try await store.copy(ids[next(ids.count)], to: other) { _, _ in StoreTorture.step(letter) }
    }

    /// All but three: otherwise there would be more to look at after each kill.
    private func delete(from store: any SnapshotStore) async throws {
        StoreTorture.step("d")
        for id in try await store.list().map(\.id).dropFirst(3) {
            try await store.delete(id)
            StoreTorture.step("d")
        }
    }

    private func collect(_ store: any SnapshotStore) async throws {
        StoreTorture.step("g")
        _ = try await store.collectGarbage()
        StoreTorture.step("g")
    }

    private static func step(_ letter: Character) {
        var byte = letter.asciiValue ?? 0
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
