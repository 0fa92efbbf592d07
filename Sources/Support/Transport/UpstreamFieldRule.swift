/// What a transport does with a request field, by its name.
enum UpstreamFieldRule {
    /// Sent as it is.
    case pass
    /// Belongs to the connection or to the framing, which are the transport's (RFC 9110 section 7.6.1).
    case drop
    /// Sent as it is, and keeps the transport from adding its own.
    case accept, contentType, host

    init(_ name: Span<UInt8>) {
        // By length first: most names are decided by one comparison.
        switch name.count {
        case 2: self = name.isName("te") ? .drop : .pass
        case 4: self = name.isName("host") ? .host : .pass
        case 6: self = name.isName("accept") ? .accept : name.isName("expect") ? .drop : .pass
        case 7: self = name.isName("upgrade") || name.isName("trailer") ? .drop : .pass
        case 10: self = name.isName("connection") || name.isName("keep-alive") ? .drop : .pass
        case 12: self = name.isName("content-type") ? .contentType : .pass
        case 14: self = name.isName("content-length") ? .drop : .pass
        case 16: self = name.isName("proxy-connection") ? .drop : .pass
        case 17: self = name.isName("transfer-encoding") ? .drop : .pass
        default: self = .pass
        }
    }
}

extension Span<UInt8> {
    /// Whether these bytes are `lowercased`, letter case aside. The lengths must be equal.
    fileprivate func isName(_ lowercased: StaticString) -> Bool {
        lowercased.withUTF8Buffer { wanted in
            for index in indices {
                let byte = self[index]
                let lower = byte &- 0x41 < 26 ? byte | 0x20 : byte
                if lower != wanted[index] { return false }
            }
            return true
        }
    }
}
