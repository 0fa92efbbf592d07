import Wire

/// Which header fields cross the router, in each direction.
///
/// Both lists are open: a field nobody here knows is forwarded, because providers and clients agree on new ones
/// without asking gateways. Left out is only what belongs to one connection (RFC 9110 section 7.6.1), what the
/// transport writes itself, and what must not leave the house: the client's own credentials and cookies.
enum ForwardedFields {
    /// Fields of one hop, in either direction.
    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]

    /// Not forwarded upstream besides hop-by-hop fields.
    ///
    /// `accept-encoding` stays behind because a compressed answer could not be read for its usage.
    private static let requestOnly: Set<String> = [
        "host", "content-length", "expect", "authorization", "x-api-key", "api-key", "cookie", "accept-encoding",
        "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
    ]

    /// Not forwarded downstream besides hop-by-hop fields: the server writes its own.
    private static let responseOnly: Set<String> = ["content-length", "date", "server", "alt-svc", "set-cookie"]

    /// What the upstream gets: the client's end-to-end fields, then the deployment's.
    ///
    /// - Parameter key: the deployment's key; nil sends none.
    static func upstream(
        from client: HTTPFields, deployment: Deployment, key: APIKey?
    ) throws(WireError) -> HTTPFields {
        var fields = HTTPFields()
        let named = namedByConnection(client)
        let replaced = Set(deployment.extraHeaders.map { $0.name.lowercased() })
        for (name, value) in client {
            let lowered = name.lowercased()
            if hopByHop.contains(lowered) || requestOnly.contains(lowered) || lowered.hasPrefix("x-router-") {
                continue
            }
            if named.contains(lowered) || replaced.contains(lowered) { continue }
            try fields.append(name, value)
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
        var fields = HTTPFields()
        let named = namedByConnection(upstream)
        for (name, value) in upstream {
            let lowered = name.lowercased()
            if hopByHop.contains(lowered) || responseOnly.contains(lowered) || lowered.hasPrefix("x-router-") {
                continue
            }
            if named.contains(lowered) { continue }
            try fields.append(lowered == "x-request-id" ? "x-upstream-request-id" : name, value)
        }
        return fields
    }

    /// Names that a `Connection` field declares to be of this hop only.
    private static func namedByConnection(_ fields: HTTPFields) -> Set<String> {
        guard fields.contains("connection") else { return [] }
        var names: Set<String> = []
        for value in fields.values("connection") {
            for name in value.split(separator: ",") {
                names.insert(name.lowercased().trimmingSpaces())
            }
        }
        return names
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
