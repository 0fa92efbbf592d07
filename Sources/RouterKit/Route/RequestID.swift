import Glibc

/// Names one request, in the header `x-request-id` and in the decision log.
enum RequestID {
    /// `req_` and 24 hexadecimal digits from the system's generator: not guessable, so a receipt is found only by those
    /// who were given its name.
    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        let high = generator.next()
        let low = UInt32(truncatingIfNeeded: generator.next())
        return String(unsafeUninitializedCapacity: 28) { buffer in
            let prefix: StaticString = "req_"
            for index in 0..<4 { buffer[index] = prefix.utf8Start[index] }
            for index in 0..<16 {
                buffer[4 + index] = hex(UInt8(truncatingIfNeeded: high >> UInt64(60 - 4 * index)) & 15)
            }
            for index in 0..<8 {
                buffer[20 + index] = hex(UInt8(truncatingIfNeeded: low >> UInt32(28 - 4 * index)) & 15)
            }
            return 28
        }
    }

    private static func hex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }
}
