/// A snapshot in memory of one or more devices, whole and verified: what a restore gives.
///
/// Dropping the last holder frees the memory; `close` does so now and says how that went. What reads a region while
/// `switch` changes it is the caller's to keep away.
public final class Resident: Sendable {
    let memory: ResidentMemory
    let restorer: Restorer
    /// How it came here.
    public let report: RestoreReport

    /// Takes over a holder that `memory` has counted already.
    init(counted memory: ResidentMemory, _ restorer: Restorer, _ report: RestoreReport) {
        self.memory = memory
        self.restorer = restorer
        self.report = report
    }

    deinit { memory.detach() }

    /// The devices, in the order of their shards.
    public var devices: [DeviceID] { memory.contexts.map(\.device.id) }

    /// The snapshot that is in memory.
    ///
    /// - Throws: `residentLost` when there is none, `residentBusy` while it is being changed.
    public func snapshot() throws(RestoreError) -> SnapshotID { try memory.content().id }

    /// Its manifest. Throws what `snapshot` throws.
    public func manifest() throws(RestoreError) -> SnapshotManifest { try memory.content().manifest }

    /// The host's side of its state, such as a model file's header.
    public var hostState: [UInt8]? { memory.hostPart.state }

    /// Code images; load them with `GPUContext.load`.
    public var modules: [CodeImage] { memory.hostPart.modules }

    /// Where a region, or the part of it that device number `device` holds, lies.
    ///
    /// - Throws: `invalidArgument` for a name or number that is not there, and what `snapshot` throws.
    public func range(of region: String, on device: Int = 0) throws(RestoreError) -> DeviceRange {
        let manifest = try manifest()
        guard let index = manifest.regions.firstIndex(where: { $0.name == region }) else {
            throw RestoreError(.invalidArgument, "no region has the name \(SafeName.show(region))")
        }
        return try memory.range(of: index, on: device)
    }

    /// The same as memory that the host can read; nil when it cannot, or when the region is empty.
    public func window(of region: String, on device: Int = 0) throws(RestoreError) -> HostWindow? {
        try window(of: range(of: region, on: device), on: device)
    }

    /// All regions with their memory, in the manifest's order; nil for the memory of one that the host cannot read, or that is
    /// empty. Throws what `snapshot` throws.
    public func windows(
        on device: Int = 0
    ) throws(RestoreError) -> [(description: RegionDescription, window: HostWindow?)] {
        var windows: [(description: RegionDescription, window: HostWindow?)] = []
        for (index, region) in try manifest().regions.enumerated() {
            windows.append((region.description, try window(of: memory.range(of: index, on: device), on: device)))
        }
        return windows
    }

    private func window(of range: DeviceRange, on device: Int) throws(RestoreError) -> HostWindow? {
        guard range.byteCount > 0 else { return nil }
        do throws(DeviceError) { return try memory.contexts[device].hostWindow(of: range) } catch {
            throw RestoreError(error)
        }
    }

    /// Puts another snapshot with the same regions in this one's place: only the chunks that differ are brought in and
    /// verified. One switch at a time, and only while nobody else is attached.
    ///
    /// - Throws: `layoutDiffers`, `residentBusy`, and what a restore throws; the error's `base` says whether what was here
    ///   before is still here.
    @discardableResult
    public func `switch`(
        to snapshot: SnapshotID, _ options: RestoreOptions = RestoreOptions()
    ) async throws(RestoreError) -> RestoreReport {
        try await restorer.change(memory, to: snapshot, options)
    }

    /// Frees the memory now. Other holders find it lost.
    ///
    /// - Throws: the first thing that went wrong; the rest was still freed.
    public func close() async throws(RestoreError) {
        restorer.forget(memory)
        if let error = await memory.giveBack() { throw error }
    }
}
