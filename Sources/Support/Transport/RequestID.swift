import Glibc
import Synchronization

/// Names one request, in the header `x-request-id` and in the decision log.
package enum RequestID {
    /// `req_` and 24 hexadecimal digits from the system's generator: not guessable, so a receipt is found only by those
    /// who were given its name.
    package static func make() -> String {
        let bits = pool.withLock { $0.next() }
        return String(unsafeUninitializedCapacity: 28) { buffer in
            let prefix: StaticString = "req_"
            for index in 0..<4 { buffer[index] = prefix.utf8Start[index] }
            for index in 0..<12 {
                buffer[4 + 2 * index] = hex(bits[index] >> 4)
                buffer[5 + 2 * index] = hex(bits[index] & 15)
            }
            return 28
        }
    }

    private static func hex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

    /// Random bytes fetched many at a time: a system call for each request would cost as much as its routing policy.
    private struct Pool {
        private var bytes = [UInt8](repeating: 0, count: 12 * 21)
        private var used = 12 * 21

        mutating func next() -> InlineArray<12, UInt8> {
            if used == bytes.count {
                // At most 256 bytes a call, and then it never fails (getentropy(3)).
                let status = bytes.withUnsafeMutableBytes { getentropy($0.baseAddress!, $0.count) }
                precondition(status == 0, "getentropy failed: errno \(errno)")
                used = 0
            }
            defer { used += 12 }
            return InlineArray { bytes[used + $0] }
        }
    }

    private static let pool = Lock(Pool())
}
