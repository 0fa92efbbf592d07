internal import Synchronization
internal import Transport

/// One of the workers of a restore. Used by one task.
final class RestoreWorker: Sendable {
    private let run: RestoreRunner
    private let lanes: [DeviceStream?]
    private let windows: [[HostWindow?]]
    /// For chunks that do not go to one place as they are.
    private let bounce: PageBuffer

    init(_ run: RestoreRunner, lanes: [DeviceStream?], windows: [[HostWindow?]]) {
        self.run = run
        self.lanes = lanes
        self.windows = windows
        // Untouched pages cost nothing.
        bounce = PageBuffer(byteCount: run.plan.manifest.chunkBytes)
        mapsFiles = run.mapsFiles
    }

    private var verifies: Bool { run.options.verifies }
    private let mapsFiles: Bool

    /// Takes steps until there are none. Those that are a matter of this machine's disk and memory alone go to a blocking
    /// thread together.
    func work() async throws(RestoreError) {
        var next = run.board.nextBatch()
        while let batch = next {
            next = nil
            var plain: [RestoreStep] = []
            for step in run.plan.steps[batch] {
                if isPlain(step) {
                    plain.append(step)
                } else {
                    if Task.isCancelled { throw RestoreError.cancelled }
                    try await perform(plain: plain)
                    plain = []
                    try await perform(step)
                }
            }
            if Task.isCancelled { throw RestoreError.cancelled }
            next = try await perform(plain: plain, takesMore: true) ?? run.board.nextBatch()
        }
        if Task.isCancelled { throw RestoreError.cancelled }
    }

    private func isPlain(_ step: RestoreStep) -> Bool {
        switch step.work {
        case .read(let chunk, _, let targets):
            run.sources.isLocal(chunk) && targets.allSatisfy { windows[$0.device][$0.arena] != nil }
        case .copy(let piece, let device, let arena, _, _):
            windows[device][arena] != nil && run.residents[piece.resident].isOnHost(piece.device)
        }
    }

