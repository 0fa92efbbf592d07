extension HTTPFields {
    /// The key that a client presents: `Authorization: Bearer`, `x-api-key` or `api-key`, as the SDKs send it; nil for none.
    package var apiKey: String? {
        if let value = self["authorization"] {
            let parts = value.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" { return String(parts[1]) }
        }
        return self["x-api-key"] ?? self["api-key"]
    }
}
