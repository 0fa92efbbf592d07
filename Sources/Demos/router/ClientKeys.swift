import Wire

/// The clients that may use the gateway: names with SHA-256 digests of their keys. The keys themselves are never kept.
struct ClientKeys: Sendable {
    struct Client: Sendable, Equatable {
        let name: String
        let digest: [UInt8]
    }

    private let clients: [Client]

    init(_ clients: [Client]) { self.clients = clients }

    /// Without configured clients everybody may ask: the gateway listens on loopback unless told otherwise.
    var isOpen: Bool { clients.isEmpty }

    enum Verdict: Equatable {
        case open
        case client(String)
        case missing
        case wrong
    }

    /// Who sent a request with these fields.
    ///
    /// Every client is compared in constant time, so that the time taken tells nothing about a digest.
    func verdict(_ fields: HTTPFields) -> Verdict {
        guard !isOpen else { return .open }
        guard let key = fields.apiKey else { return .missing }
        let digest = SHA256.hash(Array(key.utf8))
        var found: String?
        for client in clients where ConstantTime.equal(client.digest, digest) { found = client.name }
        return found.map { .client($0) } ?? .wrong
    }

    /// The 32 bytes that 64 hexadecimal digits name; nil when they are anything else.
    static func digest(hex: String) -> [UInt8]? {
        let nibbles = hex.compactMap(\.hexDigitValue)
        guard nibbles.count == 64, hex.utf8.count == 64 else { return nil }
        return stride(from: 0, to: 64, by: 2).map { UInt8(nibbles[$0] * 16 + nibbles[$0 + 1]) }
    }
}
