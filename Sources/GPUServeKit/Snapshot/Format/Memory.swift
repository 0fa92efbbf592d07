/// Bytes that someone else owns, to be read.
///
/// `@unchecked Sendable`: the owner keeps the memory alive and unchanged until the call that it was passed to has returned;
/// nobody keeps it longer.
public struct Memory: @unchecked Sendable {
    /// The first byte.
    public let base: UnsafeRawPointer?
    /// Number of bytes.
    public let count: Int

    /// The bytes of `buffer`.
    public init(_ buffer: UnsafeRawBufferPointer) {
        base = buffer.baseAddress
        count = buffer.count
    }

    /// The bytes of `memory`, to be read.
    public init(_ memory: MutableMemory) {
        base = UnsafeRawPointer(memory.base)
        count = memory.count
    }

    /// The same bytes as a buffer pointer.
    public var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// The bytes of `range`, which must lie inside.
    public subscript(_ range: Range<Int>) -> Memory { Memory(UnsafeRawBufferPointer(rebasing: buffer[range])) }
}

/// Bytes that someone else owns, to be filled.
///
/// `@unchecked Sendable`: the owner keeps the memory alive and leaves it alone until the call that it was passed to has
/// returned; nobody keeps it longer.
public struct MutableMemory: @unchecked Sendable {
    /// The first byte.
    public let base: UnsafeMutableRawPointer?
    /// Number of bytes.
    public let count: Int

    /// The bytes of `buffer`.
    public init(_ buffer: UnsafeMutableRawBufferPointer) {
        base = buffer.baseAddress
        count = buffer.count
    }

    /// The same bytes as a buffer pointer.
    public var buffer: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: count) }

    /// The bytes of `range`, which must lie inside.
    public subscript(_ range: Range<Int>) -> MutableMemory {
        MutableMemory(UnsafeMutableRawBufferPointer(rebasing: buffer[range]))
    }
}

/// Page-aligned memory that frees itself: the size of one read or one chunk. Who takes `memory` out keeps the value alive
/// (`withExtendedLifetime`) as long as it is used: otherwise the compiler may free it after the last mention of the value.
///
/// `@unchecked Sendable`: the pointer never changes; who uses the bytes when is up to the one owner.
final class PageBuffer: @unchecked Sendable {
    /// What direct reads want of addresses, offsets and lengths.
    static let alignment = 4096

    let memory: MutableMemory

    init(byteCount: Int) {
        let rounded = max(PageBuffer.alignment, byteCount.roundedUp(to: PageBuffer.alignment))
        memory = MutableMemory(.allocate(byteCount: rounded, alignment: PageBuffer.alignment))
    }

    deinit { memory.base?.deallocate() }
}

extension Int {
    /// The least multiple of `step` that is not less.
    func roundedUp(to step: Int) -> Int { (self + step - 1) / step * step }
}
