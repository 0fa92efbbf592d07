import BenchSupport
import Foundation
import GPUServeKit

@main struct Command {
    static let usage = """
        usage: bench-gpu [--quick] [--ordinal N] [--work DIRECTORY] [--out DIRECTORY]
          Measures restoring onto an NVIDIA GPU: what the bus and the device's memory can do, a 4 GB snapshot from memory
          and from the page cache, a clone, deltas, and contexts from a pool beside fresh ones, all checked on the device.
          Writes DIRECTORY/gpu.json (default: Benchmarks/results). Run it from the project's root, built with -c release,
          on an idle machine. Needs 5 GB of disk under --work (default: .cache/bench-gpu), 12 GB of memory, 9 GB of the GPU.
          Without a GPU it says exactly why there is none, writes nothing and ends with status 0.
          --quick   64 MB and few rounds: to see that it runs; writes gpu-quick.json
        """

    struct Options {
        var isQuick = false
        var ordinal = 0
        var work = ".cache/bench-gpu"
        var out = URL(fileURLWithPath: "Benchmarks/results")
    }

    static func main() async {
        var options = Options()
        var rest = CommandLine.arguments.dropFirst()
        while let name = rest.popFirst() {
            switch name {
            case "--quick": options.isQuick = true
            case "--ordinal": options.ordinal = rest.popFirst().flatMap { Int($0) } ?? -1
            case "--work": options.work = rest.popFirst() ?? options.work
            case "--out": options.out = URL(fileURLWithPath: rest.popFirst() ?? "Benchmarks/results")
            default:
                print("cannot use \(name)\n\(usage)")
                exit(2)
            }
        }
        switch DeviceCatalog.discover().cuda {
        case .failure(let error): print("bench-gpu: nothing was measured, there is no GPU: \(error)")
        case .success(let driver):
            do {
                try await run(driver, options)
            } catch {
                print("bench-gpu: \(error)")
                exit(1)
            }
        }
    }

    private static func run(_ driver: CUDADriver, _ options: Options) async throws {
        try FileManager.default.createDirectory(atPath: options.work, withIntermediateDirectories: true)
        var report = BenchmarkReport(name: options.isQuick ? "gpu-quick" : "gpu")
        #if DEBUG
            report.notes.append("a debug build: these figures mean nothing")
        #endif
        let measurements = GPUMeasurements(
            driver: driver, ordinal: options.ordinal, sizes: options.isQuick ? .quick : .full,
            storePath: "\(options.work)/store")
        try? FileManager.default.removeItem(atPath: measurements.storePath)
        let figures = try await measurements.run()
        report.count = figures.count
        report.notes += figures.notes
        report.detail["device"] = .text(figures.device)
        report.detail["driver"] = .text(driver.versionText)
        var table = Table("measurement", "value", "target", "")
        for figure in figures.all {
            report.set(figure.name, figure.value)
            table.add([figure.name, String(format: "%.3f", figure.value), figure.target, figure.verdict])
        }
        print(table.text)
        for note in figures.notes { print("note: \(note)") }
        guard figures.mismatches.isEmpty else {
            print("bench-gpu: NOT bit-exact, so nothing was written: \(figures.mismatches.joined(separator: ", "))")
            exit(1)
        }
        print("written: \(try report.write(into: options.out).path)")
    }
}
