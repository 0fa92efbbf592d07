import Glibc
import Transport
public import Wire

/// The host's own memory as a device: everything of `GPUContext` without a GPU, at the speed of the memory.
///
/// Arenas come from a `HostMemoryPool`: huge pages, all present, kept and reused. Work is done when it is submitted, so every
/// token is complete at once; copies of many megabytes use several threads.
public actor HostContext: GPUContext {
    /// The host, under the number it was given.
    public nonisolated let device: DeviceInfo
    /// The context's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.loop.asUnownedSerialExecutor() }

    private nonisolated let thread: ContextThread
    private nonisolated let pool: HostMemoryPool
    private nonisolated let book: AddressBook<HostAllocation>
    private let limits: Limits
    private var isClosed = false
    private var streams: [DeviceStream: UInt64] = [:]
    private var nextStream: UInt32 = 0
    private var modules: [DeviceModule: [String: HostKernel]] = [:]
    private var nextModule: UInt32 = 0

    /// A host device. Several of them on one host stand for several devices; they may share a pool.
    ///
    /// - Throws: `system` when no thread can be made.
    public init(
        ordinal: Int = 0, pool: HostMemoryPool = .shared, limits: Limits = .standard
    ) throws(DeviceError) {
        device = Self.info(ordinal: ordinal, pool: pool)
        thread = try ContextThread(name: "host-\(ordinal)")
        book = AddressBook(device: device.id)
        self.pool = pool
        self.limits = limits
    }

    // Not isolated: swiftc 6.3.1 refuses other modules' optimized calls of `init` ("circular reference") if it were.
    deinit { thread.loop.abandon() }

    /// What a host device says of itself.
    public static func info(ordinal: Int, pool: HostMemoryPool = .shared) -> DeviceInfo {
        DeviceInfo(
            id: DeviceID(.host, ordinal), name: "host memory",
            totalBytes: min(pool.configuration.capacityBytes, HostMemory.totalBytes))
    }

    /// Whether restores map files into this context's arenas.
    nonisolated var mapsFiles: Bool { pool.configuration.mapsFiles }

    /// Present memory that arenas may get; nil when arenas are not made present.
    nonisolated var idlePages: [IdlePages]? { mapsFiles ? nil : pool.idlePages }

    // MARK: Memory

    /// Free is what the host and the pool's capacity still allow, idle arenas included.
    public func memoryUse() throws(DeviceError) -> MemoryUse {
        try checkOpen()
        let idle = pool.idleBytes
        let free = max(0, HostMemory.freeBytes - pool.configuration.reserveBytes) + idle
        let allowed = max(0, pool.configuration.capacityBytes - pool.heldBytes)
        return MemoryUse(
            totalBytes: device.totalBytes, freeBytes: min(free, allowed), heldBytes: book.heldBytes, idleBytes: idle,
            stagingBytes: 0)
    }

    /// The same as an arena at any address.
    public func allocate(byteCount: Int) throws(DeviceError) -> DeviceBuffer { try makeArena(byteCount: byteCount) }

    /// Takes pages of the pool, or maps and pre-faults new ones.
    public func makeArena(byteCount: Int, at address: UInt64?) throws(DeviceError) -> DeviceBuffer {
        try checkOpen()
        let allocation = HostAllocation(lease: try pool.lease(byteCount: byteCount, at: address), book: book)
        let range = DeviceRange(device: device.id, address: allocation.lease.pages.address, byteCount: byteCount)
        return DeviceBuffer(range: range, owner: allocation)
    }

    /// Gives the pages back to the pool, once no window is left on them.
    public func free(_ buffer: consuming DeviceBuffer) throws(DeviceError) {
        _ = try book.owner(of: buffer.range)
        _ = consume buffer
    }

    /// The memory itself.
    public nonisolated func hostWindow(of range: DeviceRange) throws(DeviceError) -> HostWindow? {
        try book.owner(of: range).window(of: range)
    }

    /// The destination itself needs no staging, so there is nothing to prepare.
    public func prepareStaging(slotBytes: Int, count: Int) throws(DeviceError) { try checkOpen() }

    /// The memory itself, so the copy that follows moves nothing.
    public func landing(for range: DeviceRange) async throws(DeviceError) -> HostWindow {
        try checkOpen()
        return try book.owner(of: range).window(of: range)
    }

    // MARK: Work

    /// A name for an order of work; the priority means nothing here.
    public func makeStream(priority: Int32) throws(DeviceError) -> DeviceStream {
        try checkOpen()
        guard streams.count < limits.deviceStreamCount else {
            throw DeviceError(.limitReached, "\(streams.count) streams are alive; destroy one first")
        }
        nextStream += 1
        let stream = DeviceStream(context: thread.number, number: nextStream)
        streams[stream] = 0
        return stream
    }

    /// Forgets the stream.
    public func destroy(_ stream: DeviceStream) throws(DeviceError) {
        try checkOpen()
        guard streams.removeValue(forKey: stream) != nil else { throw unknownStream() }
    }

    /// Copies now; nothing to do when the window is the range's own memory.
    public func copyIn(_ source: HostWindow, to range: DeviceRange, on stream: DeviceStream) throws(DeviceError)
        -> CompletionToken
    {
        try checkOpen()
        let destination = try window(range)
        try ContextRules.checkLengths(source.byteCount, range.byteCount)
        let token = try advance(stream)
        Self.copy(source, to: destination)
        return token
    }

    /// Copies now.
    public func copyOut(_ range: DeviceRange, to destination: HostWindow, on stream: DeviceStream)
        throws(DeviceError) -> CompletionToken
    {
        try checkOpen()
        let source = try window(range)
        try ContextRules.checkLengths(range.byteCount, destination.byteCount)
        let token = try advance(stream)
        Self.copy(source, to: destination)
        return token
    }

    /// Copies now, from this host or any context whose memory the host can read.
    public func clone(
        _ source: DeviceRange, of peer: (any GPUContext)?, to range: DeviceRange, on stream: DeviceStream
    ) throws(DeviceError) -> CompletionToken {
        try checkOpen()
        guard let visible = try peer == nil ? window(source) : peer?.hostWindow(of: source) else {
            throw DeviceError(
                .notSupported, "a host cannot read \(source) directly; use copyOut of its own context")
        }
        return try copyIn(visible, to: range, on: stream)
    }

    /// Sets every byte now.
    public func fill(_ range: DeviceRange, with byte: UInt8, on stream: DeviceStream) throws(DeviceError)
        -> CompletionToken
    {
        try checkOpen()
        let window = try window(range)
        let token = try advance(stream)
        window.withBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: byte) }
        return token
    }

    /// Nothing to wait for: the work is done when its token is made.
    public func wait(for token: CompletionToken, on stream: DeviceStream) throws(DeviceError) {
        try checkOpen()
        guard streams[stream] != nil else { throw unknownStream() }
        _ = try isComplete(token)
    }

    /// True for every token of this context.
    public func isComplete(_ token: CompletionToken) throws(DeviceError) -> Bool {
        try checkOpen()
        guard token.stream.context == thread.number else { throw unknownStream() }
        return true
    }

    /// Returns at once.
    public func completed(_ token: CompletionToken) async throws(DeviceError) { _ = try isComplete(token) }

    /// Computes it on this thread.
    public func checksum(of range: DeviceRange, on stream: DeviceStream) async throws(DeviceError) -> UInt64 {
        try checkOpen()
        _ = try advance(stream)
        return try window(range).withBytes { DeviceChecksum.of(UnsafeRawBufferPointer($0)) }
    }

    // MARK: Code

    /// Keeps the functions of a `.host` image; other code is for GPUs.
    public func load(_ image: ModuleImage) throws(DeviceError) -> DeviceModule {
        try checkOpen()
        guard case .host(let kernels) = image.code else {
            throw DeviceError(
                .moduleRejected, "\(image.name) is code for a GPU; a host context runs functions of this process")
        }
        guard modules.count < limits.deviceModuleCount else {
            throw DeviceError(.limitReached, "\(modules.count) modules are loaded; unload one first")
        }
        nextModule += 1
        let module = DeviceModule(context: thread.number, number: nextModule)
        modules[module] = kernels
        return module
    }

    /// Forgets the module's functions.
    public func unload(_ module: DeviceModule) throws(DeviceError) {
        try checkOpen()
        guard modules.removeValue(forKey: module) != nil else {
            throw DeviceError(.invalidArgument, "this module is not loaded here")
        }
    }

    /// Finds a function by name.
    public func kernel(_ name: String, in module: DeviceModule) throws(DeviceError) -> DeviceKernel {
        try checkOpen()
        guard modules[module]?[name] != nil else {
            throw DeviceError(.functionMissing, "the module is not loaded here, or has no function \(name)")
        }
        return DeviceKernel(name: name, module: module, number: 0)
    }

    /// Calls the function once, with the shape and the memory of each range.
    public func launch(
        _ kernel: DeviceKernel, _ shape: LaunchShape, _ arguments: [KernelArgument], on stream: DeviceStream
    ) throws(DeviceError) -> CompletionToken {
        try checkOpen()
        try ContextRules.check(shape)
        guard let body = modules[kernel.module]?[kernel.name] else {
            throw DeviceError(.functionMissing, "the module of \(kernel.name) is unloaded")
        }
        var resolved: [HostKernelArgument] = []
        for argument in arguments {
            switch argument {
            case .range(let range): resolved.append(.memory(try window(range)))
            case .uint32(let value): resolved.append(.bits(UInt64(value)))
            case .uint64(let value): resolved.append(.bits(value))
            case .float(let value): resolved.append(.bits(UInt64(value.bitPattern)))
            }
        }
        let token = try advance(stream)
        body(shape, resolved)
        return token
    }

    // MARK: Other devices

    /// One host's memory is all reachable.
    public nonisolated func canReach(_ peer: DeviceID) -> Bool { peer.kind == .host }

    /// Every host context may use every other's memory already.
    public func allowAccess(to buffer: borrowing DeviceBuffer, from peer: DeviceID) throws(DeviceError) {
        try checkOpen()
        guard canReach(peer) else {
            throw DeviceError(.notSupported, "\(peer) cannot use host arenas directly; copy through staging")
        }
    }

    // MARK: End

    /// Ends the context. Buffers and windows stay valid memory until they go away.
    public func close() throws(DeviceError) {
        isClosed = true
        streams = [:]
        modules = [:]
    }

    // MARK: Parts

    private func checkOpen() throws(DeviceError) {
        if isClosed { throw DeviceError(.closed, "the context on \(device.id) is closed") }
    }

    private func unknownStream() -> DeviceError {
        DeviceError(.invalidArgument, "the stream is destroyed, or of another context than the one on \(device.id)")
    }

    private func window(_ range: DeviceRange) throws(DeviceError) -> HostWindow {
        try book.owner(of: range).window(of: range)
    }

    private func advance(_ stream: DeviceStream) throws(DeviceError) -> CompletionToken {
        guard let sequence = streams[stream] else { throw unknownStream() }
        streams[stream] = sequence + 1
        return CompletionToken(stream: stream, sequence: sequence + 1)
    }

    private static let pieceBytes = 4 * 1024 * 1024

    /// Copies; on several threads when that is worth their start. Windows may overlap.
    private static func copy(_ source: HostWindow, to destination: HostWindow) {
        let count = source.byteCount
        let distance = UInt(bitPattern: source.base) &- UInt(bitPattern: destination.base)
        guard count > 0, distance != 0 else { return }
        let overlaps = distance < UInt(count) || (0 &- distance) < UInt(count)
        guard count >= 4 * pieceBytes, !overlaps else {
            memmove(destination.base, source.base, count)
            return
        }
        let pieceCount = (count + pieceBytes - 1) / pieceBytes
        Threads.run(pieceCount, threadCount: Threads.usefulCount) { piece in
            let offset = piece * pieceBytes
            memcpy(destination.base + offset, source.base + offset, min(pieceBytes, count - offset))
        }
    }
}

/// A lease that a host context handed out.
final class HostAllocation: DeviceAllocation {
    let lease: HostLease
    private let book: AddressBook<HostAllocation>

    init(lease: HostLease, book: AddressBook<HostAllocation>) {
        self.lease = lease
        self.book = book
        book.insert(self, base: lease.pages.address, byteCount: lease.pages.byteCount)
    }

    /// The book forgets the address before the pool can hand it to someone else.
    deinit { book.remove(base: lease.pages.address) }

    /// The memory of `range`, which must be inside.
    func window(of range: DeviceRange) throws(DeviceError) -> HostWindow {
        let whole = HostWindow(base: lease.pages.base, byteCount: lease.pages.byteCount, owner: self)
        return try whole.slice(Int(range.address - lease.pages.address), range.byteCount)
    }
}
