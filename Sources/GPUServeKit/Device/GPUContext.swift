/// A device's memory, copies, streams and code, behind one interface for GPUs (`CUDAContext`) and hosts (`HostContext`).
///
/// DESIGN, for those who build on it:
/// - Each context is an actor on a thread of its own: the driver's context stays current there and a blocking call blocks
///   nobody else. A call costs a hop (6-9 us), so submit megabytes a call, not kilobytes. N contexts run in parallel.
/// - Memory has one owner, the `~Copyable` `DeviceBuffer`; work names memory by `DeviceRange`, a plain value that is checked
///   against the live allocations at each submission. Arenas are memory at an address of the caller's choice, so that
///   pointers stored inside them (and graphs captured over them) are right again after a restore.
/// - Work goes to streams and returns a `CompletionToken` at once. `isComplete` asks, `completed` waits without holding the
///   thread. Windows given to a copy stay alive until it has finished; the caller may drop them at once.
/// - **Bringing bytes in** is the same three steps everywhere: `landing(for:)` gives host memory for a range, the caller reads
///   (and checks) the bytes there on any thread, `copyIn` moves them. On a host the landing *is* the destination and `copyIn`
///   costs nothing; there `hostWindow(of:)` gives the same without a hop or a wait. On a GPU the landing is a pinned slot
///   of the staging pool; it goes back by itself when its copy has finished, and `landing` waits until one is free: that
///   is the back-pressure, so read into at most as many landings at once as there are slots.
/// - A failed driver call is a named `DeviceError` and leaves nothing half made. After `contextLost` every call fails: close it.
public protocol GPUContext: Actor {
    /// The device this context is on.
    nonisolated var device: DeviceInfo { get }

    // MARK: Memory

    /// How much memory is there, free and held.
    func memoryUse() throws(DeviceError) -> MemoryUse

    /// Memory at an address of the device's choice, at least 256-byte aligned; its bytes are undefined.
    ///
    /// - Throws: `outOfMemory`, `invalidArgument` for a size below 1, `closed`.
    func allocate(byteCount: Int) throws(DeviceError) -> DeviceBuffer

    /// Memory at exactly `address` (a multiple of 2 MiB), or at a 2 MiB-aligned one of the device's choice that can be
    /// asked for again later. Its bytes are undefined: host arenas are kept, pre-faulted, and reused.
    ///
    /// - Throws: `addressTaken`, `notSupported` when the device has no fixed addresses, and what `allocate` throws.
    func makeArena(byteCount: Int, at address: UInt64?) throws(DeviceError) -> DeviceBuffer

    /// Frees now, after the work that uses the memory, and says how that went. The memory is gone even when it throws,
    /// unless the driver itself refuses twice; then `close` tries again.
    func free(_ buffer: consuming DeviceBuffer) throws(DeviceError)

    /// The memory of `range` itself when the host can read and write it, else nil. Any thread, no hop.
    ///
    /// - Throws: `outOfBounds` when `range` is not live memory of this context.
    nonisolated func hostWindow(of range: DeviceRange) throws(DeviceError) -> HostWindow?

    /// Makes the staging pool: `count` pinned slots of `slotBytes`. Slow (pinning runs at about 2 GB/s), so do it ahead of
    /// need and keep it. A second call replaces it once no slot is out. Nothing to do on hosts.
    ///
    /// - Throws: `limitReached`, `outOfMemory`, `invalidArgument` while slots are out.
    func prepareStaging(slotBytes: Int, count: Int) throws(DeviceError)

    /// Host memory for the bytes that are to be in `range`: the memory itself, or a pinned slot once one is free.
    ///
    /// - Throws: `outOfBounds`; `invalidArgument` when `range` is longer than a slot or there are none; `cancelled`.
    func landing(for range: DeviceRange) async throws(DeviceError) -> HostWindow

    // MARK: Work

    /// A new stream. Higher priorities are more negative, as CUDA has it; hosts ignore them.
    ///
    /// - Throws: `limitReached` past `Limits.deviceStreamCount`.
    func makeStream(priority: Int32) throws(DeviceError) -> DeviceStream

