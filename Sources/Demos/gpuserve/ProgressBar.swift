import DemoSupport
import GPUServeKit
import Glibc
import Synchronization
import Transport

/// How far a long verb is, on standard error: at most ten times a second, and only on a terminal.
final class ProgressBar: Sendable {
    private struct State {
        var start_ms = ProgressBar.now_ms()
        var drawn_ms = 0
        var isDrawn = false
    }

    private static let redraw_ms = 100
    private let label: String
    private let isOn: Bool
    private let state = Lock(State())

    init(_ label: String, _ arguments: Arguments) {
        self.label = label
        isOn = isatty(STDERR_FILENO) == 1 && !arguments.has("json")
    }

    /// To be called from any task with bytes done, of how many.
    func update(_ doneBytes: Int, _ totalBytes: Int) {
        guard isOn else { return }
        let now_ms = Self.now_ms()
        state.withLock { state in
            guard now_ms - state.drawn_ms >= Self.redraw_ms || doneBytes == totalBytes else { return }
            state.drawn_ms = now_ms
            state.isDrawn = true
            Console.error("\r\(Self.text(label, doneBytes, totalBytes, elapsed_ms: now_ms - state.start_ms))\u{1B}[K")
        }
    }

    /// Takes the bar off the terminal.
    func clear() {
        if state.withLock({ $0.isDrawn }) { Console.error("\r\u{1B}[K") }
    }

    /// `push [#####...............] 25 %  1.0 of 4.0 GB  0.50 GB/s  6 s left`
    static func text(_ label: String, _ doneBytes: Int, _ totalBytes: Int, elapsed_ms: Int) -> String {
        let share = totalBytes > 0 ? min(1, Double(doneBytes) / Double(totalBytes)) : 1
        let full = Int(share * 20)
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: 20 - full)
        var text = "\(label) [\(bar)] \(Int(share * 100)) %  \(doneBytes.bytesText) of \(totalBytes.bytesText)"
        guard elapsed_ms > 0, doneBytes > 0 else { return text }
        let bytesPerSecond = Double(doneBytes) / Double(elapsed_ms) * 1000
        text += "  \(Int(bytesPerSecond).bytesText)/s"
        if doneBytes < totalBytes { text += "  \(Int(Double(totalBytes - doneBytes) / bytesPerSecond) + 1) s left" }
        return text
    }

    private static func now_ms() -> Int {
        EventLoop.clock_ms()
    }
}

extension Int {
    /// A number of bytes for people: three digits or so, powers of 1,000.
    var bytesText: String {
        for (unit, name) in [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")] where Double(self) >= unit {
            return (Double(self) / unit).fixed(Double(self) < 10 * unit ? 2 : 1) + " " + name
        }
        return "\(self) B"
    }
}
