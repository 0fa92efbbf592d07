/// Takes bytes from front to back.
public protocol ByteSink: ~Copyable {
    /// Appends one byte.
    mutating func append(_ byte: UInt8)
    /// Appends all of `bytes`.
    mutating func append(contentsOf bytes: UnsafeBufferPointer<UInt8>)
}

extension [UInt8]: ByteSink {}

/// A growing buffer that is written from front to back and used again and again.
///
/// Every append to an array asks whether the array is shared and moves its bytes by a call; receipts and heads are made of
/// a hundred short literals, and that was a tenth of a request. Here a literal costs one comparison and a few stores. Only
/// this file touches the memory: `written <= capacity` holds always, and every write is preceded by `room`.
public struct ByteWriter: ~Copyable, ByteSink {
    @usableFromInline var base: UnsafeMutablePointer<UInt8>
    @usableFromInline var capacity: Int
    @usableFromInline var written = 0
    /// Bytes written.
    public var count: Int { written }

    /// An empty buffer with room for `capacity` bytes, at least 16.
    public init(capacity: Int = 1_024) {
        self.capacity = max(capacity, 16)
        base = .allocate(capacity: self.capacity)
    }

    deinit { base.deallocate() }

    /// Where the next `length` bytes go; the caller writes all of them.
    @inlinable @inline(__always)
    mutating func room(_ length: Int) -> UnsafeMutablePointer<UInt8> {
        if capacity &- written < length { grow(length) }
        let place = base + written
        written &+= length
        return place
    }

    @usableFromInline @inline(never)
    mutating func grow(_ length: Int) {
        capacity = max(2 * capacity, count + length)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.initialize(from: base, count: count)
        base.deallocate()
        base = larger
    }

    /// Appends one byte.
    @inlinable @inline(__always)
    public mutating func append(_ byte: UInt8) { room(1).initialize(to: byte) }

    /// Appends all of `bytes`.
    @inlinable @inline(__always)
    public mutating func append(contentsOf bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress else { return }
        room(bytes.count).initialize(from: source, count: bytes.count)
    }

    /// Appends all of `bytes`.
    @inlinable @inline(__always)
    public mutating func append(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
    }

    /// Appends all of `bytes`.
    @inlinable @inline(__always)
    public mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

    /// Appends text of the program's source.
    @inlinable @inline(__always)
    public mutating func append(literal text: StaticString) {
        room(text.utf8CodeUnitCount).initialize(from: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    /// Shows the bytes written. The span lives only during the call.
    public func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(UnsafeBufferPointer(start: base, count: count).span)
    }

    /// Shows the bytes written; the pointer lives only during the call.
    @inlinable
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(start: base, count: written))
    }

    /// The bytes written, copied.
    public var bytes: [UInt8] { [UInt8](UnsafeBufferPointer(start: base, count: count)) }

    /// Forgets what was written. Gives memory back where there is more than `keptBytes` of it.
    public mutating func removeAll(keeping keptBytes: Int = .max) {
        written = 0
        guard capacity > keptBytes else { return }
        base.deallocate()
        capacity = max(keptBytes, 16)
        base = .allocate(capacity: capacity)
    }
}

/// Decimal digits without a string.
public enum DecimalText {
    /// Appends `value` with at least `minimumCount` (0...20) digits, zeros in front.
    @inlinable
    public static func append(_ value: UInt64, minimumCount: Int = 1, to bytes: inout some (ByteSink & ~Copyable)) {
        // 20 digits hold any UInt64.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            guard let base = digits.baseAddress else { return }
            var start = 20
            var rest = value
            while rest > 0 || start > 20 - minimumCount {
                start &-= 1
                let (quotient, digit) = (rest / 10, rest % 10)
                base[start] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
                rest = quotient
            }
            bytes.append(contentsOf: UnsafeBufferPointer(start: base + start, count: 20 &- start))
        }
    }
}
