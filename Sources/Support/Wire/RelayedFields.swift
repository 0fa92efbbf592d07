/// Which header fields cross a relay, in each direction.
///
/// Both lists are open: a field nobody here knows is forwarded, because providers and clients agree on new ones
/// without asking gateways. Left out is only what belongs to one connection (RFC 9110 section 7.6.1), what the
/// transport writes itself, and what must not leave the house: the client's own credentials and cookies.
package enum RelayedFields {
    /// Fields of one hop, in either direction.
    private static let hopByHop = FieldNames([
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    ])

    /// Not forwarded upstream besides hop-by-hop fields.
    ///
    /// `accept-encoding` stays behind because a compressed answer could not be read for its usage.
    private static let requestOnly = FieldNames([
        "host", "content-length", "expect", "authorization", "x-api-key", "api-key", "cookie", "accept-encoding",
        "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
    ])

    /// Not forwarded downstream besides hop-by-hop fields: the server writes its own.
    private static let responseOnly = FieldNames(["content-length", "date", "server", "alt-svc", "set-cookie"])

    private static let connection = FieldNames(["connection"])
    private static let persistence = FieldNames(["keep-alive", "close"])

    /// The client's end-to-end fields, for the upstream.
    ///
    /// - Parameters:
    ///   - ownPrefix: in lower case; fields that begin so are between the client and the relay.
    ///   - names: left out too.
    package static func request(
        _ client: HTTPFields, ownPrefix: StaticString, leavingOut names: [String] = []
    ) -> HTTPFields {
        var dropped = namedByConnection(client)
        for name in names { dropped.insert(name) }
        return client.filtered { name, _ in
            !(hopByHop.contains(name) || requestOnly.contains(name) || dropped.contains(name)
                || FieldNames.hasPrefix(name, ownPrefix))
        }
    }

    /// The upstream's end-to-end fields, for the client, but those for which `isLeftOut`.
    package static func response(
        _ upstream: HTTPFields, ownPrefix: StaticString, isLeftOut: (Span<UInt8>) -> Bool
    ) -> HTTPFields {
        let dropped = namedByConnection(upstream)
        return upstream.filtered { name, _ in
            !(hopByHop.contains(name) || responseOnly.contains(name) || dropped.contains(name)
                || FieldNames.hasPrefix(name, ownPrefix) || isLeftOut(name))
        }
    }

    /// Names that a `Connection` field declares to be of this hop only.
    private static func namedByConnection(_ fields: HTTPFields) -> FieldNames {
        var names = FieldNames([])
        fields.forEach { name, value in
            // Nearly always it says only `keep-alive` or `close`, which name no field.
            guard connection.contains(name), !persistence.contains(value) else { return }
            for part in value.withUnsafeBufferPointer({ String(decoding: $0, as: UTF8.self) }).split(separator: ",") {
                names.insert(part.trimmingBlanks())
            }
        }
        return names
    }
}

/// A few field names, looked up by their bytes, letter case aside: one comparison of lengths settles most.
package struct FieldNames: Sendable {
    private var names: [[UInt8]]
    /// One bit for each length that occurs, lengths from 63 on sharing the last.
    private var lengths: UInt64 = 0

    package init(_ names: [String]) {
        self.names = []
        for name in names { insert(name) }
    }

    package mutating func insert(_ name: String) {
        let bytes = Array(name.lowercased().utf8)
        names.append(bytes)
        lengths |= 1 << UInt64(min(bytes.count, 63))
    }

    package func contains(_ name: Span<UInt8>) -> Bool {
        guard lengths >> UInt64(min(name.count, 63)) & 1 == 1 else { return false }
        return names.contains { FieldNames.hasPrefix(name, $0) && $0.count == name.count }
    }

    /// Whether `name` begins with `prefix`, which is in lower case.
    static func hasPrefix(_ name: Span<UInt8>, _ prefix: StaticString) -> Bool {
        guard name.count >= prefix.utf8CodeUnitCount else { return false }
        for index in 0..<prefix.utf8CodeUnitCount where ASCII.lowercased(name[index]) != prefix.utf8Start[index] {
            return false
        }
        return true
    }

    private static func hasPrefix(_ name: Span<UInt8>, _ prefix: [UInt8]) -> Bool {
        guard name.count >= prefix.count else { return false }
        for index in prefix.indices where ASCII.lowercased(name[index]) != prefix[index] { return false }
        return true
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    fileprivate func trimmingBlanks() -> String {
        var slice = self
        while slice.first == " " || slice.first == "\t" { slice.removeFirst() }
        while slice.last == " " || slice.last == "\t" { slice.removeLast() }
        return String(slice)
    }
}
