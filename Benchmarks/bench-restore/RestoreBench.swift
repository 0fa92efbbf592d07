import BenchSupport
import Foundation
import GPUServeKit

/// All measurements of one run, in order.
final class RestoreBench {
    var isQuick = false
    /// The parts that are measured; empty: all.
    var only: Set<String> = []
    var work = ".cache/bench-restore"
    var out = URL(fileURLWithPath: "Benchmarks/results")
    var python = ".venv-restore/bin/python"
    private var report = BenchmarkReport(name: "restore")
    private var table = Table("measurement", "value", "target", "")

    private let own = RestoreOptions(mayAttach: false, mayClone: false)
    private var largeBytes: Int { isQuick ? 256 << 20 : 2 << 30 }
    private var smallBytes: Int { isQuick ? 64 << 20 : 500_000_000 }
    private var rounds: Int { isQuick ? 2 : 7 }

    func run() async throws {
        if isQuick { report.name = "restore-quick" }
        #if DEBUG
            report.notes.append("a debug build: these figures mean nothing")
        #endif
        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
        let (largeFile, smallFile) = (
            "\(work)/large-\(largeBytes).safetensors", "\(work)/small-\(smallBytes).safetensors"
        )
        try ModelFiles.write(largeFile, byteCount: largeBytes, seed: 1)
        try ModelFiles.write(smallFile, byteCount: smallBytes, seed: 2)
        let path = "\(work)/store-\(largeBytes)"
        try? FileManager.default.removeItem(atPath: path)
        let store = try DirectorySnapshotStore(path: path)
        let large = try await store.create(from: SafetensorsSource(paths: [largeFile]), SnapshotOptions(name: "large"))
        let packs = try packFiles(path)
        let small = try await store.create(from: SafetensorsSource(paths: [smallFile]), SnapshotOptions(name: "small"))
        let smallPacks = try packFiles(path).filter { !packs.contains($0) }
        let pool = HostMemoryPool()
        let device = try HostContext(pool: pool)
        let restorer = Restorer(store: store, devices: [device])

        let wants = { [only] (part: String) in only.isEmpty || only.contains(part) }
        if wants("warm") { try await warm(restorer, large, packs, pool) }
        if wants("peers") { try peers(largeFile) }
        if wants("cold") { try await cold(restorer, large, packs) }
        if wants("ready") { try await ready(restorer, small, smallPacks, pool) }
        if wants("residents") { try await residents(restorer, large, pool) }
        if wants("deltas") { try await deltas(restorer, store, large) }
        if wants("predictions") { try await predictions(store, large, small, smallPacks, packs) }
        if wants("objects") { await objects(small.id, store, smallFile, device) }
        print(table.text)
        if only.isEmpty { print("wrote \(try report.write(into: out).path)") }
        try? FileManager.default.removeItem(atPath: path)
    }

