import GPUServeKit
import Glibc
import Transport

/// What a start cost, in the order of its steps.
struct Waterfall {
    private(set) var steps: [(name: String, ms: Double)] = []
    private var last_ns = EventLoop.clock_ns()

    /// Begins with what came before: from the kernel's start of the process until here.
    init() {
        if let age_ms = Self.age_ms() { steps.append(("exec and runtime", age_ms)) }
    }

    mutating func mark(_ name: String) {
        let now_ns = EventLoop.clock_ns()
        steps.append((name, Double(now_ns - last_ns) / 1e6))
        last_ns = now_ns
    }

    /// A step that restored: its parts as the report tells them, and `name` for the rest.
    mutating func mark(_ name: String, restored report: RestoreReport?) {
        mark(name)
        guard let report, let whole = steps.popLast() else { return }
        steps.append(("plan", report.planned_ms))
        steps.append(("bytes and verify", report.ready_ms - report.planned_ms))
        steps.append((name, max(0, whole.ms - report.ready_ms)))
    }

    var text: String {
        let total = steps.reduce(0) { $0 + $1.ms }
        return "ready in \(Self.tenths(total)) ms: "
            + steps.map { "\($0.name) \(Self.tenths($0.ms))" }.joined(separator: ", ")
    }

    static func tenths(_ ms: Double) -> Double { (ms * 10).rounded() / 10 }

    /// How long this process lives, as the kernel counts it: in ticks, mostly of 10 ms. Nil without /proc.
    static func age_ms() -> Double? {
        guard let file = fopen("/proc/self/stat", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 1024)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // The name before it may hold anything; the start is the 20th field after it (proc(5)).
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 20, let ticks = Double(fields[20]) else { return nil }
        var now = timespec()
        guard clock_gettime(CLOCK_BOOTTIME, &now) == 0 else { return nil }
        let now_ms = Double(now.tv_sec) * 1e3 + Double(now.tv_nsec) / 1e6
        return max(0, now_ms - ticks * 1e3 / Double(sysconf(Int32(_SC_CLK_TCK))))
    }
}
