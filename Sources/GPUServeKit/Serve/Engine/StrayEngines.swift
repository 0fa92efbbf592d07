internal import Glibc

/// Engines that nobody knows any more: a daemon that was killed between starting one and writing down that it did leaves it
/// behind, and an engine may leave programs of its own in other process groups. All carry the mark that they were given.
enum StrayEngines {
    /// A variable of the environment of every engine, so that one can be told from other processes: the state directory, the
    /// deployment and the replica, with slashes between.
    static let mark = "GPUSERVE_ENGINE"

    /// A process with the mark.
    struct Stray: Hashable {
        var pid: Int32
        var deployment: String
        var replica: Int
    }

    /// All processes with the mark of a state directory that this one may see.
    static func find(statePath: String) -> [Stray] {
        ProcessStat.all.compactMap { pid in
            guard let bytes = ProcessStat.read("/proc/\(pid)/environ", limit: longestBytes),
                let (deployment, replica) = marked(bytes, statePath: statePath)
            else { return nil }
            return Stray(pid: pid, deployment: deployment, replica: replica)
        }
    }

    /// What an environment says; nil for one without the mark of this directory.
    static func marked(_ environment: [UInt8], statePath: String) -> (deployment: String, replica: Int)? {
        let start = Array("\(mark)=\(statePath)/".utf8)
        guard let variable = environment.split(separator: 0).first(where: { $0.starts(with: start) }) else {
            return nil
        }
        let parts = String(decoding: variable.dropFirst(start.count), as: UTF8.self).split(
            separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let replica = Int(parts[1]) else { return nil }
        return (String(parts[0]), replica)
    }

    /// Ends processes that `find` found; returns those that were there.
    static func end(_ strays: [Stray]) -> [Stray] { strays.filter { kill($0.pid, SIGKILL) == 0 } }

    /// Longer environments are not ours: engines get few variables.
    private static let longestBytes = 256 * 1024
}
