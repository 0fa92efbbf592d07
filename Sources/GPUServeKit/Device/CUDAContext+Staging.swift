import CCuda
import Wire

/// Pinned host memory in slots, and who waits for one.
struct CUDAStaging {
    let base: UnsafeMutableRawPointer
    let slotBytes: Int
    let slotCount: Int
    var queue: StagingQueue
    var continuations: [StagingQueue.WaiterID: CheckedContinuation<Result<Int, DeviceError>, Never>] = [:]

    var byteCount: Int { slotBytes * slotCount }

    mutating func failWaiters(_ error: DeviceError) {
        for waiter in queue.waiters { _ = cancel(waiter, error) }
    }

    mutating func cancel(_ waiter: StagingQueue.WaiterID, _ error: DeviceError) -> Bool {
        guard queue.cancel(waiter) else { return false }
        continuations.removeValue(forKey: waiter)?.resume(returning: .failure(error))
        return true
    }
}

extension CUDAContext {
    /// Slots are multiples of 4096 bytes and begin on such, as direct I/O wants them.
    static let stagingAlignment = 4096

    /// One pinned block (cuMemHostAlloc), cut into slots.
    public func prepareStaging(slotBytes: Int, count: Int) throws(DeviceError) {
        try checkOpen()
        try reap()
        let slot = try HostPages.rounded(slotBytes, to: Self.stagingAlignment)
        guard count > 0 else { throw DeviceError(.invalidArgument, "a staging pool of \(count) slots") }
        let (whole, overflow) = slot.multipliedReportingOverflow(by: count)
        guard !overflow, whole <= limits.deviceStagingBytes else {
            throw DeviceError(
                .limitReached, "\(count) slots of \(slot) bytes are more than \(limits.deviceStagingBytes) pinned bytes"
            )
        }
        if let staging, staging.queue.outCount > 0 {
            throw DeviceError(.invalidArgument, "\(staging.queue.outCount) staging slots are in use; wait for them")
        }
        if let error = endStaging() { throw error }
        var base: UnsafeMutableRawPointer?
        // Portable: every context of the process may copy from it.
        try CUDADriver.check("cuMemHostAlloc", driver.table.memHostAlloc(&base, whole, 1))
        guard let base else { throw DeviceError(.driverFailed, "cuMemHostAlloc gave no memory and no error") }
        staging = CUDAStaging(
            base: base, slotBytes: slot, slotCount: count, queue: StagingQueue(slotCount: count))
    }

    /// A slot of the staging pool, once one is free.
    public func landing(for range: DeviceRange) async throws(DeviceError) -> HostWindow {
        try checkOpen()
        _ = try book.owner(of: range)
        try checkSlots(for: range)
        let slot = try await takeSlot()
        let lease = StagingLease(slot: slot, context: self)
        // Looked up only now: until a slot was out, the pool might have been replaced.
        let staging = try checkSlots(for: range)
        return HostWindow(base: staging.base + slot * staging.slotBytes, byteCount: range.byteCount, owner: lease)
    }

    private static let noStaging = DeviceError(.closed, "the staging pool was given back meanwhile")

    @discardableResult
    private func checkSlots(for range: DeviceRange) throws(DeviceError) -> CUDAStaging {
        guard let staging, range.byteCount <= staging.slotBytes else {
            throw DeviceError(
                .invalidArgument,
                "a landing for \(range.byteCount) bytes; staging slots have \(staging?.slotBytes ?? 0): call"
                    + " prepareStaging first, or land in smaller pieces")
        }
        return staging
    }

    private func takeSlot() async throws(DeviceError) -> Int {
        try reap()
        if let slot = staging?.queue.take() { return slot }
        guard staging?.queue.waiters.count ?? 0 < limits.deviceWaiterCount else {
            throw DeviceError(.limitReached, "\(limits.deviceWaiterCount) tasks wait for a staging slot already")
        }
        nextWaiter += 1
        let id = nextWaiter
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<Int, DeviceError>, Never>) in
                // Asked again, for the reasons of `completed`.
                if let slot = staging?.queue.take() {
                    continuation.resume(returning: .success(slot))
                } else if staging == nil || !isOpen {
                    continuation.resume(returning: .failure(Self.noStaging))
                } else if Task.isCancelled {
                    continuation.resume(returning: .failure(ContextRules.cancelled))
                } else {
                    staging?.queue.wait(id)
                    staging?.continuations[id] = continuation
                    watch()
                }
            }
        } onCancel: {
            onThread { _ = $0.staging?.cancel(id, ContextRules.cancelled) }
        }
        return try result.get()
    }

    /// A slot's last user is gone: the next one gets it.
    func slotCameBack(_ slot: Int) {
        if let waiter = staging?.queue.giveBack(slot) {
            staging?.continuations.removeValue(forKey: waiter)?.resume(returning: .success(slot))
        }
        letGo()
    }

    /// Gives the pinned memory back; no slot may be out.
    func endStaging() -> DeviceError? {
        guard let staging else { return nil }
        self.staging = nil
        let address = UInt(bitPattern: staging.base)
        return giveBack("cuMemFreeHost") { $0.table.memFreeHost(UnsafeMutableRawPointer(bitPattern: address)) }
    }
}
