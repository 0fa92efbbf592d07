internal import Glibc

/// What the kernel tells of a process in `/proc` (proc(5)).
struct ProcessStat {
    let state: UInt8
    let group: Int32
    let startTicks: UInt64

    var isZombie: Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }
    var isStopped: Bool { state == UInt8(ascii: "T") || state == UInt8(ascii: "t") }

    /// Nil when there is no such process.
    init?(pid: Int32) {
        guard let bytes = ProcessStat.read("/proc/\(pid)/stat", limit: 4096) else { return nil }
        self.init(bytes)
    }

    /// Reads the text of `/proc/PID/stat`. The name of the program, in parentheses, may hold anything, also parentheses.
    init?(_ bytes: [UInt8]) {
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        // Behind the name: state, parent, group; the 20th is the start time.
        guard fields.count >= 20, let state = fields[0].first,
            let group = Int32(String(decoding: fields[2], as: UTF8.self)),
            let start = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        (self.state, self.group, startTicks) = (state, group, start)
    }

    /// The processes of a group.
    static func group(_ leader: Int32) -> [Int32] {
        let all = all
        return all.isEmpty ? [leader] : all.filter { ProcessStat(pid: $0)?.group == leader }
    }

    /// All processes; none when `/proc` cannot be listed.
    static var all: [Int32] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var found: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let pid = Int32(name) { found.append(pid) }
        }
        return found
    }

    /// `Pss` of a process: its share of every page that it uses; 0 when that cannot be read.
    static func proportionalBytes(of pid: Int32) -> Int {
        guard let bytes = read("/proc/\(pid)/smaps_rollup", limit: 16384) else { return 0 }
        for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: "Pss:".utf8) {
            let words = line.split(separator: UInt8(ascii: " "))
            guard words.count >= 2, let kilobytes = Int(String(decoding: words[1], as: UTF8.self)) else { return 0 }
            return kilobytes * 1024
        }
        return 0
    }

    /// The number that a process has among those with which it shares numbers; what `getpid` tells it. Nil when it is gone.
    static func innerNumber(of pid: Int32) -> Int32? {
        guard let bytes = read("/proc/\(pid)/status", limit: 16384) else { return nil }
        let line = bytes.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: "NSpid:".utf8) }
        let last = line?.split(separator: UInt8(ascii: "\t")).last
        return last.flatMap { Int32(String(decoding: $0, as: UTF8.self)) }
    }

    /// The beginning of a file of `/proc`.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = 0
        while count < limit {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + count, limit - count) }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            count += got
        }
        return count == 0 ? nil : Array(bytes[..<count])
    }
}
