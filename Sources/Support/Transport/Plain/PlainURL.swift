/// The parts of an `http://` URL that the native client sends to.
///
/// Only the plain form is taken: a name of letters, digits and `-._`, or an address; an optional port; a path and query
/// of visible ASCII. Everything else (other schemes, credentials, fragments, international names) is libcurl's to judge.
struct PlainURL: Sendable {
    /// In lower case; an IPv6 address without its brackets.
    let host: String
    let port: UInt16
    /// What `Host` says: the host as given, and the port unless it is 80.
    let hostField: [UInt8]
    /// Path and query; never empty.
    let target: [UInt8]

    init?(_ url: String) {
        let bytes = Array(url.utf8)
        let scheme = Array("http://".utf8)
        guard bytes.starts(with: scheme) else { return nil }
        let start = scheme.count
        var end = start
        var hostBytes: ArraySlice<UInt8>
        if end < bytes.count, bytes[end] == UInt8(ascii: "[") {
            guard let close = bytes[end...].firstIndex(of: UInt8(ascii: "]")) else { return nil }
            hostBytes = bytes[start + 1..<close]
            guard !hostBytes.isEmpty, hostBytes.allSatisfy(Self.isAddressByte) else { return nil }
            end = close + 1
        } else {
            while end < bytes.count, Self.isNameByte(bytes[end]) { end += 1 }
            hostBytes = bytes[start..<end]
            guard !hostBytes.isEmpty, hostBytes.count <= 253 else { return nil }
        }
        var field = Array(bytes[start..<end])
        var number = 80
        if end < bytes.count, bytes[end] == UInt8(ascii: ":") {
            let digits = bytes[(end + 1)...].prefix { $0 &- 0x30 < 10 }
            guard (1...5).contains(digits.count) else { return nil }
            number = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            guard (1...65_535).contains(number) else { return nil }
            if number != 80 { field += bytes[end..<digits.endIndex] }
            end = digits.endIndex
        }
        let rest = bytes[end...]
        guard rest.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else { return nil }
        switch rest.first {
        case nil: target = [UInt8(ascii: "/")]
        case UInt8(ascii: "/"): target = Array(rest)
        case UInt8(ascii: "?"): target = [UInt8(ascii: "/")] + rest
        default: return nil
        }
        host = String(decoding: hostBytes.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }, as: UTF8.self)
        port = UInt16(number)
        hostField = field
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "_")
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 6 || byte &- 0x30 < 10 || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
    }
}
