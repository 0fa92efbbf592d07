import CPosix
import DemoSupport
import GPUServeKit
import Glibc
import ModelFiles

/// The variants of the base: adapters in a directory, merged on demand into delta snapshots that share the base's chunks, and
/// dropped again, least recently used first, when they would take more than a budget.
actor VariantShelf {
    struct Settings: Sendable {
        /// A directory of adapters, one a directory, named as the variant; nil for none.
        var directory: String?
        /// What adapters call the base.
        var base: String
        /// Most bytes of merged weights.
        var budgetBytes: Int
    }

    private struct Variant {
        /// Others hold it too as long as a request needs it.
        var weights: HeldWeights
        let byteCount: Int
        var lastUse: Int

        var isIdle: Bool { mutating get { isKnownUniquelyReferenced(&weights) } }
    }

    nonisolated let settings: Settings
    private let store: ModelStore
    private let shape: ModelShape
    private let base: HeldWeights
    /// By name and state of the adapter's file: one that changed is another.
    private var loaded: [String: Variant] = [:]
    private var useCount = 0
    /// Who waits for the merge that is on its way; nil without one.
    private var waiting: [CheckedContinuation<Void, Never>]?

    init(_ settings: Settings, _ store: ModelStore, _ shape: ModelShape) async throws {
        (self.settings, self.store, self.shape) = (settings, store, shape)
        base = HeldWeights(try await store.all.lease(store.base))
    }

    /// Names of all variants that there are adapters for, loaded or not.
    static func names(in path: String?) -> [String] {
        guard let path, let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if stamp(name, in: path) != nil { names.append(name) }
        }
        return names.sorted()
    }

    /// Merged variants, and the bytes that they take beside the base.
    var use: (count: Int, bytes: Int) { (loaded.count, store.memory.storedBytes - store.ownBytes) }

    /// The weights of a variant, or of the base for nil, to be held as long as they are needed: merged first when they are
    /// not there, or when the adapter's file has changed.
    ///
    /// - Throws: `ModelError` `unknownVariant`, `badAdapter`, `overBudget`, ...
    func weights(of name: String?) async throws -> HeldWeights {
        guard let name else { return base }
        guard let stamp = Self.stamp(name, in: settings.directory) else {
            throw ModelError(.unknownVariant, "No variant \(name) here; GET /v1/models lists them.")
        }
        let key = "\(name) \(stamp)"
        if let known = known(key) { return known }
        // One merge after the other: each takes a whole core. No task keeps the weights, which would look as if in use.
        while waiting != nil {
            await withCheckedContinuation { waiting?.append($0) }
            if let known = known(key) { return known }
        }
        waiting = []
        defer { for next in waiting.take() ?? [] { next.resume() } }
        return try await load(name, as: key)
    }

    /// Drops every variant that no request needs.
    func clear() async throws { try await drop(Array(loaded.keys)) }

    // MARK: Parts

    private func known(_ key: String) -> HeldWeights? {
        useCount += 1
        loaded[key]?.lastUse = useCount
        return loaded[key]?.weights
    }

    private func load(_ name: String, as key: String) async throws -> HeldWeights {
        let manifest = base.lease.manifest
        let adapter = try await Adapter(
            directory: "\(settings.directory ?? "")/\(name)", base: settings.base, shape,
            manifest.regions.map(\.description))
        let regions = manifest.regions.filter { adapter.isChanging($0.name) }
        try await makeRoom(regions.reduce(0) { $0 + $1.content.byteCount }, for: name)
        var merged: [String: [UInt8]] = [:]
        for region in regions {
            let bytes = try await store.home.bytes(of: region.content)
            merged[region.name] = try adapter.merged(into: bytes, region.description)
        }
        let made = try await store.memory.derive(
            from: manifest, replacing: merged, SnapshotOptions(name: "\(manifest.name):\(name)"))
        // Matrices that were read and merged were freed in pieces that the heaps would keep.
        merged = [:]
        cposix_trim_heaps()
        let weights = HeldWeights(try await store.memory.lease(made.id))
        useCount += 1
        loaded[key] = Variant(weights: weights, byteCount: made.storedBytes, lastUse: useCount)
        return weights
    }

    private func makeRoom(_ byteCount: Int, for name: String) async throws {
        var excess = use.bytes + byteCount - settings.budgetBytes
        var dropped: [String] = []
        for key in loaded.mapValues(\.lastUse).sorted(by: { $0.value < $1.value }).map(\.key)
        where excess > 0 && loaded[key]?.isIdle == true {
            dropped.append(key)
            excess -= loaded[key]?.byteCount ?? 0
        }
        guard excess <= 0 else {
            throw ModelError(
                .overBudget,
                "variant \(name) takes \(byteCount) bytes, \(excess) more than --variant-budget leaves now")
        }
        try await drop(dropped)
    }

    private func drop(_ keys: [String]) async throws {
        let idle = keys.filter { loaded[$0]?.isIdle == true }
        guard !idle.isEmpty else { return }
        // Without the variants themselves, whose leases would keep the chunks.
        let snapshots = idle.compactMap { loaded.removeValue(forKey: $0)?.weights.snapshot }
        for snapshot in snapshots { try await store.memory.delete(snapshot) }
        try await store.memory.collectGarbage()
    }

    /// What tells an adapter's file from itself after a change; nil when there is none, or the name leads elsewhere.
    private static func stamp(_ name: String, in directory: String?) -> String? {
        guard let directory, !name.hasPrefix("."), !name.utf8.contains(UInt8(ascii: "/")) else { return nil }
        return FileStamp.of("\(directory)/\(name)/adapter_model.safetensors")
    }
}

/// Weights that are in the store as long as someone holds this.
final class HeldWeights: Sendable {
    let lease: any SnapshotLease
    var snapshot: SnapshotID { lease.id }

    init(_ lease: any SnapshotLease) { self.lease = lease }
}
