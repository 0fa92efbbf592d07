/// A resident as something to make a snapshot of: its regions whole again, whatever number of devices holds their parts, so
/// that the snapshot has the same chunks as one taken on any other number.
///
/// It keeps the resident from changing as long as it lives.
public final class ResidentSource: SnapshotSource {
    /// The regions, whole.
    public let regions: [RegionDescription]
    /// The resident's code images.
    public let modules: [CodeImage]
    /// The host's side of the resident's state.
    public let hostState: [UInt8]?
    /// What the resident's snapshot was made from.
    public let facts: [String: String]
    /// What its code needs.
    public let deviceFacts: [String: String]
    private let memory: ResidentMemory

    /// - Throws: `residentLost` or `residentBusy`.
    public init(_ resident: Resident) throws(RestoreError) {
        _ = try resident.memory.content()
        guard let content = resident.memory.beginReading() else {
            throw RestoreError(.residentBusy, "the resident is being changed; wait for that restore to end")
        }
        memory = resident.memory
        regions = content.manifest.regions.map(\.description)
        facts = content.manifest.producer
        deviceFacts = content.manifest.device
        (hostState, modules) = resident.memory.hostPart
    }

    deinit { memory.endReading() }

    /// Copies from the devices that hold parts of the range.
    public func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        let range = offset..<offset + memory.count
        for (device, placed) in self.memory.layout.devices.enumerated() {
            let place = placed.places[index]
            let part = place.cut.part(of: range)
            guard !part.isEmpty else { continue }
            do throws(DeviceError) {
                let arena = self.memory.arenas[device][place.arena].range
                let window = try await visible(arena.slice(place.offset + part.lowerBound, part.count), device)
                window.withBytes { bytes in
                    place.cut.pieces(of: range) { position, source, count in
                        memory[position..<position + count].buffer.copyMemory(
                            from: UnsafeRawBufferPointer(rebasing: bytes[source..<source + count]))
                    }
                }
            } catch {
                throw SnapshotError(
                    .system, "a device could not be read: \(error)", file: regions[index].name, offset: offset)
            }
            // What is not cut is whole on the first device.
            if place.cut.isWhole { return }
        }
    }

    /// Device memory as the host sees it: itself, or a copy.
    private func visible(_ range: DeviceRange, _ device: Int) async throws(DeviceError) -> HostWindow {
        let context = memory.contexts[device]
        if let window = try context.hostWindow(of: range) { return window }
        let copy = try HostMemoryPool.shared.window(byteCount: range.byteCount)
        let stream = try await context.makeStream()
        do throws(DeviceError) {
            try await context.completed(context.copyOut(range, to: copy, on: stream))
        } catch {
            try? await context.destroy(stream)
            throw error
        }
        try await context.destroy(stream)
        return copy
    }
}
