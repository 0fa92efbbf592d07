import DemoSupport
import GPUServeKit
import Glibc

/// How fast this host is: measured once, kept in a file of the user's cache, and learned from each restore.
struct KeptBandwidths {
    /// Nil when there is no place for it: then nothing is kept.
    let path: String?
    let bandwidths: Bandwidths

    /// Reads the file, or measures on `snapshot` when there is none, it is from another machine, or `--probe` is given.
    static func load(
        _ arguments: Arguments, _ store: any SnapshotStore, _ snapshot: SnapshotID
    ) async throws -> KeptBandwidths {
        let path = file()
        guard let path, !arguments.has("probe") else {
            let probed = try await Bandwidths.probe(store, snapshot)
            if let path { probed.keep(at: path) }
            return KeptBandwidths(path: path, bandwidths: probed)
        }
        return KeptBandwidths(
            path: path, bandwidths: try await Bandwidths.kept(at: path, orProbing: store, snapshot))
    }

    /// Keeps what a restorer has learned. A file that cannot be written costs a measurement next time.
    func keep(_ restorer: Restorer) { if let path { restorer.bandwidths.keep(at: path) } }

    /// `$XDG_CACHE_HOME/gpuserve/bandwidths`, or under `~/.cache`. Its folder is made, for this user alone.
    static func file() -> String? {
        guard let cache = variable("XDG_CACHE_HOME") ?? variable("HOME").map({ $0 + "/.cache" }), cache.hasPrefix("/")
        else { return nil }
        for folder in [cache, cache + "/gpuserve"] {
            guard mkdir(folder, 0o700) == 0 || access(folder, W_OK | X_OK) == 0 else { return nil }
        }
        return cache + "/gpuserve/bandwidths"
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
