internal import Glibc

/// Finds programs, and says where it looked.
enum ProgramFinder {
    /// The path of a program: a path is taken as it is, a name is looked for in PATH and then beside this program.
    static func find(_ names: [String]) throws(ReplicaFailure) -> String {
        let own = ownDirectory()
        let places =
            (variable("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":").map { String($0) } + [own]
        for name in names {
            if name.utf8.contains(UInt8(ascii: "/")) {
                if isProgram(name) { return name }
                continue
            }
            for place in places where isProgram("\(place)/\(name)") { return "\(place)/\(name)" }
        }
        let what = names.joined(separator: " or ")
        throw ReplicaFailure(
            .programMissing, "\(what) is not in PATH or cannot be run: install it, or name it with --program PATH")
    }

    /// The variables that engines get of this program's own: where things are and how devices are used. Never keys.
    static func environment(also names: [String]) -> [String: String] {
        var kept: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            next += 1
            let text = String(cString: entry)
            guard let equals = text.firstIndex(of: "=") else { continue }
            let name = String(text[..<equals])
            guard names.contains(name) || isPassed(name) else { continue }
            kept[name] = String(text[text.index(after: equals)...])
        }
        return kept
    }

    private static let passedNames: Set<String> = [
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
        "HF_HOME", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "XDG_CACHE_HOME", "PYTHONPATH", "PYTHONUNBUFFERED",
    ]
    private static let passedPrefixes = [
        "LC_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_", "VLLM_", "SGLANG_", "TORCH",
    ]

    /// Names of keys and tokens are never passed by their prefix.
    static func isPassed(_ name: String) -> Bool {
        if passedNames.contains(name) { return true }
        let secrets = ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"]
        guard !secrets.contains(where: { name.uppercased().contains($0) }) else { return false }
        return passedPrefixes.contains { name.hasPrefix($0) }
    }

    private static func isProgram(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }

    private static func ownDirectory() -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        let path = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
