import DemoSupport
import GPUServeKit

/// `gpuserve snapshot push` and `pull`.
enum CopySnapshot {
    static func push(_ arguments: Arguments) async throws {
        try arguments.expect("SNAPSHOT")
        let place = try arguments.required("to")
        let store = try Places.local(arguments)
        let id = try await store.find(arguments.words[0])
        try await Places.withStore(at: place, writes: true) { other in
            let bar = ProgressBar("push", arguments)
            defer { bar.clear() }
            let transfer = try await store.copy(id, to: other) { bar.update($0, $1) }
            Transfer.show(transfer, "moved", arguments)
        }
    }

    static func pull(_ arguments: Arguments) async throws {
        try arguments.expect("SNAPSHOT")
        let place = try arguments.required("from")
        let store = try Places.local(arguments, makes: true)
        try await Places.withStore(at: place, writes: false) { other in
            let id = try await other.find(arguments.words[0])
            // What is here and damaged is found by looking; the copy then brings it again.
            if try await store.list().contains(where: { $0.id == id && $0.problem == nil }) {
                let bar = ProgressBar("check", arguments)
                defer { bar.clear() }
                _ = try await store.verify(id) { bar.update($0, $1) }
            }
            let bar = ProgressBar("pull", arguments)
            defer { bar.clear() }
            let transfer = try await other.copy(id, to: store) { bar.update($0, $1) }
            Transfer.show(transfer, "moved", arguments)
        }
    }
}
