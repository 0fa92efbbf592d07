import DemoSupport
import GPUServeKit

/// `gpuserve snapshot verify`: hashes every chunk again. Status 1 when something is wrong that was not repaired.
enum VerifySnapshots {
    private struct Finding {
        var id: SnapshotID
        var problem: SnapshotError
        var isRepaired: Bool
    }

    static func run(_ arguments: Arguments) async throws {
        let store = try Places.local(arguments)
        var ids: [SnapshotID] = []
        for word in arguments.words { ids.append(try await store.find(word)) }
        var findings: [Finding] = []
        if ids.isEmpty { ids = try await store.list().map(\.id) }
        if let place = arguments[option: "repair"] {
            try await Places.withStore(at: place, writes: false) { other in
                for id in ids { findings += try await repair(id, store, other, arguments) }
            }
        } else {
            for id in ids {
                let problems = try await verify(id, store, arguments)
                findings += problems.map { Finding(id: id, problem: $0, isRepaired: false) }
            }
        }
        show(findings, count: ids.count, arguments)
        if findings.contains(where: { !$0.isRepaired }) { throw AlreadyTold() }
    }

    private static func verify(
        _ id: SnapshotID, _ store: any SnapshotStore, _ arguments: Arguments
    ) async throws -> [SnapshotError] {
        let bar = ProgressBar("verify", arguments)
        defer { bar.clear() }
        do {
            return try await store.verify(id) { bar.update($0, $1) }
        } catch {
            // A manifest that cannot be read is a finding like another; one that never was is a mistake of the caller's.
            guard error.code != .snapshotMissing else { throw error }
            return [error]
        }
    }

    /// What is damaged here is brought again from `other`; then it is looked at once more.
    private static func repair(
        _ id: SnapshotID, _ store: DirectorySnapshotStore, _ other: any SnapshotStore, _ arguments: Arguments
    ) async throws -> [Finding] {
        let before = try await verify(id, store, arguments)
        guard !before.isEmpty else { return [] }
        _ = try await other.copy(id, to: store)
        let after = Set(try await verify(id, store, arguments))
        return before.map { Finding(id: id, problem: $0, isRepaired: !after.contains($0)) }
    }

    private static func show(_ findings: [Finding], count: Int, _ arguments: Arguments) {
        let bad = Set(findings.filter { !$0.isRepaired }.map(\.id)).count
        guard !arguments.has("json") else {
            let problems = findings.map { finding in
                JSONOutput.object(
                    [
                        ("snapshot", .text("\(finding.id)")), ("code", .text(finding.problem.code.label)),
                        ("detail", .text(finding.problem.detail)), ("repaired", .bool(finding.isRepaired)),
                    ] + (finding.problem.file.map { [("file", .text($0))] } ?? [])
                        + (finding.problem.offset.map { [("offset", .number($0))] } ?? []))
            }
            JSONOutput.object([
                ("snapshots", .number(count)), ("damaged_snapshots", .number(bad)), ("problems", .list(problems)),
            ]).show()
            return
        }
        for finding in findings {
            print("\("\(finding.id)".prefix(12))  \(finding.isRepaired ? "repaired: " : "")\(finding.problem)")
        }
        print("\(count) snapshots checked, \(bad) damaged")
        if bad > 0 { print("bring what is damaged again: gpuserve snapshot verify --store DIR --repair PLACE") }
    }
}
