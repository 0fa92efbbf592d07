import Glibc

/// What the kernel says of the host's memory.
enum HostMemory {
    /// All memory of the host, or what the control group of this process may use.
    static let totalBytes: Int = {
        let physical = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        return min(physical, groupLimitBytes ?? .max)
    }()

    /// What could be allocated now without pushing anyone out (MemAvailable), or what the control group leaves of it.
    static var freeBytes: Int {
        var free = kibibytes("MemAvailable:", in: text(of: "/proc/meminfo")) ?? totalBytes
        if let limit = groupLimitBytes, let used = number(in: text(of: group + "memory.current")) {
            free = min(free, max(0, limit - used))
        }
        return free
    }

    /// Reserved huge pages that are free now.
    static var freeReservedHugePages: Int {
        number(in: text(of: "/proc/meminfo").components(after: "HugePages_Free:")) ?? 0
    }

    /// Whether the kernel makes huge pages of memory that asks for them: the chosen word of the kernel's own list.
    static var transparentHugePages: String {
        let words = text(of: "/sys/kernel/mm/transparent_hugepage/enabled").split(whereSeparator: \.isWhitespace)
        return words.first { $0.hasPrefix("[") }.map { String($0.dropFirst().dropLast()) } ?? "absent"
    }

    private static let group = "/sys/fs/cgroup/"
    /// "max" when there is no limit, hence nil.
    private static var groupLimitBytes: Int? { number(in: text(of: group + "memory.max")) }

    static func kibibytes(_ name: String, in text: String) -> Int? {
        number(in: text.components(after: name)).map { $0 * 1024 }
    }

    static func number(in text: String) -> Int? {
        Int(text.drop(while: \.isWhitespace).prefix(while: \.isNumber))
    }

    /// A small file of the kernel; empty when it cannot be read.
    private static func text(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 1) { buffer in
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            return String(decoding: UnsafeRawBufferPointer(rebasing: buffer[..<max(0, count)]), as: UTF8.self)
        }
    }
}

extension String {
    /// What follows the first occurrence of `name`; empty when there is none.
    fileprivate func components(after name: String) -> String {
        firstRange(of: name).map { String(self[$0.upperBound...]) } ?? ""
    }
}