    /// Reads and places on a blocking thread; what fails there is tried again from where the store can get it. When it
    /// `takesMore`, the thread goes on with further batches of that sort, a hop to it and back being long against a small
    /// one, until somebody else wants it; a batch that it took and is of another sort is returned.
    @discardableResult
    private func perform(
        plain steps: [RestoreStep], takesMore: Bool = false
    ) async throws(RestoreError) -> Range<Int>? {
        guard !steps.isEmpty else { return nil }
        let done = await Result<(failed: [RestoreStep], other: Range<Int>?), RestoreError>.snapshot {
            () throws(SnapshotError) in
            try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
                var failed = readPlain(steps[...])
                while takesMore, failed.isEmpty, !BlockingThreads.shared.isWanted, let batch = run.board.nextBatch() {
                    let further = run.plan.steps[batch]
                    guard further.allSatisfy(isPlain) else { return (failed, batch) }
                    failed = readPlain(further)
                }
                return (failed, nil)
            }
        }
        let (failed, other) = try done.get()
        for step in failed { try await perform(step, isTried: true) }
        return other
    }

    /// Returns the steps that did not work out.
    private func readPlain(_ steps: ArraySlice<RestoreStep>) -> [RestoreStep] {
        var failed: [RestoreStep] = []
        let mapped = mapsFiles ? mapPlain(steps) : []
        for (index, step) in zip(steps.indices, steps) {
            guard run.board.failure == nil else { break }
            guard case .read(let chunk, _, let targets) = step.work else {
                if !copyPlain(step) { failed.append(step) }
                continue
            }
            let place = landing(chunk, targets)
            let memory = place ?? bounce.memory
            do throws(SnapshotError) {
                let tier: RestoreTier
                if mapped.contains(index) {
                    if verifies { try run.sources.verifyMapped(chunk, in: memory) }
                    tier = .pageCache
                } else if let found = try run.sources.readLocal(chunk, into: memory, verifies: verifies) {
                    tier = found
                } else {
                    failed.append(step)
                    continue
                }
                scatter(Memory(memory[0..<chunk.byteCount]), targets)
                run.board.finish(step, from: tier, isVerified: verifies)
            } catch {
                run.board.note(error)
                failed.append(step)
            }
        }
        return failed
    }

    /// Puts the page cache's pages of chunks that it has in the place of the arenas', neighbours with one call; the indices of
    /// the steps that are done but for the check.
    private func mapPlain(_ steps: ArraySlice<RestoreStep>) -> Set<Int> {
        var runs: [(mapping: PageMapping, indices: [Int])] = []
        for (index, step) in zip(steps.indices, steps) {
            guard case .read(let chunk, _, let targets) = step.work, let place = landing(chunk, targets),
                // What cannot be opened is told by the read that follows.
                let mapping = try? run.sources.mapping(of: chunk, onto: place)
            else { continue }
            if let last = runs.indices.last, runs[last].mapping.join(mapping) {
                runs[last].indices.append(index)
            } else {
                runs.append((mapping, [index]))
            }
        }
        var mapped: Set<Int> = []
        for (mapping, indices) in runs where mapping.put() {
            if !verifies { mapping.populate() }
            mapped.formUnion(indices)
        }
        return mapped
    }

    /// Copies from one place of the host's memory to another, and checks the piece on the way: against the chunk's checksum,
    /// or without one against what was copied. False when it is not right.
    private func copyPlain(_ step: RestoreStep) -> Bool {
        guard case .copy(let piece, let device, let arena, let offset, let chunk) = step.work,
            let target = windows[device][arena], let source = run.residents[piece.resident].window(of: piece)
        else { return false }
        let from = Memory(UnsafeRawBufferPointer(start: source.base, count: piece.byteCount))
        let to = MutableMemory(UnsafeMutableRawBufferPointer(start: target.base + offset, count: piece.byteCount))
        return source.withBytes { _ in
            guard verifiesClones else {
                to.buffer.copyMemory(from: from.buffer)
                run.board.finish(step, from: .resident, isVerified: false)
                return true
            }
            let sum = Checksum.copy(from, to: to)
            guard sum == chunk?.crc64 ?? Checksum.crc64(Memory(to)) else {
                run.board.note(damaged(piece, chunk))
                return false
            }
            run.board.finish(step, from: .resident, isVerified: chunk != nil)
            return true
        }
    }

    private var verifiesClones: Bool { run.options.verifiesClones ?? false }

    private func damaged(_ piece: ResidentPiece, _ chunk: ChunkRef?) -> SnapshotError {
        let device = run.residents[piece.resident].contexts[piece.device].device.id
        return SnapshotError(
            .chunkCorrupt,
            "\(chunk.map { "chunk \($0.hash)" } ?? "a part of a region") in memory of \(device) is not what was restored"
                + " there; close that resident", file: "\(device)")
    }

    /// The first target's own memory, with the room after it, when the chunk can be read right there.
    private func landing(_ chunk: ChunkRef, _ targets: [RestoreTarget]) -> MutableMemory? {
        guard let first = targets.first, first.isWhole, let window = windows[first.device][first.arena] else {
            return nil
        }
        let place = run.plan.layout.devices[first.device].places[first.region]
        let room = min(
            place.offset + place.roomBytes - first.offset, chunk.byteCount.roundedUp(to: PageBuffer.alignment))
        return MutableMemory(UnsafeMutableRawBufferPointer(start: window.base + first.offset, count: room))
    }

    /// Copies a chunk to every target that is not the memory it lies in already. All targets are host memory.
    private func scatter(_ chunk: Memory, _ targets: [RestoreTarget]) {
        for target in targets {
            guard let window = windows[target.device][target.arena] else { continue }
            let destination = UnsafeMutableRawBufferPointer(
                start: window.base + target.offset, count: target.byteCount)
            gather(chunk, target, into: destination)
        }
    }

    private func gather(_ chunk: Memory, _ target: RestoreTarget, into destination: UnsafeMutableRawBufferPointer) {
        if UnsafeRawPointer(destination.baseAddress) == chunk.base { return }
        let cut = run.plan.layout.devices[target.device].places[target.region].cut
        cut.pieces(of: target.range) { source, offset, count in
            UnsafeMutableRawBufferPointer(rebasing: destination[offset..<offset + count]).copyMemory(
                from: chunk[source..<source + count].buffer)
        }
    }

    // MARK: Steps that wait for a network or a device

    /// With `isTried`, reading from this machine has failed already.
    private func perform(_ step: RestoreStep, isTried: Bool = false) async throws(RestoreError) {
        if Task.isCancelled { throw RestoreError.cancelled }
        switch step.work {
        case .read(let chunk, _, let targets):
            try await read(step, chunk, targets, isTried: isTried)
        case .copy(let piece, let device, let arena, let offset, let chunk):
            let source = run.residents[piece.resident]
            let context = run.memory.contexts[device]
            guard let lane = lanes[device] else {
                // A copy within the host that was not right.
                try await readInstead(step, piece, chunk, device, arena, offset)
                return
            }
            let target = run.memory.arenas[device][arena].range
            let origin = source.arenas[piece.device][piece.arena].range
            let peer = source.contexts[piece.device]
            let isRight = try await Result<Bool, RestoreError>.device { () throws(DeviceError) in
                let token = try await context.clone(
                    origin.slice(piece.offset, piece.byteCount), of: peer === context ? nil : peer,
                    to: target.slice(offset, piece.byteCount), on: lane)
                try await context.completed(token)
                guard verifiesClones else { return true }
                return try await context.checksum(of: target.slice(offset, piece.byteCount), on: lane)
                    == peer.checksum(of: origin.slice(piece.offset, piece.byteCount))
            }.get()
            guard isRight else { throw RestoreError(damaged(piece, chunk), chunk: chunk?.hash) }
            run.board.finish(step, from: .resident, isVerified: verifiesClones && chunk != nil)
        }
    }

    /// Takes a chunk from the store that a resident should have had.
    private func readInstead(
        _ step: RestoreStep, _ piece: ResidentPiece, _ chunk: ChunkRef?, _ device: Int, _ arena: Int, _ offset: Int
    ) async throws(RestoreError) {
        guard let chunk, let window = windows[device][arena] else { throw RestoreError(damaged(piece, chunk)) }
        let place = UnsafeMutableRawBufferPointer(start: window.base + offset, count: chunk.byteCount)
        let tier = try await fetch(chunk, MutableMemory(place), false)
        run.board.finish(step, from: tier, isVerified: verifies)
    }

    private func read(
        _ step: RestoreStep, _ chunk: ChunkRef, _ targets: [RestoreTarget], isTried: Bool
    ) async throws(RestoreError) {
        // A single place on a device: its pinned landing is the buffer.
        if targets.count == 1, let target = targets.first, target.isWhole, windows[target.device][target.arena] == nil {
            let range = try self.range(target)
            let context = run.memory.contexts[target.device]
            let window = try await Result<HostWindow, RestoreError>.device { () throws(DeviceError) in
                try await context.landing(for: range)
            }.get()
            let tier = try await fetch(
                chunk, MutableMemory(UnsafeMutableRawBufferPointer(start: window.base, count: chunk.byteCount)),
                isTried)
            try await upload(window, to: range, target.device)
            run.board.finish(step, from: tier, isVerified: verifies)
            return
        }
        let memory = landing(chunk, targets) ?? bounce.memory
        let tier = try await fetch(chunk, memory, isTried)
        let chunkMemory = Memory(memory[0..<chunk.byteCount])
        scatter(chunkMemory, targets)
        for target in targets where windows[target.device][target.arena] == nil {
            let range = try self.range(target)
            let context = run.memory.contexts[target.device]
            let window = try await Result<HostWindow, RestoreError>.device { () throws(DeviceError) in
                try await context.landing(for: range)
            }.get()
            window.withBytes { gather(chunkMemory, target, into: $0) }
            try await upload(window, to: range, target.device)
        }
        run.board.finish(step, from: tier, isVerified: verifies)
    }

    private func range(_ target: RestoreTarget) throws(RestoreError) -> DeviceRange {
        do throws(DeviceError) {
            return try run.memory.arenas[target.device][target.arena].range.slice(target.offset, target.byteCount)
        } catch {
            throw RestoreError(error)
        }
    }

    private func upload(_ window: HostWindow, to range: DeviceRange, _ device: Int) async throws(RestoreError) {
        let context = run.memory.contexts[device]
        guard let lane = lanes[device] else { preconditionFailure("an upload to memory of the host") }
        try await Result<Void, RestoreError>.device { () throws(DeviceError) in
            try await context.completed(context.copyIn(window, to: range, on: lane))
        }.get()
    }

    private func fetch(
        _ chunk: ChunkRef, _ memory: MutableMemory, _ isTried: Bool
    ) async throws(RestoreError) -> RestoreTier {
        try await run.sources.fetch(chunk, into: memory, verifies: verifies, board: run.board, isTried: isTried)
    }
}

extension ResidentMemory {
    /// Whether the host reads a device's memory directly.
    func isOnHost(_ device: Int) -> Bool { contexts[device].device.id.kind == .host }

    /// The memory of a piece, where the host reads it directly.
    func window(of piece: ResidentPiece) -> HostWindow? {
        guard isOnHost(piece.device) else { return nil }
        let range = try? arenas[piece.device][piece.arena].range.slice(piece.offset, piece.byteCount)
        return range.flatMap { try? contexts[piece.device].hostWindow(of: $0) }
    }
}

extension GPUContext {
    /// The checksum of the bytes as they are when nobody writes to them.
    fileprivate func checksum(of range: DeviceRange) async throws(DeviceError) -> UInt64 {
        let stream = try makeStream()
        let sum: UInt64
        do throws(DeviceError) { sum = try await checksum(of: range, on: stream) } catch {
            try? destroy(stream)
            throw error
        }
        try destroy(stream)
        return sum
    }
}
