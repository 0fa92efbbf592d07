import Wire

/// Which header fields cross the router, in each direction.
///
/// Both lists are open: a field nobody here knows is forwarded, because providers and clients agree on new ones
/// without asking gateways. Left out is only what belongs to one connection (RFC 9110 section 7.6.1), what the
/// transport writes itself, and what must not leave the house: the client's own credentials and cookies.
enum ForwardedFields {
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
    private static let requestID = FieldNames(["x-request-id"])

    /// What the upstream gets: the client's end-to-end fields, then the deployment's.
    ///
    /// - Parameter key: the deployment's key; nil sends none.
    static func upstream(
        from client: HTTPFields, deployment: Deployment, key: APIKey?
    ) throws(WireError) -> HTTPFields {
        var dropped = namedByConnection(client)
        for header in deployment.extraHeaders { dropped.insert(header.name) }
        var fields = client.filtered { name, _ in
            !(hopByHop.contains(name) || requestOnly.contains(name) || dropped.contains(name)
                || FieldNames.isRouters(name))
        }
        if let key {
            switch deployment.authentication {
            case .bearer: try fields.append("Authorization", "Bearer \(key.exposedValue)")
            case .xAPIKey: try fields.append("x-api-key", key.exposedValue)
            case .none: break
            }
        }
        for header in deployment.extraHeaders { try fields.append(header.name, header.value) }
        return fields
    }

    /// What the client gets of the upstream's fields. `x-request-id` is renamed: the router answers with its own, under
    /// which the receipt can be fetched.
    static func downstream(from upstream: HTTPFields) throws(WireError) -> HTTPFields {
        let dropped = namedByConnection(upstream)
        var hasID = false
        var fields = upstream.filtered { name, _ in
            if hopByHop.contains(name) || responseOnly.contains(name) || dropped.contains(name) { return false }
            if FieldNames.isRouters(name) { return false }
            guard requestID.contains(name) else { return true }
            hasID = true
            return false
        }
        if hasID { for id in upstream.values("x-request-id") { try fields.add("x-upstream-request-id", text: id) } }
        return fields
    }

    /// Names that a `Connection` field declares to be of this hop only.
    private static func namedByConnection(_ fields: HTTPFields) -> FieldNames {
        var names = FieldNames([])
        fields.forEach { name, value in
            // Nearly always it says only `keep-alive` or `close`, which name no field.
            guard connection.contains(name), !persistence.contains(value) else { return }
            for part in value.withUnsafeBufferPointer({ String(decoding: $0, as: UTF8.self) }).split(separator: ",") {
                names.insert(String(part).trimmingSpaces())
            }
        }
        return names
    }
}

/// A few field names, looked up by their bytes, letter case aside: one comparison of lengths settles most.
struct FieldNames {
    private var names: [[UInt8]]
    /// One bit for each length that occurs, lengths from 63 on sharing the last.
    private var lengths: UInt64 = 0

    init(_ names: [String]) {
        self.names = []
        for name in names { insert(name) }
    }

    mutating func insert(_ name: String) {
        let bytes = Array(name.lowercased().utf8)
        names.append(bytes)
        lengths |= 1 << UInt64(min(bytes.count, 63))
    }

    func contains(_ name: Span<UInt8>) -> Bool {
        guard lengths >> UInt64(min(name.count, 63)) & 1 == 1 else { return false }
        return names.contains { FieldNames.hasPrefix(name, $0) && $0.count == name.count }
    }

    /// Whether the field belongs to the router itself: `x-router-...`.
    static func isRouters(_ name: Span<UInt8>) -> Bool { hasPrefix(name, routersPrefix) }

    private static let routersPrefix = Array("x-router-".utf8)

    /// Whether `name` begins with `prefix`, which is in lower case.
    private static func hasPrefix(_ name: Span<UInt8>, _ prefix: [UInt8]) -> Bool {
        guard name.count >= prefix.count else { return false }
        for index in prefix.indices {
            let byte = name[index]
            let lowered = byte &- 0x41 < 26 ? byte | 0x20 : byte
            if lowered != prefix[index] { return false }
        }
        return true
    }
}

extension String {
    /// Without spaces and tabs at both ends.
    func trimmingSpaces() -> String {
        var slice = self[...]
        while slice.first == " " || slice.first == "\t" { slice.removeFirst() }
        while slice.last == " " || slice.last == "\t" { slice.removeLast() }
        return String(slice)
    }
}
