internal import Synchronization
internal import Transport
internal import Wire

/// The keys of clients. While none was ever made, everybody may ask: the daemon listens on loopback unless told otherwise.
/// Once there is one, requests without a good key are refused, also when all were revoked. Any thread.
final class ClientKeys: Sendable {
    /// Whose request it is.
    enum Verdict: Sendable, Hashable {
        /// No keys were ever made.
        case open
        /// The key of this name.
        case known(String)
        /// There was none.
        case missing
        /// It is none of ours, or was revoked.
        case wrong
    }

    private let directory: StateDirectory
    private let limits: Limits
    private let keys: Lock<[ClientKey]>
    static let file = "keys.json"

    /// Reads the keys of a state directory.
    init(_ directory: StateDirectory, limits: Limits) throws(ServeError) {
        self.directory = directory
        self.limits = limits
        var known: [ClientKey] = []
        if let bytes = try directory.read(Self.file) { known = try [ClientKey](keyFile: bytes) }
        keys = Lock(known)
    }

    /// Who sent a request with these fields.
    ///
    /// All keys are compared, each in constant time, so that the time taken tells nothing about a digest.
    func verdict(_ fields: HTTPFields) -> Verdict {
        keys.withLock { keys -> Verdict in
            guard !keys.isEmpty else { return .open }
            guard let key = fields.apiKey else { return .missing }
            let digest = SHA256.hash(Array(key.utf8))
            var found: String?
            for known in keys where ConstantTime.equal(known.digest, digest) && known.revoked_ms == nil {
                found = known.id
            }
            return found.map { .known($0) } ?? .wrong
        }
    }

    /// All keys, revoked ones too.
    var all: [ClientKey] { keys.withLock { $0 } }

    /// Makes a key; what it returns is kept nowhere.
    func add(_ id: String) throws(ServeError) -> String {
        if let problem = DeploymentSpec.problem(withName: id) { throw ServeError(.invalidSpec, problem) }
        let text = StateDirectory.secret(prefix: "sk-gpuserve-")
        let key = ClientKey(id: id, digest: SHA256.hash(Array(text.utf8)), made_ms: Meter.now_ms())
        try change { keys throws(ServeError) in
            guard !keys.contains(where: { $0.id == id }) else {
                throw ServeError(
                    .nameTaken, "there is or was a key '\(id)'; bills tell keys apart by name: choose another")
            }
            guard keys.count < limits.clientKeyCount else {
                throw ServeError(.tooMany, "\(limits.clientKeyCount) keys were made; no more are kept")
            }
            keys.append(key)
        }
        return text
    }

    /// Ends a key: requests with it are refused from now on.
    func revoke(_ id: String) throws(ServeError) {
        try change { keys throws(ServeError) in
            guard let index = keys.firstIndex(where: { $0.id == id }) else {
                throw ServeError(.unknownKey, "there is no key '\(id)'; gpuserve keys list shows all")
            }
            keys[index].revoked_ms = keys[index].revoked_ms ?? Meter.now_ms()
        }
    }

    /// Changes count once they are on disk.
    private func change(_ body: (inout [ClientKey]) throws(ServeError) -> Void) throws(ServeError) {
        try keys.withLock { keys throws(ServeError) in
            var changed = keys
            try body(&changed)
            try directory.write(changed.keyFile, to: Self.file)
            keys = changed
        }
    }
}
