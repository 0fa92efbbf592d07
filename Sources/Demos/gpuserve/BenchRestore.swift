import DemoSupport
import GPUServeKit
import Glibc

/// `gpuserve snapshot bench`: one snapshot restored again and again, from the page cache, from disk and from memory.
enum BenchRestore {
    private struct Row {
        let kind: String
        let reports: [RestoreReport]

        func figures(_ value: (RestoreReport) -> Double) -> (least: Double, median: Double, most: Double) {
            let sorted = reports.map(value).sorted()
            return (sorted[0], sorted[sorted.count / 2], sorted[sorted.count - 1])
        }
    }

    static func run(_ arguments: Arguments) async throws {
        try arguments.expect("SNAPSHOT")
        let text = arguments[option: "rounds"] ?? "5"
        guard let rounds = Int(text), (1...1000).contains(rounds) else {
            throw UsageError(message: "--rounds takes a whole number from 1 to 1000, not \(text)")
        }
        let store = try Places.local(arguments)
        let id = try await store.find(arguments.words[0])
        let rows = try await RestoreTarget.with(arguments) { target in
            let kept = try await KeptBandwidths.load(arguments, store, id)
            let restorer = Restorer(store: store, devices: target.devices, bandwidths: kept.bandwidths)
            defer { kept.keep(restorer) }
            return try await measure(restorer, id, rounds, store.path + "/packs")
        }
        show(id, rounds, rows, arguments)
    }

    private static func measure(
        _ restorer: Restorer, _ id: SnapshotID, _ rounds: Int, _ packs: String
    ) async throws -> [Row] {
        let full = RestoreOptions(mayAttach: false, mayClone: false)
        func rows(_ kind: String, _ options: RestoreOptions, before: () -> Void = {}) async throws -> Row {
            var reports: [RestoreReport] = []
            for _ in 0..<rounds {
                before()
                let resident = try await restorer.restore(id, options)
                reports.append(resident.report)
                try await resident.close()
            }
            return Row(kind: kind, reports: reports)
        }
        let files = try names(in: packs).filter { $0.hasSuffix(".pack") }.map { packs + "/" + $0 }
        let cold = try await rows("cold", full) { for file in files { drop(file) } }
        for file in files { warm(file) }
        try await restorer.restore(id, full).close()
        let warm = try await rows("warm", full)
        let held = try await restorer.restore(id, full)
        let clone = try await rows("clone", RestoreOptions(mayAttach: false))
        var attached: [RestoreReport] = []
        // The holders go away by themselves; the memory stays with `held`.
        for _ in 0..<rounds { attached.append(try await restorer.restore(id).report) }
        try await held.close()
        return [cold, warm, clone, Row(kind: "attach", reports: attached)]
    }

    private static func names(in folder: String) throws -> [String] {
        guard let directory = opendir(folder) else {
            throw SnapshotError(.system, "opendir: errno \(errno)", file: folder)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }

    /// Asks the kernel to forget a file's pages, which anyone may who can read it.
    private static func drop(_ path: String) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        fdatasync(file)
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
        close(file)
    }

    /// Brings a file's pages in.
    private static func warm(_ path: String) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
            while read(file, buffer.baseAddress, buffer.count) > 0 {}
        }
    }

    private static func show(_ id: SnapshotID, _ rounds: Int, _ rows: [Row], _ arguments: Arguments) {
        guard !arguments.has("json") else {
            let results = rows.map { row in
                let (ready, rate) = (row.figures(\.ready_ms), row.figures(\.gigabytesPerSecond))
                return JSONOutput.object([
                    ("kind", .text(row.kind)), ("choice", .text(row.reports[0].choice.rawValue)),
                    ("tier", .text(row.reports[0].bytesByTier.largest.rawValue)),
                    ("ready_ms_min", .decimal(ready.least)), ("ready_ms_p50", .decimal(ready.median)),
                    ("ready_ms_max", .decimal(ready.most)), ("gbps_p50", .decimal(rate.median)),
                    ("first_region_ms_p50", .decimal(row.figures(\.firstRegion_ms).median)),
                    ("prediction_error_p50", .decimal(row.figures(\.predictionError).median)),
                    ("verified_chunks", .number(row.reports[0].verifiedChunkCount)),
                ])
            }
            JSONOutput.object([("id", .text("\(id)")), ("rounds", .number(rounds)), ("results", .list(results))]).show()
            return
        }
        var table = TextTable(["restore", "ready ms p50", "min", "max", "first region ms", "GB/s", "prediction off by"])
        for row in rows {
            let ready = row.figures(\.ready_ms)
            table.add([
                row.kind, ready.median.fixed(2), ready.least.fixed(2), ready.most.fixed(2),
                row.figures(\.firstRegion_ms).median.fixed(2), row.figures(\.gigabytesPerSecond).median.fixed(2),
                "\((row.figures(\.predictionError).median * 100).fixed(0)) %",
            ])
        }
        print(table.text)
    }
}
