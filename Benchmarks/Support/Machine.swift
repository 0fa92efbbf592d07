import Foundation
import Glibc

/// What a figure was measured on, so that two results are compared only when they can be.
public struct Machine: Sendable, CustomStringConvertible {
    /// The processor's model name as the kernel reports it.
    public var processor: String
    /// Cores this process may run on.
    public var cores: Int
    /// Kernel name, release and architecture.
    public var kernel: String
    /// Physical memory in MiB.
    public var memoryMiB: Int

    /// One line for a result file: processor, cores, kernel, memory.
    public var description: String { "\(processor), \(cores) cores, \(kernel), \(memoryMiB) MiB" }

    /// Reads the running machine; what cannot be read is "unknown" or 0.
    public static func current() -> Machine {
        var names = utsname()
        let known = uname(&names) == 0
        return Machine(
            processor: processorName(),
            cores: ProcessInfo.processInfo.activeProcessorCount,
            kernel: known
                ? "\(text(of: names.sysname)) \(text(of: names.release)) \(text(of: names.machine))" : "unknown",
            memoryMiB: Int(ProcessInfo.processInfo.physicalMemory >> 20))
    }

    /// Load averages over 1, 5 and 15 minutes; empty when the kernel gives none.
    public static func loadAverages() -> [Double] {
        var loads = [Double](repeating: 0, count: 3)
        let count = getloadavg(&loads, 3)
        return count > 0 ? Array(loads.prefix(Int(count))) : []
    }

    private static func processorName() -> String {
        guard let info = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return "unknown" }
        let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
        guard let value = line?.split(separator: ":", maxSplits: 1).last else { return "unknown" }
        return value.trimmingCharacters(in: .whitespaces)
    }

    /// A C character array of the kernel's, up to its first NUL.
    private static func text<Characters>(of characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
