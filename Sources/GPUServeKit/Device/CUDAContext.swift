import CCuda
import Transport
public import Wire

/// An NVIDIA GPU through its primary context, which CUDA libraries of the same process share.
///
/// Built against the driver's published interface and tested over a fake driver and a real one without a device. No line
/// of it has run on a GPU yet.
public actor CUDAContext: GPUContext {
    /// The GPU, as the driver describes it.
    public nonisolated let device: DeviceInfo
    /// The context's own thread, where the driver's context is current.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.loop.asUnownedSerialExecutor() }

    let driver: CUDADriver
    let limits: Limits
    nonisolated let thread: ContextThread
    /// Blocks in cuEventSynchronize so that `thread` need not.
    nonisolated let watcher: EventLoop
    nonisolated let book: AddressBook<CUDAAllocation>
    private nonisolated let peers: Set<Int>
    private nonisolated let handle: ccuda_device
    /// The driver's context; primary contexts are one for each device and process.
    nonisolated let context: ccuda_handle

    private var granularityBytes = 0
    /// How far the end has come.
    private enum Life {
        case open, closing
        /// Everything is given back but what others still hold.
        case draining
        case closed
    }
    private var life = Life.open
    var isOpen: Bool { life == .open }
    /// True when the driver's context is let go.
    var isOver: Bool { life == .closed }
    /// What the driver refused to take back twice; tried again by `close`.
    var leftovers: [@Sendable (CUDADriver) -> ccuda_result] = []

    /// The first failure to free memory that was dropped rather than freed, so that nobody could be told but by `close`.
    private var unreported: DeviceError?

    // Streams and what runs on them: CUDAContext+Work.
    var streams: [DeviceStream: CUDAStream] = [:]
    var nextStream: UInt32 = 0
    var freeEvents: [ccuda_handle] = []
    var waiters: [UInt64: CUDAWaiter] = [:]
    var nextWaiter: UInt64 = 0
    var watched: ccuda_handle?

    // Staging: CUDAContext+Staging.
    var staging: CUDAStaging?

    // Code: CUDAContext+Code.
    var modules: [DeviceModule: CUDAModule] = [:]
    var nextModule: UInt32 = 0
    var checksums: CUDAChecksums?

    /// Makes a context on a device: retains its primary context (100 ms or more when this process has none yet).
    ///
    /// - Throws: `noDevice`, `outOfMemory`, or what the driver says.
    public static func make(
        driver: CUDADriver, ordinal: Int = 0, limits: Limits = .standard
    ) async throws(DeviceError) -> CUDAContext {
        let device = try driver.device(ordinal)
        let peers = try driver.peers(of: ordinal)
        let handle = try driver.handle(ordinal)
        let thread = try ContextThread(name: "cuda-\(ordinal)")
        let watcher: EventLoop
        var retained: ccuda_handle = 0
        do throws(DeviceError) {
            watcher = try ContextThread(name: "cuda-\(ordinal)-wait").loop
        } catch {
            thread.loop.abandon()
            throw error
        }
        do throws(DeviceError) {
            try CUDADriver.check("cuDevicePrimaryCtxRetain", driver.table.primaryCtxRetain(&retained, handle))
        } catch {
            thread.loop.abandon()
            watcher.abandon()
            throw error
        }
        let made = CUDAContext(driver, device, peers, handle, retained, thread, watcher, limits)
        do throws(DeviceError) {
            try await made.open()
        } catch {
            try? await made.close()
            throw error
        }
        return made
    }

    private init(
        _ driver: CUDADriver, _ device: DeviceInfo, _ peers: Set<Int>, _ handle: ccuda_device,
        _ context: ccuda_handle, _ thread: ContextThread, _ watcher: EventLoop, _ limits: Limits
    ) {
        self.driver = driver
        self.device = device
        self.peers = peers
        self.handle = handle
        self.context = context
        self.thread = thread
        self.watcher = watcher
        self.limits = limits
        book = AddressBook(device: device.id)
    }

    isolated deinit {
        _ = tearDown()
        thread.loop.abandon()
        watcher.abandon()
    }

    private func open() throws(DeviceError) {
        try CUDADriver.check("cuCtxSetCurrent", driver.table.ctxSetCurrent(context))
        guard device.hasFixedAddresses else { return }
        var properties = self.properties
        try CUDADriver.check(
            "cuMemGetAllocationGranularity",
            driver.table.memGetAllocationGranularity(&granularityBytes, &properties, 0))
    }

    /// Runs `body` on the context's thread, soon. Any thread.
    nonisolated func onThread(_ body: @escaping @Sendable (isolated CUDAContext) -> Void) {
        thread.loop.execute { self.assumeIsolated { body($0) } }
    }

    // MARK: Memory

    /// Asks the driver; `heldBytes` are ours alone.
    public func memoryUse() throws(DeviceError) -> MemoryUse {
        try checkOpen()
        try reap()
        var free = 0
        var total = 0
        try CUDADriver.check("cuMemGetInfo", driver.table.memGetInfo(&free, &total))
        return MemoryUse(
            totalBytes: total, freeBytes: free, heldBytes: book.heldBytes, idleBytes: 0,
            stagingBytes: staging?.byteCount ?? 0)
    }

    /// Plain memory (cuMemAlloc), 256-byte aligned.
    public func allocate(byteCount: Int) throws(DeviceError) -> DeviceBuffer {
        try checkOpen()
        guard byteCount > 0 else { throw DeviceError(.invalidArgument, "an allocation of \(byteCount) bytes") }
        try reap()
        var address: ccuda_address = 0
        try CUDADriver.check("cuMemAlloc", driver.table.memAlloc(&address, byteCount))
        return buffer(.linear(address), byteCount: byteCount, heldBytes: byteCount)
    }

    /// Physical memory mapped at an address of the caller's or the driver's choice.
    public func makeArena(byteCount: Int, at address: UInt64?) throws(DeviceError) -> DeviceBuffer {
        try checkOpen()
        guard granularityBytes > 0 else {
            throw DeviceError(.notSupported, "\(device.name) has no virtual memory management; use allocate")
        }
        let heldBytes = try HostPages.rounded(byteCount, to: max(granularityBytes, HostPages.alignment))
        try HostPages.checkArenaAddress(address)
        try reap()
        let memory = try map(heldBytes, at: address)
        return buffer(memory, byteCount: byteCount, heldBytes: heldBytes)
    }

    private func buffer(_ memory: CUDAMemory, byteCount: Int, heldBytes: Int) -> DeviceBuffer {
        let owner = CUDAAllocation(memory, context: self)
        book.insert(owner, base: memory.address, byteCount: heldBytes)
        let range = DeviceRange(device: device.id, address: memory.address, byteCount: byteCount)
        return DeviceBuffer(range: range, owner: owner)
    }

    private var properties: ccuda_mem_prop {
        var properties = ccuda_mem_prop()
        properties.type = 1  // pinned, the only type there is for devices
        properties.location = ccuda_mem_location(type: 1, id: handle)
        return properties
    }

    /// Reserve, create, map, allow; what was done is undone when a later step fails.
    private func map(_ byteCount: Int, at wanted: UInt64?) throws(DeviceError) -> CUDAMemory {
        var address: ccuda_address = 0
        try CUDADriver.check(
            "cuMemAddressReserve",
            driver.table.memAddressReserve(&address, byteCount, HostPages.alignment, wanted ?? 0, 0))
        let reserved = address
        if let wanted, reserved != wanted {
            _ = giveBack("cuMemAddressFree") { $0.table.memAddressFree(reserved, byteCount) }
            throw HostPages.addressTaken(byteCount, at: wanted)
        }
        var physical: UInt64 = 0
        var properties = self.properties
        var isCreated = false
        var isMapped = false
        do throws(DeviceError) {
            try CUDADriver.check("cuMemCreate", driver.table.memCreate(&physical, byteCount, &properties, 0))
            isCreated = true
            try CUDADriver.check("cuMemMap", driver.table.memMap(reserved, byteCount, 0, physical, 0))
            isMapped = true
            try allow(reserved, byteCount, [handle])
        } catch {
            let created = physical
            // What fails on the way back is in `leftovers`; the first failure is the one to report.
            if isMapped { _ = giveBack("cuMemUnmap") { $0.table.memUnmap(reserved, byteCount) } }
            if isCreated { _ = giveBack("cuMemRelease") { $0.table.memRelease(created) } }
            _ = giveBack("cuMemAddressFree") { $0.table.memAddressFree(reserved, byteCount) }
            throw error
        }
        return .arena(address: reserved, byteCount: byteCount, physical: physical)
    }

    private func allow(_ address: ccuda_address, _ byteCount: Int, _ devices: [ccuda_device]) throws(DeviceError) {
        let access = devices.map { ccuda_mem_access(location: ccuda_mem_location(type: 1, id: $0), flags: 3) }
        try CUDADriver.check(
            "cuMemSetAccess", driver.table.memSetAccess(address, byteCount, access, access.count))
    }

    /// Waits for all work of the context, then frees.
    public func free(_ buffer: consuming DeviceBuffer) throws(DeviceError) {
        try checkOpen()
        let owner = try book.owner(of: buffer.range)
        try synchronize()
        if let memory = owner.take(), let error = release(memory) { throw error }
    }

    /// nil: the host cannot see the memory of a GPU.
    public nonisolated func hostWindow(of range: DeviceRange) throws(DeviceError) -> HostWindow? {
        _ = try book.owner(of: range)
        return nil
    }

    /// Frees memory that was dropped.
    func releaseDropped(_ memory: CUDAMemory) {
        let error = release(memory)
        unreported = unreported ?? error
    }

    /// Gives memory back; the first thing that went wrong, when anything did.
    private func release(_ memory: CUDAMemory) -> DeviceError? {
        defer {
            book.remove(base: memory.address)
            letGo()
        }
        switch memory {
        case .linear(let address):
            return giveBack("cuMemFree") { $0.table.memFree(address) }
        case .arena(let address, let byteCount, let physical):
            // Unmapping under running work is undefined; work that uses this memory keeps it, so there is none.
            let unmapped = giveBack("cuMemUnmap") { $0.table.memUnmap(address, byteCount) }
            let released = giveBack("cuMemRelease") { $0.table.memRelease(physical) }
            let freed = giveBack("cuMemAddressFree") { $0.table.memAddressFree(address, byteCount) }
            return unmapped ?? released ?? freed
        }
    }

    // MARK: Other devices

    /// What the driver said when the context was made.
    public nonisolated func canReach(_ peer: DeviceID) -> Bool { peer.kind == .cuda && peers.contains(peer.ordinal) }

    /// Arenas only: plain memory follows whole contexts, not single buffers.
    public func allowAccess(to buffer: borrowing DeviceBuffer, from peer: DeviceID) throws(DeviceError) {
        try checkOpen()
        guard canReach(peer) else { throw DeviceError(.notSupported, "\(peer) cannot reach memory of \(device.id)") }
        guard case .arena(let address, let byteCount, _)? = try book.owner(of: buffer.range).current else {
            throw DeviceError(.notSupported, "only arenas can be opened to other devices; this is plain memory")
        }
        try allow(address, byteCount, [handle, try driver.handle(peer.ordinal)])
    }

    // MARK: End

    /// Waits for all work, then gives everything back. Staging windows that are still held keep their memory, and with it
    /// the driver's context, until they go away.
    public func close() throws(DeviceError) {
        if let error = tearDown() { throw error }
    }

    private func tearDown() -> DeviceError? {
        guard life == .open else { return nil }
        life = .closing
        var first = endWork()
        for owner in book.owners() {
            guard let memory = owner.take(), let error = release(memory) else { continue }
            first = first ?? error
        }
        let codeError = endCode()
        life = .draining
        let lastError = letGo()
        return unreported ?? first ?? codeError ?? lastError
    }

    /// The last step, once nobody holds memory or waits any more: staging memory and the primary context go.
    @discardableResult
    func letGo() -> DeviceError? {
        guard life == .draining, watched == nil, book.isEmpty, staging?.queue.outCount ?? 0 == 0 else { return nil }
        life = .closed
        let stagingError = endStaging()
        for leftover in leftovers { _ = leftover(driver) }
        leftovers = []
        let handle = self.handle
        let leaveError = giveBack("cuCtxSetCurrent") { $0.table.ctxSetCurrent(0) }
        let releaseError = giveBack("cuDevicePrimaryCtxRelease") { $0.table.primaryCtxRelease(handle) }
        return stagingError ?? leaveError ?? releaseError
    }

    // MARK: Parts

    func checkOpen() throws(DeviceError) {
        if life != .open { throw DeviceError(.closed, "the context on \(device.id) is closed") }
    }

    /// Releases with `body`, twice if need be: the driver lets any call report what earlier work failed with, so a refusal
    /// does not mean that the memory is gone. What is refused twice is kept for `close`.
    func giveBack(
        _ call: StaticString, _ body: @escaping @Sendable (CUDADriver) -> ccuda_result
    ) -> DeviceError? {
        let result = body(driver)
        guard result != 0 else { return nil }
        if body(driver) != 0 { leftovers.append(body) }
        return DeviceError(result: CUDAResult(rawValue: result), call: "\(call)")
    }
}
