internal import Synchronization
internal import Transport

/// Carries out a plan: a few workers take steps in order, read, check and upload, so that the disk, the checksum and the
/// link are busy at once. Does not decide anything but from where a damaged chunk comes instead.
struct RestoreRunner: Sendable {
    let plan: RestorePlan
    let sources: ChunkSources
    let memory: ResidentMemory
    /// In the order of `ResidentPiece.resident`; kept from changing by the caller.
    let residents: [ResidentMemory]
    let board: RestoreBoard
    let options: RestoreOptions
    /// False when what the host has already is what the snapshot wants.
    let bringsHostPart: Bool

    /// Whether pages of files may take the place of the arenas' own.
    var mapsFiles: Bool { memory.contexts.allSatisfy { ($0 as? HostContext)?.mapsFiles == true } }

    /// Returns when every step is done and verified.
    ///
    /// - Throws: the first failure; no worker runs any more then, and no copy is in flight.
    func run() async throws(RestoreError) {
        let windows = hostWindows()
        let lanes = try await lanes(windows)
        await withTaskCancellationHandler {
            await runWorkers(lanes, windows)
        } onCancel: {
            // A worker on a blocking thread does not see its task.
            board.fail(.cancelled)
        }
        let endError = await end(lanes)
        if let failure = board.failure ?? endError { throw failure }
    }

    private func runWorkers(_ lanes: [DeviceStream?], _ windows: [[HostWindow?]]) async {
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<max(1, min(options.workerCount, max(plan.steps.count, 1))) {
                group.addTask { await work(lanes, windows) }
            }
            group.addTask { await guarded { () async throws(RestoreError) in try await bringHostPart() } }
            // Who waits for a network or a device is called off; who reads a disk stops at the next chunk.
            for await isDone in group where !isDone { group.cancelAll() }
        }
    }

    /// Takes steps until there are none. False when one failed.
    private func work(_ lanes: [DeviceStream?], _ windows: [[HostWindow?]]) async -> Bool {
        await guarded { () async throws(RestoreError) in
            try await RestoreWorker(self, lanes: lanes, windows: windows).work()
        }
    }

    private func guarded(_ body: () async throws(RestoreError) -> Void) async -> Bool {
        do throws(RestoreError) { try await body() } catch {
            board.fail(error)
            return false
        }
        return true
    }

    // MARK: The host's part

    /// Reads and checks code images and the host's state.
    private func bringHostPart() async throws(RestoreError) {
        guard bringsHostPart else { return }
        var modules: [CodeImage] = []
        for module in plan.manifest.modules {
            modules.append(CodeImage(name: module.name, kind: module.kind, bytes: try await bytes(of: module.content)))
        }
        var hostState: [UInt8]?
        if let content = plan.manifest.hostState { hostState = try await bytes(of: content) }
        memory.setHostPart(state: hostState, modules: modules)
    }

    private func bytes(of content: SnapshotManifest.Content) async throws(RestoreError) -> [UInt8] {
        let buffer = PageBuffer(byteCount: plan.manifest.chunkBytes)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.byteCount)
        for chunk in content.chunks {
            if Task.isCancelled { throw RestoreError.cancelled }
            let tier = try await sources.fetch(chunk, into: buffer.memory, verifies: options.verifies, board: board)
            withExtendedLifetime(buffer) { bytes += buffer.memory[0..<chunk.byteCount].buffer }
            board.finish(bytes: chunk.byteCount, tier, isVerified: options.verifies, regions: [])
        }
        return bytes
    }

    // MARK: Streams

    /// A stream and staging on each device that the host cannot write to.
    private func lanes(_ windows: [[HostWindow?]]) async throws(RestoreError) -> [DeviceStream?] {
        var lanes: [DeviceStream?] = []
        for (index, context) in memory.contexts.enumerated() {
            guard windows[index].contains(where: { $0 == nil }) else {
                lanes.append(nil)
                continue
            }
            do throws(DeviceError) {
                try await context.prepareLandings(of: plan.manifest.chunkBytes, count: options.workerCount + 2)
                lanes.append(try await context.makeStream())
            } catch {
                _ = await end(lanes)
                throw RestoreError(error)
            }
        }
        return lanes
    }

    private func end(_ lanes: [DeviceStream?]) async -> RestoreError? {
        var first: RestoreError?
        for (lane, context) in zip(lanes, memory.contexts) {
            guard let lane else { continue }
            do throws(DeviceError) { try await context.destroy(lane) } catch { first = first ?? RestoreError(error) }
        }
        return first
    }

    /// The arenas as host memory, where they are.
    private func hostWindows() -> [[HostWindow?]] {
        memory.arenas.enumerated().map { index, arenas in
            arenas.map { arena in try? memory.contexts[index].hostWindow(of: arena.range) }
        }
    }
}

extension GPUContext {
    /// Staging slots of at least `byteCount`, made when there are none yet.
    fileprivate func prepareLandings(of byteCount: Int, count: Int) throws(DeviceError) {
        guard try memoryUse().stagingBytes == 0 else { return }
        try prepareStaging(slotBytes: byteCount, count: count)
    }
}
