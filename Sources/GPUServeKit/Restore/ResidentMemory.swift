internal import Synchronization
internal import Transport

/// Arenas on devices, and which snapshot is in them. Shared by everyone who attached to it.
final class ResidentMemory: Sendable {
    /// One arena with one owner.
    final class Arena: Sendable {
        let range: DeviceRange
        let context: any GPUContext
        private let buffer: Lock<DeviceBuffer?>

        init(_ buffer: consuming DeviceBuffer, _ context: any GPUContext) {
            range = buffer.range
            self.context = context
            self.buffer = Lock(consume buffer)
        }

        /// Frees now; harmless when repeated.
        func free() async throws(DeviceError) {
            let taken = buffer.withLock { (held) -> DeviceBuffer? in
                let out = held.take()
                return out
            }
            guard let taken else { return }
            try await context.free(taken)
        }
    }

    /// What is in the arenas.
    enum Content: Sendable {
        /// A whole, verified snapshot.
        case ready(SnapshotID, SnapshotManifest)
        /// It is being changed.
        case changing
        /// No whole snapshot, and why.
        case lost(RestoreError)
    }

    private struct State {
        var content: Content
        /// Copies that read from the arenas now.
        var readerCount = 0
        var attachCount = 0
        var hostState: [UInt8]?
        var modules: [CodeImage] = []
    }

    let layout: ResidentLayout
    let contexts: [any GPUContext]
    /// By device, then by the layout's arena.
    let arenas: [[Arena]]
    private let state: Lock<State>

    init(layout: ResidentLayout, contexts: [any GPUContext], arenas: [[Arena]]) {
        self.layout = layout
        self.contexts = contexts
        self.arenas = arenas
        state = Lock(State(content: .changing))
    }

    /// Makes the arenas of a plan; all of them or none.
    static func make(
        _ layout: ResidentLayout, _ contexts: [any GPUContext]
    ) async throws(RestoreError) -> ResidentMemory {
        var arenas: [[Arena]] = []
        for (placed, context) in zip(layout.devices, contexts) {
            var made: [Arena] = []
            for arena in placed.arenas {
                do throws(DeviceError) {
                    let buffer = try await context.newArena(byteCount: arena.byteCount, at: arena.address)
                    made.append(Arena(buffer, context))
                } catch {
                    let memory = ResidentMemory(layout: layout, contexts: contexts, arenas: arenas + [made])
                    await memory.giveBack()
                    throw RestoreError(error)
                }
            }
            arenas.append(made)
        }
        return ResidentMemory(layout: layout, contexts: contexts, arenas: arenas)
    }

    /// Frees everything; what a device refuses is its to report at its end.
    @discardableResult
    func giveBack() async -> RestoreError? {
        state.withLock { $0.content = .lost(RestoreError(.residentLost, "the resident was closed")) }
        var first: RestoreError?
        for arena in arenas.joined() {
            do throws(DeviceError) { try await arena.free() } catch { first = first ?? RestoreError(error) }
        }
        return first
    }

    /// Where a region, or a device's part of it, lies, whatever is in it now.
    func range(of region: Int, on device: Int) throws(RestoreError) -> DeviceRange {
        guard arenas.indices.contains(device) else {
            throw RestoreError(.invalidArgument, "device number \(device) of \(arenas.count)")
        }
        let place = layout.devices[device].places[region]
        guard place.byteCount > 0 else {
            return DeviceRange(device: contexts[device].device.id, address: 0, byteCount: 0)
        }
        do throws(DeviceError) {
            return try arenas[device][place.arena].range.slice(place.offset, place.byteCount)
        } catch {
            throw RestoreError(error)
        }
    }

    // MARK: What is in it

    /// - Throws: `residentLost`, or `residentBusy` while it is being changed.
    func content() throws(RestoreError) -> (id: SnapshotID, manifest: SnapshotManifest) {
        switch state.withLock({ $0.content }) {
        case .ready(let id, let manifest): return (id, manifest)
        case .changing: throw RestoreError(.residentBusy, "the resident is being changed; wait for that restore to end")
        case .lost(let error): throw error
        }
    }

    func set(_ content: Content) { state.withLock { $0.content = content } }

    func setHostPart(state hostState: [UInt8]?, modules: [CodeImage]) {
        state.withLock {
            $0.hostState = hostState
            $0.modules = modules
        }
    }

    var hostPart: (state: [UInt8]?, modules: [CodeImage]) { state.withLock { ($0.hostState, $0.modules) } }

    /// Takes the content out to change it. Nobody else may be attached or reading.
    func beginChange() throws(RestoreError) -> (id: SnapshotID, manifest: SnapshotManifest) {
        try state.withLock { (state) throws(RestoreError) in
            switch state.content {
            case .changing: throw RestoreError(.residentBusy, "another restore is changing this resident")
            case .lost(let error): throw error
            case .ready(let id, let manifest):
                guard state.attachCount <= 1, state.readerCount == 0 else {
                    throw RestoreError(
                        .residentBusy,
                        "\(state.attachCount) holders and \(state.readerCount) copies use this resident; clone it, and"
                            + " change the clone")
                }
                state.content = .changing
                return (id, manifest)
            }
        }
    }

    /// Keeps the content from changing while it is copied from; nil when there is none.
    func beginReading() -> (id: SnapshotID, manifest: SnapshotManifest)? {
        state.withLock { state in
            guard case .ready(let id, let manifest) = state.content else { return nil }
            state.readerCount += 1
            return (id, manifest)
        }
    }

    func endReading() { state.withLock { $0.readerCount -= 1 } }

    /// One more holder, if the content is (still) that snapshot.
    func attach(_ id: SnapshotID) -> Bool {
        state.withLock { state in
            guard case .ready(id, _) = state.content else { return false }
            state.attachCount += 1
            return true
        }
    }

    /// One holder less; true when it was the last.
    @discardableResult
    func detach() -> Bool {
        state.withLock { state in
            state.attachCount -= 1
            return state.attachCount == 0
        }
    }
}

extension GPUContext {
    /// An arena, or plain memory where the device has no virtual memory management.
    func newArena(byteCount: Int, at address: UInt64?) throws(DeviceError) -> DeviceBuffer {
        if address == nil, !device.hasFixedAddresses { return try allocate(byteCount: byteCount) }
        return try makeArena(byteCount: byteCount, at: address)
    }
}
