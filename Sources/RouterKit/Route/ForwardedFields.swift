import Wire

/// Which header fields cross the router, in each direction: see `RelayedFields`.
enum ForwardedFields {
    private static let ownPrefix: StaticString = "x-router-"
    private static let requestID = FieldNames(["x-request-id"])

    /// What the upstream gets: the client's end-to-end fields, then the deployment's.
    ///
    /// - Parameter key: the deployment's key; nil sends none.
    static func upstream(
        from client: HTTPFields, deployment: Deployment, key: APIKey?
    ) throws(WireError) -> HTTPFields {
        var fields = RelayedFields.request(
            client, ownPrefix: ownPrefix, leavingOut: deployment.extraHeaders.map(\.name))
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
        var hasID = false
        var fields = RelayedFields.response(upstream, ownPrefix: ownPrefix) { name in
            guard requestID.contains(name) else { return false }
            hasID = true
            return true
        }
        if hasID { for id in upstream.values("x-request-id") { try fields.add("x-upstream-request-id", text: id) } }
        return fields
    }
}
