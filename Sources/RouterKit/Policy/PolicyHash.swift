import Wire

/// Names a configuration: two receipts with the same hash were decided by the same rules over the same cards.
public enum PolicyHash {
    /// SHA-256 in lower-case hex over the canonical text of `policy` and `cards`. Computed once per configuration,
    /// not per request.
    public static func hex(policy: some RoutingPolicy, cards: [ModelCard], cascade: Cascade? = nil) -> String {
        SHA256.hexHash(Array(canonicalText(policy: policy, cards: cards, cascade: cascade).utf8))
    }

    /// What is hashed: one line per policy, card and deployment. Keys and the values of extra headers are left out,
    /// for a hash that anyone can see must not help to guess a secret.
    public static func canonicalText(
        policy: some RoutingPolicy, cards: [ModelCard], cascade: Cascade? = nil
    ) -> String {
        var bytes: [UInt8] = []
        ByteText.append("policy ", to: &bytes)
        ByteText.append(policy.canonicalText, to: &bytes)
        ByteText.append("\n", to: &bytes)
        if let cascade {
            ByteText.append(cascade.canonicalText, to: &bytes)
            ByteText.append("\n", to: &bytes)
        }
        for card in cards { append(card, to: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func append(_ card: ModelCard, to bytes: inout [UInt8]) {
        ByteText.append("model ", to: &bytes)
        JSONText.appendQuoted(card.name, to: &bytes)
        let price = card.price.map {
            "\($0.inputPerMTok)/\($0.outputPerMTok)/\($0.cachedInputPerMTok.map(String.init(describing:)) ?? "-")"
        }
        let dialects = card.dialects.map(\.rawValue).sorted().joined(separator: ",")
        ByteText.append(
            " tier=\(card.tier.name) price=\(price ?? "unknown") window=\(card.contextWindowTokens)"
                + " output=\(card.maxOutputTokens.map(String.init) ?? "-") modalities=\(card.modalities.rawValue)"
                + " tools=\(card.supportsTools) json=\(card.supportsJSONMode) schema=\(card.supportsJSONSchema)"
                + " reasoning=\(card.isReasoning) dialects=\(dialects)\n", to: &bytes)
        for override in card.overrides {
            ByteText.append("override ", to: &bytes)
            JSONText.appendQuoted(override.key, to: &bytes)
            ByteText.append("=", to: &bytes)
            // The value is JSON and may hold line breaks between tokens: quoted, it stays on its line.
            JSONText.appendQuoted(String(decoding: override.json, as: UTF8.self), to: &bytes)
            ByteText.append("\n", to: &bytes)
        }
        for deployment in card.deployments { append(deployment, to: &bytes) }
    }

    private static func append(_ deployment: Deployment, to bytes: inout [UInt8]) {
        ByteText.append("deployment", to: &bytes)
        for text in [
            deployment.id, deployment.baseURL, deployment.unixSocketPath ?? "", deployment.upstreamModel,
        ] {
            ByteText.append(" ", to: &bytes)
            JSONText.appendQuoted(text, to: &bytes)
        }
        ByteText.append(
            " weight=\(deployment.weight) cap=\(deployment.maxConcurrent.map(String.init) ?? "-")"
                + " auth=\(deployment.authentication.rawValue)\n", to: &bytes)
    }
}
