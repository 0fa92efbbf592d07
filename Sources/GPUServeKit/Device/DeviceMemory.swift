/// Bytes of one device: a plain value that says where, and keeps nothing alive.
///
/// Contexts check every range they are given against their live allocations, so a stale one is an error and no crash.
public struct DeviceRange: Sendable, Hashable, CustomStringConvertible {
    /// Whose memory.
    public let device: DeviceID
    /// Where it begins, in the device's address space; the host's for hosts.
    public let address: UInt64
    /// How long it is.
    public let byteCount: Int

    /// Names a range; nothing is checked here.
    public init(device: DeviceID, address: UInt64, byteCount: Int) {
        self.device = device
        self.address = address
        self.byteCount = byteCount
    }

    /// `byteCount` bytes from `offset` on.
    ///
    /// - Throws: `outOfBounds` when they are not all inside.
    public func slice(_ offset: Int, _ byteCount: Int) throws(DeviceError) -> DeviceRange {
        guard offset >= 0, byteCount >= 0, offset <= self.byteCount, byteCount <= self.byteCount - offset else {
            throw DeviceError(.outOfBounds, "bytes \(offset)+\(byteCount) of \(self)")
        }
        return DeviceRange(device: device, address: address + UInt64(offset), byteCount: byteCount)
    }

    /// `cuda:0[0x700000000000+4096]`.
    public var description: String { "\(device)[0x\(String(address, radix: 16))+\(byteCount)]" }
}

/// Memory of a device with one owner. Dropping it frees it (on the context's thread); `GPUContext.free` does so now and
/// says how that went. Host windows on it keep it alive for as long as they live.
public struct DeviceBuffer: ~Copyable, Sendable {
    /// The bytes asked for; what the device rounded up is not part of it.
    public let range: DeviceRange
    /// What really owns the memory; it frees it in its deinitialiser.
    let owner: any DeviceAllocation
}

/// The owner behind a `DeviceBuffer`.
protocol DeviceAllocation: AnyObject, Sendable {}

/// Host memory that bytes can be read into and copied from: pinned staging, or the destination itself.
///
/// It keeps the memory alive, so it may outlive the buffer it came from. `@unchecked Sendable`: `base` is valid while
/// `owner` lives, and threads that use one window at once must use different bytes of it.
public struct HostWindow: @unchecked Sendable {
    /// The first byte. Use it only while this value is alive (`withBytes` sees to that).
    public let base: UnsafeMutableRawPointer
    /// How many bytes.
    public let byteCount: Int
    /// Keeps the memory alive.
    let owner: any AnyObject & Sendable

    /// Pageable memory of the host, at a multiple of 64: to copy small things in from, or results out to. Its bytes are 0.
    public static func make(byteCount: Int) -> HostWindow {
        let owner = OwnBytes(byteCount)
        return HostWindow(base: owner.base, byteCount: byteCount, owner: owner)
    }

    /// The bytes, for the length of `body`.
    public func withBytes<Result: ~Copyable, E: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(E) -> Result
    ) throws(E) -> Result {
        defer { withExtendedLifetime(owner) {} }
        return try body(UnsafeMutableRawBufferPointer(start: base, count: byteCount))
    }

    /// `byteCount` bytes from `offset` on, of the same memory.
    ///
    /// - Throws: `outOfBounds` when they are not all inside.
    public func slice(_ offset: Int, _ byteCount: Int) throws(DeviceError) -> HostWindow {
        guard offset >= 0, byteCount >= 0, offset <= self.byteCount, byteCount <= self.byteCount - offset else {
            throw DeviceError(.outOfBounds, "bytes \(offset)+\(byteCount) of a host window of \(self.byteCount)")
        }
        return HostWindow(base: base + offset, byteCount: byteCount, owner: owner)
    }
}

/// Memory that frees itself.
///
/// `@unchecked Sendable`: the pointer never changes; who uses the bytes when is up to the holders of the window.
private final class OwnBytes: @unchecked Sendable {
    let base: UnsafeMutableRawPointer

    init(_ byteCount: Int) {
        base = .allocate(byteCount: max(1, byteCount), alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: max(1, byteCount))
    }

    deinit { base.deallocate() }
}