    /// Waits for the stream's work and destroys it. Its tokens stay complete.
    func destroy(_ stream: DeviceStream) throws(DeviceError)

    /// Copies from the host; the window must be as long as the range.
    func copyIn(_ source: HostWindow, to range: DeviceRange, on stream: DeviceStream) throws(DeviceError)
        -> CompletionToken

    /// Copies to the host; the window must be as long as the range. Its bytes are there when the token is complete.
    func copyOut(_ range: DeviceRange, to destination: HostWindow, on stream: DeviceStream) throws(DeviceError)
        -> CompletionToken

    /// Copies within the device, or from another device that `peer` is on (nil for this one). Lengths must be equal.
    ///
    /// - Throws: `notSupported` when the two kinds of device cannot copy to each other.
    func clone(
        _ source: DeviceRange, of peer: (any GPUContext)?, to range: DeviceRange, on stream: DeviceStream
    ) throws(DeviceError) -> CompletionToken

    /// Sets every byte.
    func fill(_ range: DeviceRange, with byte: UInt8, on stream: DeviceStream) throws(DeviceError) -> CompletionToken

    /// Makes later work of `stream` wait for `token`, which is of another stream of this context.
    func wait(for token: CompletionToken, on stream: DeviceStream) throws(DeviceError)

    /// Whether the work has finished.
    ///
    /// - Throws: `contextLost` and the like when it failed.
    func isComplete(_ token: CompletionToken) throws(DeviceError) -> Bool

    /// Returns when the work has finished; the context serves others meanwhile.
    ///
    /// - Throws: what the work failed with, or `cancelled` (the work goes on).
    func completed(_ token: CompletionToken) async throws(DeviceError)

    /// The checksum of the bytes (`DeviceChecksum`), computed where they are, after the work submitted before it.
    func checksum(of range: DeviceRange, on stream: DeviceStream) async throws(DeviceError) -> UInt64

    // MARK: Code

    /// Loads a module and, where the driver can, links it whole, so that no launch pays for it later.
    ///
    /// - Throws: `moduleRejected` with the compiler's words; `limitReached`.
    func load(_ image: ModuleImage) throws(DeviceError) -> DeviceModule

    /// Unloads a module after the work that uses it. Its kernels are gone.
    func unload(_ module: DeviceModule) throws(DeviceError)

    /// Finds a function and makes it ready to launch.
    ///
    /// - Throws: `functionMissing`.
    func kernel(_ name: String, in module: DeviceModule) throws(DeviceError) -> DeviceKernel

    /// Launches a kernel.
    func launch(
        _ kernel: DeviceKernel, _ shape: LaunchShape, _ arguments: [KernelArgument], on stream: DeviceStream
    ) throws(DeviceError) -> CompletionToken

    // MARK: Other devices

    /// Whether this device can read and write memory of `peer` directly.
    nonisolated func canReach(_ peer: DeviceID) -> Bool

    /// Lets `peer` use the memory of `buffer`, which is of this context, directly.
    func allowAccess(to buffer: borrowing DeviceBuffer, from peer: DeviceID) throws(DeviceError)

    // MARK: End

    /// Waits for all work, frees everything and ends the thread's use. Later calls throw `closed`. Harmless when repeated.
    ///
    /// - Throws: the first thing that went wrong; the rest was still freed.
    func close() throws(DeviceError)
}

extension GPUContext {
    /// Copies within this device.
    public func clone(_ source: DeviceRange, to range: DeviceRange, on stream: DeviceStream) throws(DeviceError)
        -> CompletionToken
    { try clone(source, of: nil, to: range, on: stream) }

    /// A new stream of normal priority.
    public func makeStream() throws(DeviceError) -> DeviceStream { try makeStream(priority: 0) }

    /// Memory at an address of the device's choice.
    public func makeArena(byteCount: Int) throws(DeviceError) -> DeviceBuffer {
        try makeArena(byteCount: byteCount, at: nil)
    }
}
