internal import Wire

/// A key that a client may use: its name, and what the key itself is recognized by. The key is shown once, when it is made, and
/// kept nowhere.
public struct ClientKey: Sendable, Hashable {
    /// What bills call it; never given out again, also when it was revoked.
    public let id: String
    /// SHA-256 of the key: 32 bytes.
    let digest: [UInt8]
    /// Milliseconds since 1970.
    public let made_ms: Int
    /// When it was revoked, in milliseconds since 1970; nil while it is good.
    public internal(set) var revoked_ms: Int?

    /// One JSON object, without the digest.
    var shown: JSONObjectText {
        var object = JSONObjectText()
        object.add("id", id)
        object.add("made_ms", made_ms)
        if let revoked_ms { object.add("revoked_ms", revoked_ms) }
        return object
    }
}

/// The file of keys: one JSON object.
extension [ClientKey] {
    /// The file's text; `init(keyFile:)` reads the same back.
    var keyFile: [UInt8] {
        var object = JSONObjectText()
        object.add(
            "keys",
            objects: map { key in
                var entry = key.shown
                entry.add("sha256", SHA256.hex(key.digest))
                return entry
            })
        return object.bytes
    }

    /// Reads the file of keys.
    ///
    /// - Throws: `stateUnusable` for anything that `keyFile` does not write: guessing would let somebody in or lock somebody out.
    init(keyFile bytes: [UInt8]) throws(ServeError) {
        self = []
        guard let json = try? JSONValue.parse(bytes), let entries = json["keys"]?.elements else {
            throw ServeError(
                .stateUnusable, "keys.json is not a file of keys: mend it, or move it away and make new keys")
        }
        var names: Set<String> = []
        for (index, entry) in entries.enumerated() {
            guard let id = entry["id"]?.string, DeploymentSpec.problem(withName: id) == nil, names.insert(id).inserted,
                let digest = entry["sha256"]?.string.flatMap({ ContentHash(hex: $0) }),
                let made_ms = entry["made_ms"]?.int
            else { throw ServeError(.stateUnusable, "key \(index + 1) of keys.json cannot be used: mend or remove it") }
            append(ClientKey(id: id, digest: digest.bytes, made_ms: made_ms, revoked_ms: entry["revoked_ms"]?.int))
        }
    }
}
