internal import Glibc

/// The numbers of the processes and threads of an image, which whoever restores them must not have.
enum ImageNumbers {
    /// The numbers in a directory of images: there is a file for each.
    static func read(_ directory: String) -> [Int32] {
        let names = (try? Descriptor(openDirectory: directory).names()) ?? []
        return names.compactMap { name in
            guard name.hasPrefix("core-"), name.hasSuffix(".img") else { return nil }
            return Int32(name.dropFirst(5).dropLast(4))
        }
    }

    /// The number behind which the longest run of numbers is free.
    static func free(beside numbers: [Int32], below limit: Int32) -> Int32 {
        let ends = Set(numbers).union([smallest, limit]).sorted()
        var best: (start: Int32, count: Int32) = (smallest, 0)
        for (start, end) in zip(ends, ends.dropFirst()) where end - start > best.count { best = (start, end - start) }
        return best.start
    }

    /// Below it the kernel gives numbers only at the first time round.
    private static let smallest: Int32 = 300

    /// Numbers of processes are below this one.
    static var limit: Int32 {
        let text = String(decoding: ProcessStat.read("/proc/sys/kernel/pid_max", limit: 32) ?? [], as: UTF8.self)
        return Int32(text.prefix { $0.isNumber }) ?? 32_768
    }
}
