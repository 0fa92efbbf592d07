import DemoSupport
import GPUServeKit
import Glibc
import ModelFiles
import Transport

/// Brings a model into memory: from its snapshot, which is made first when the store has none of this very file.
struct ModelStart {
    let path: String
    let name: String
    /// Where snapshots are kept; nil reads the file and keeps nothing.
    let storePath: String?

    /// Finds the model's snapshot, or makes it.
    ///
    /// - Throws: `SnapshotError` or `ModelError`, naming what was wrong.
    func open(_ device: any GPUContext, _ waterfall: inout Waterfall) async throws -> ModelStore {
        let disk = try storePath.map { path throws(SnapshotError) in try DirectorySnapshotStore(path: path) }
        let memory = MemorySnapshotStore(quotaBytes: .max, over: disk)
        waterfall.mark("open store")
        let base: SnapshotID
        if let disk, let known = try await find(in: disk) {
            base = known
        } else {
            if disk != nil {
                Console.note("making a snapshot of \(path) in \(storePath ?? ""); later starts restore it")
            }
            base = try await create(in: disk ?? memory)
        }
        waterfall.mark("find snapshot")
        return ModelStore(disk: disk, memory: memory, base: base, device: device)
    }

    private func create(in store: any SnapshotStore) async throws -> SnapshotID {
        let source = try await ModelSource(path: path)
        // What cannot be run is refused before a snapshot is made of it.
        do { try Weights.check(source) } catch { throw error.at(file: path) }
        return try await store.create(
            from: source, SnapshotOptions(name: name, facts: ["model_file": try await stamp()])
        ).id
    }

    private func find(in store: any SnapshotStore) async throws -> SnapshotID? {
        let stamp = try await stamp()
        for summary in try await store.list() where summary.name == name && summary.problem == nil {
            if try await store.manifest(summary.id).producer["model_file"] == stamp { return summary.id }
        }
        return nil
    }

    /// Of all files that the snapshot depends on.
    private func stamp() async throws -> String {
        let files = try await ModelFiles.files(of: path)
        guard let first = FileStamp.of(files[0]) else {
            throw ModelError(.missingTensor, "\(files[0]): \(String(cString: strerror(errno)))")
        }
        guard files.count > 1 else { return "v\(ModelCard.version):\(first)" }
        let stamps = files.map { FileStamp.of($0) ?? "none" }
        return "v\(ModelCard.version):\(ContentHash(of: Array(stamps.joined(separator: " ").utf8)))"
    }
}

/// Where the model's snapshots are: the base on disk, what is merged from it in memory, sharing the base's chunks. Without a
/// directory all of it is in memory.
struct ModelStore: Sendable {
    let disk: DirectorySnapshotStore?
    let memory: MemorySnapshotStore
    let all: any SnapshotStore
    /// Where the base is.
    var home: any SnapshotStore { disk ?? memory }
    let base: SnapshotID
    let restorer: Restorer
    /// Where the model runs.
    let device: any GPUContext
    /// Bytes of `memory` that are not variants.
    let ownBytes: Int

    init(disk: DirectorySnapshotStore?, memory: MemorySnapshotStore, base: SnapshotID, device: any GPUContext) {
        (self.disk, self.memory, self.base, self.device, ownBytes) = (disk, memory, base, device, memory.storedBytes)
        all = disk.map { TieredSnapshotStore([memory, $0], home: 0) } ?? memory
        restorer = Restorer(store: all, devices: [device])
    }
}

/// Lines for the person who runs the program.
enum Console {
    static func say(_ text: String) { Terminal.write("\(text)\n", to: STDOUT_FILENO) }
    static func note(_ text: String) { Terminal.write("custom-model-server: \(text)\n", to: STDERR_FILENO) }
}
