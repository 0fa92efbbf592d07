/// A restore on its way: regions can be used one by one as they get ready.
public final class Restore: Sendable {
    /// What was decided before anything moved.
    public let plan: RestorePlan
    private let board: RestoreBoard
    private let memory: ResidentMemory
    private let task: Task<Result<Resident, RestoreError>, Never>

    init(
        _ plan: RestorePlan, _ board: RestoreBoard, _ memory: ResidentMemory,
        _ task: Task<Result<Resident, RestoreError>, Never>
    ) {
        self.plan = plan
        self.board = board
        self.memory = memory
        self.task = task
    }

    /// Bytes verified in place, of `plan.bytesByTier.total`.
    public var doneBytes: Int { board.doneBytes }

    /// Returns when a region is verified in place, with where it (or the part of device number `device`) lies: what needs it
    /// can begin while later ones are still in flight. The range is memory only as long as the restore goes on, and then as
    /// long as its resident lives: should a later region fail, it is given back.
    ///
    /// - Throws: what the restore failed with; `invalidArgument` for a name that is not there.
    public func ready(_ region: String, on device: Int = 0) async throws(RestoreError) -> DeviceRange {
        guard let index = plan.manifest.regions.firstIndex(where: { $0.name == region }),
            memory.arenas.indices.contains(device)
        else {
            throw RestoreError(.invalidArgument, "no region \(SafeName.show(region)) on device number \(device)")
        }
        try await board.ready(index)
        return try memory.range(of: index, on: device)
    }

    /// Whether a region is verified in place now.
    public func isReady(_ region: String) -> Bool {
        plan.manifest.regions.firstIndex { $0.name == region }.map { board.isReady($0) } ?? false
    }

    /// Returns when everything is verified in place. Cancelling the caller's task cancels the restore.
    ///
    /// - Throws: what the restore failed with; everything was given back then.
    public func resident() async throws(RestoreError) -> Resident {
        let task = task
        return try await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }.get()
    }

    /// Stops at the next chunk and gives everything back; `resident` then throws `cancelled`.
    public func cancel() { task.cancel() }
}