    private func packFiles(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path + "/packs").filter { $0.hasSuffix(".pack") }.sorted()
            .map { "\(path)/packs/\($0)" }
    }

    private func set(_ metric: String, _ value: Double, target: String = "", isMet: Bool? = nil) {
        report.set(metric, value)
        table.add([metric, String(format: "%.3f", value), target, isMet.map { $0 ? "" : "MISSED" } ?? ""])
    }

    // MARK: From page cache and disk

    private func warm(
        _ restorer: Restorer, _ large: SnapshotTransfer, _ packs: [String], _ pool: HostMemoryPool
    ) async throws {
        Ceiling.warm(packs)
        try await restorer.restore(large.id, own).close()
        // The pool now has the destination's pages: what comes on top is the restore's own.
        let before = Ceiling.status_mb("VmRSS")
        Ceiling.resetPeak()
        try await restorer.restore(large.id, own).close()
        set(
            "extra_rss_mb", Ceiling.status_mb("VmHWM") - before, target: "<= 256",
            isMet: Ceiling.status_mb("VmHWM") - before <= 256)
        var ceilings: [Int: [Double]] = [1: [], 2: [], 4: []]
        var (verified, plain): ([Double], [Double]) = ([], [])
        var unverified = own
        unverified.verifies = false
        for _ in 0..<rounds {
            for threads in [1, 2, 4] {
                let window = try pool.window(byteCount: large.manifest.byteCount)
                ceilings[threads]?.append(Ceiling.pread_gbps(packs, into: window, threads: threads))
            }
            for (options, isVerified) in [(own, true), (unverified, false)] {
                let resident = try await restorer.restore(large.id, options)
                if isVerified {
                    verified.append(resident.report.gigabytesPerSecond)
                } else {
                    plain.append(resident.report.gigabytesPerSecond)
                }
                try await resident.close()
            }
        }
        let ceiling = ceilings.values.map { Percentiles($0)[0.5] }.max() ?? 0
        let warm = Percentiles(verified)[0.5]
        report.count += rounds * 5
        set("pread_ceiling_gbps", ceiling)
        set("warm_gbps", warm, target: ">= 85 % of pread", isMet: warm >= 0.85 * ceiling)
        let unchecked = Percentiles(plain)[0.5]
        set("warm_gbps_unverified", unchecked, target: ">= 95 % of pread", isMet: unchecked >= 0.95 * ceiling)
        report.detail["pread_gbps"] = .fields(
            Dictionary(uniqueKeysWithValues: ceilings.map { ("threads_\($0)", .list($1.map { .number($0) })) }))
        report.detail["warm_gbps"] = .list(verified.map { .number($0) })
    }

    private func cold(_ restorer: Restorer, _ large: SnapshotTransfer, _ packs: [String]) async throws {
        var (own, dd): ([Double], [Double]) = ([], [])
        for _ in 0..<max(2, rounds / 2) {
            Ceiling.dropFromCache(packs)
            let resident = try await restorer.restore(large.id, self.own)
            own.append(resident.report.gigabytesPerSecond)
            try await resident.close()
            for blockSize in ["1M", "4M", "16M"] { dd.append(try Ceiling.dd_gbps(packs, blockSize: blockSize)) }
        }
        let ours = Percentiles(own)[0.5]
        let best =
            stride(from: 0, to: 3, by: 1).map { index in
                Percentiles(stride(from: index, to: dd.count, by: 3).map { dd[$0] })[0.5]
            }.max() ?? 0
        set("dd_direct_gbps", best)
        set("cold_gbps", ours, target: ">= 95 % of dd", isMet: ours >= 0.95 * best)
        report.detail["cold_gbps"] = .list(own.map { .number($0) })
        report.detail["dd_gbps_1m_4m_16m"] = .list(dd.map { .number($0) })
        Ceiling.warm(packs)
    }

    private func ready(
        _ restorer: Restorer, _ small: SnapshotTransfer, _ packs: [String], _ pool: HostMemoryPool
    ) async throws {
        Ceiling.warm(packs)
        try await restorer.restore(small.id, own).close()
        var times: [Double] = []
        for _ in 0..<(isQuick ? 3 : 21) {
            let resident = try await restorer.restore(small.id, own)
            times.append(resident.report.ready_ms)
            try await resident.close()
        }
        report.count += times.count
        let median = Percentiles(times)[0.5]
        set("ready_ms_500mb_p50", median, target: "< 100", isMet: median < 100)
        report.detail["ready_ms_500mb"] = .list(times.map { .number($0) })
    }

    // MARK: Over residents

    private func residents(
        _ restorer: Restorer, _ large: SnapshotTransfer, _ pool: HostMemoryPool
    ) async throws {
        let resident = try await restorer.restore(large.id, own)
        var attaches: [Double] = []
        for _ in 0..<1000 { attaches.append(try await restorer.restore(large.id).report.ready_ms) }
        let median = Percentiles(attaches)[0.5]
        set("attach_ms_p50", median, target: "< 1", isMet: median < 1)
        let otherPool = HostMemoryPool()
        let other = Restorer(store: restorer.store, devices: [try HostContext(ordinal: 1, pool: otherPool)])
        other.learn(of: resident)
        try await other.restore(large.id, RestoreOptions(mayAttach: false)).close()
        var (clones, copies): ([Double], [Double]) = ([], [])
        for _ in 0..<rounds {
            let clone = try await other.restore(large.id, RestoreOptions(mayAttach: false))
            guard clone.report.choice == .clone else { throw BenchError("not a clone: \(clone.report.choice)") }
            clones.append(clone.report.gigabytesPerSecond)
            try await clone.close()
            let target = try otherPool.window(byteCount: large.manifest.byteCount)
            let source = try pool.window(byteCount: large.manifest.byteCount)
            copies.append([1, 2, 4].map { Ceiling.memcpy_gbps(from: source, to: target, threads: $0) }.max() ?? 0)
        }
        let ratio = Percentiles(clones)[0.5] / Percentiles(copies)[0.5]
        set("clone_ratio_to_memcpy", ratio, target: ">= 0.9", isMet: ratio >= 0.9)
        report.detail["clone_gbps"] = .number(Percentiles(clones)[0.5])
        report.detail["memcpy_gbps"] = .number(Percentiles(copies)[0.5])
        try await resident.close()
        otherPool.drain()
        pool.drain()
    }

    private func deltas(
        _ restorer: Restorer, _ store: DirectorySnapshotStore, _ large: SnapshotTransfer
    ) async throws {
        var ids: [SnapshotID] = []
        var stored = 0
        for seed in 1...(isQuick ? 5 : 100) {
            let made = try await ModelFiles.variant(of: large.manifest, in: store, share: 0.015, seed: UInt64(seed))
            ids.append(made.id)
            stored += made.storedBytes
        }
        let share = Double(stored) / Double(ids.count) / Double(large.manifest.byteCount)
        set("delta_stored_share", share, target: "<= 0.02", isMet: share <= 0.02)
        let resident = try await restorer.restore(large.id, own)
        var (full, delta): ([Double], [Double]) = ([], [])
        try await restorer.restore(ids[0], own).close()
        for index in 0..<rounds {
            let whole = try await restorer.restore(ids[index % ids.count], own)
            full.append(whole.report.ready_ms)
            try await whole.close()
            delta.append(try await resident.switch(to: ids[index % ids.count]).ready_ms)
            try await resident.switch(to: large.id)
        }
        let speedup = Percentiles(full)[0.5] / Percentiles(delta)[0.5]
        set("delta_speedup", speedup, target: ">= 30", isMet: speedup >= 30)
        report.detail["delta_ms"] = .list(delta.map { .number($0) })
        var switches: [Double] = []
        var planning: [Double] = []
        // The first time around manifests are read and the packs' pages come to be used: told apart.
        var firsts: [Double] = []
        for round in 0...(isQuick ? 2 : 5) {
            for id in ids {
                let report = try await resident.switch(to: id)
                if round == 0 {
                    firsts.append(report.ready_ms)
                    continue
                }
                switches.append(report.ready_ms)
                planning.append(report.planned_ms)
            }
        }
        report.count += firsts.count + switches.count
        let p99 = Percentiles(switches)[0.99]
        set("variant_switch_p99_ms", p99, target: "< 10", isMet: p99 < 10)
        report.detail["variant_switch_p50_ms"] = .number(Percentiles(switches)[0.5])
        report.detail["variant_first_switch_p50_ms"] = .number(Percentiles(firsts)[0.5])
        report.detail["variant_first_switch_p99_ms"] = .number(Percentiles(firsts)[0.99])
        report.detail["variant_switch_planned_p50_ms"] = .number(Percentiles(planning)[0.5])
        try await resident.close()
    }

    // MARK: Predictions

    private func predictions(
        _ store: DirectorySnapshotStore, _ large: SnapshotTransfer, _ small: SnapshotTransfer, _ smallPacks: [String],
        _ packs: [String]
    ) async throws {
        let device = try HostContext(pool: HostMemoryPool())
        let probed = try await Bandwidths.probe(store, large.id)
        let restorer = Restorer(store: store, devices: [device], bandwidths: probed)
        let variant = try await ModelFiles.variant(of: small.manifest, in: store, share: 0.015, seed: 1000).id
        try await restorer.restore(small.id, own).close()
        let held = try await restorer.restore(small.id, own)
        var errors: [(kind: String, error: Double)] = []
        // Bandwidths are probed once per host and kept with what was learned. The first of each kind, on a host where nothing
        // was restored before, is told apart.
        let firstCount = 5
        for number in 0..<firstCount + 50 {
            let report: RestoreReport
            switch number % 5 {
            case 0:
                let resident = try await restorer.restore(large.id, own)
                report = resident.report
                try await resident.close()
            case 1:
                let resident = try await restorer.restore(small.id, own)
                report = resident.report
                try await resident.close()
            case 2:
                Ceiling.dropFromCache(smallPacks)
                let resident = try await restorer.restore(small.id, own)
                report = resident.report
                try await resident.close()
                Ceiling.warm(smallPacks)
            case 3:
                report = try await held.switch(to: try held.snapshot() == variant ? small.id : variant)
            default:
                let source = try held.snapshot()
                let resident = try await restorer.restore(source, RestoreOptions(mayAttach: false))
                report = resident.report
                try await resident.close()
            }
            let kind = "\(report.choice.rawValue), \(report.bytesByTier.largest.rawValue)"
            errors.append((kind, report.predictionError))
        }
        report.detail["prediction_errors_first"] = .list(errors[..<firstCount].map { .number($0.error) })
        errors.removeFirst(firstCount)
        let all = Percentiles(errors.map(\.error))
        set("prediction_error_median", all[0.5], target: "<= 0.15", isMet: all[0.5] <= 0.15)
        set("prediction_error_p95", all[0.95], target: "<= 0.4", isMet: all[0.95] <= 0.4)
        report.detail["prediction_errors"] = .fields(
            Dictionary(grouping: errors, by: \.kind).mapValues { .list($0.map { .number($0.error) }) })
        try await held.close()
    }

    // MARK: Others

    private func peers(_ file: String) throws {
        guard FileManager.default.isExecutableFile(atPath: python) else {
            report.notes.append("peers are left out: no \(python) (Scripts/setup.sh restore makes it)")
            return
        }
        Ceiling.warm([file])
        let order = try JSONSerialization.data(withJSONObject: ["file": file, "rounds": isQuick ? 1 : 3])
        let output = try PythonScript.output(
            of: URL(fileURLWithPath: "Benchmarks/bench-restore/peers.py"), python: URL(fileURLWithPath: python),
            input: order)
        let results = try JSONSerialization.jsonObject(with: output) as? [String: Any] ?? [:]
        var best = 0.0
        for (name, value) in results.sorted(by: { $0.key < $1.key }) {
            guard let rates = value as? [Double], let rate = rates.max() else {
                report.notes.append("\(name): \(value)")
                continue
            }
            report.detail[name + "_gbps"] = .list(rates.map { .number($0) })
            table.add([name + "_gbps", String(format: "%.3f", rate)])
            best = max(best, rate)
        }
        guard best > 0 else { return }
        let warm = report.metrics["warm_gbps"] ?? 0
        set("best_peer_gbps", best, target: "warm >= 4x", isMet: warm >= 4 * best)
    }

    private func objects(
        _ id: SnapshotID, _ store: DirectorySnapshotStore, _ file: String, _ device: any GPUContext
    ) async {
        do {
            let figures = try await ObjectStoreBench.run(
                id, of: store, file: file, device: device, python: python, rounds: isQuick ? 2 : 9)
            let (ours, curl) = (Percentiles(figures.restore.map(\.gbps)), Percentiles(figures.curlChunks.map(\.gbps)))
            let ratio = ours[0.5] / max(curl[0.5], figures.curlRanges_gbps)
            set("s3_ratio_to_curl", ratio, target: ">= 0.9", isMet: ratio >= 0.9)
            report.count += figures.restore.count + figures.curlChunks.count
            let rounds = Percentiles(zip(figures.restore, figures.curlChunks).map { $0.gbps / $1.gbps })
            report.detail["s3_ratio_of_a_round"] = .fields(
                ["p25": .number(rounds[0.25]), "p50": .number(rounds[0.5]), "p75": .number(rounds[0.75])])
            report.detail["s3_first_restore_gbps"] = .number(figures.first_gbps)
            report.detail["s3_curl_ranges_gbps"] = .number(figures.curlRanges_gbps)
            for (name, pulls) in [("s3_restore", figures.restore), ("s3_curl_chunks", figures.curlChunks)] {
                report.detail[name + "_gbps"] = .list(pulls.map { .number($0.gbps) })
                let client_s = Percentiles(pulls.map(\.client_s))[0.5]
                let server_s = Percentiles(pulls.map(\.server_s))[0.5]
                report.detail[name + "_cpu_s_a_gb"] = .fields([
                    "client": .number(client_s), "server": .number(server_s),
                ])
                table.add([name + "_gbps", String(format: "%.3f", Percentiles(pulls.map(\.gbps))[0.5])])
                table.add([name + "_cpu_s_a_gb", String(format: "%.2f client, %.2f server", client_s, server_s)])
            }
        } catch {
            report.notes.append("S3 was not measured: \(error)")
            print("S3 was not measured: \(error)")
        }
    }
}
