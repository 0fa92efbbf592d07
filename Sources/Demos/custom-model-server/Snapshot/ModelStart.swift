import DemoSupport
import GPUServeKit
import Glibc
import Transport

/// Brings a model into memory: from its snapshot, which is made first when the store has none of this very file.
struct ModelStart {
    let path: String
    let name: String
    /// Where snapshots are kept; nil reads the file and keeps nothing.
    let storePath: String?

    /// What a start cost, in the order of its steps.
    struct Waterfall {
        private(set) var steps: [(name: String, ms: Double)] = []
        private var last_ns = EventLoop.clock_ns()

        mutating func mark(_ name: String) {
            let now_ns = EventLoop.clock_ns()
            steps.append((name, Double(now_ns - last_ns) / 1e6))
            last_ns = now_ns
        }

        var text: String {
            let total = steps.reduce(0) { $0 + $1.ms }
            return "ready in \(Self.tenths(total)) ms: "
                + steps.map { "\($0.name) \(Self.tenths($0.ms))" }.joined(separator: ", ")
        }

        private static func tenths(_ ms: Double) -> Double { (ms * 10).rounded() / 10 }
    }

    /// - Throws: `SnapshotError`, `RestoreError` or `ModelError`, each naming what was wrong.
    func load(_ device: HostContext, _ waterfall: inout Waterfall) async throws -> (LoadedModel, RestoreReport) {
        let store: any SnapshotStore
        let snapshot: SnapshotID
        if let storePath {
            store = try DirectorySnapshotStore(path: storePath)
            waterfall.mark("open store")
            if let known = try await find(in: store) {
                snapshot = known
            } else {
                Console.note("making a snapshot of \(path) in \(storePath); later starts restore it")
                snapshot = try await create(in: store)
            }
        } else {
            store = MemorySnapshotStore(quotaBytes: .max)
            snapshot = try await create(in: store)
        }
        waterfall.mark("find snapshot")
        let resident = try await Restorer(store: store, devices: [device]).restore(snapshot)
        waterfall.mark("restore")
        let model = try LoadedModel(resident)
        waterfall.mark("tables")
        return (model, resident.report)
    }

    private func create(in store: any SnapshotStore) async throws -> SnapshotID {
        let source = try ModelSource(path: path)
        return try await store.create(from: source, SnapshotOptions(name: name, facts: ["model_file": try stamp()])).id
    }

    private func find(in store: any SnapshotStore) async throws -> SnapshotID? {
        let stamp = try stamp()
        for summary in try await store.list() where summary.name == name && summary.problem == nil {
            if try await store.manifest(summary.id).producer["model_file"] == stamp { return summary.id }
        }
        return nil
    }

    /// What tells the file from another of its name, or from itself after a change.
    private func stamp() throws(ModelError) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ModelError(.missingTensor, "\(path): \(String(cString: strerror(errno)))")
        }
        return
            "v\(TokenizerTables.version):\(status.st_ino):\(status.st_size):\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }
}

/// Lines for the person who runs the program.
enum Console {
    static func say(_ text: String) { Terminal.write("\(text)\n", to: STDOUT_FILENO) }
    static func note(_ text: String) { Terminal.write("custom-model-server: \(text)\n", to: STDERR_FILENO) }
}
