import Transport
public import Wire

extension ModelCard {
    /// Checks one card's ranges, naming the first member that is out of range.
    public func validate() throws(CardError) {
        try check(Self.isName(name), .badName, "name", "a model needs a non-empty name without control characters.")
        if let price { try validate(price) }
        try check(
            contextWindowTokens > 0, .badBound, "contextWindowTokens",
            "the window is \(contextWindowTokens); give the model's window in tokens, 1 or more.")
        if let maxOutputTokens {
            try check(
                maxOutputTokens > 0, .badBound, "maxOutputTokens",
                "the bound is \(maxOutputTokens); give 1 or more, or leave it out.")
        }
        try check(!dialects.isEmpty, .noDialects, "dialects", "list at least one API that the model speaks.")
        try check(!deployments.isEmpty, .noDeployments, "deployments", "list at least one place that serves the model.")
        var ids: Set<String> = []
        for (index, deployment) in deployments.enumerated() {
            let key = "deployments[\(index)]"
            try validate(deployment, at: key)
            try check(
                ids.insert(deployment.id).inserted, .duplicateName, "\(key).id",
                "the id \"\(deployment.id)\" is taken by another deployment of this model.")
        }
    }

    /// Checks a whole pool: every card, unique names, and the bounds of `limits`.
    public static func validate(_ cards: [ModelCard], limits: Limits = .standard) throws(CardError) {
        guard !cards.isEmpty else {
            throw CardError(code: .emptyPool, model: "", key: "", detail: "The pool has no models; add at least one.")
        }
        guard cards.count <= limits.poolModelsCount else {
            throw CardError(
                code: .tooMany, model: "", key: "",
                detail: "The pool has \(cards.count) models; the bound is \(limits.poolModelsCount).")
        }
        var names: Set<String> = []
        for card in cards {
            try card.validate()
            try card.check(
                card.deployments.count <= limits.poolDeploymentsCount, .tooMany, "deployments",
                "\(card.deployments.count) deployments are listed; the bound is \(limits.poolDeploymentsCount).")
            try card.check(names.insert(card.name).inserted, .duplicateName, "name", "the name is taken twice.")
        }
    }

    private func check(_ isGood: Bool, _ code: CardError.Code, _ key: String, _ detail: @autoclosure () -> String)
        throws(CardError)
    {
        if !isGood { throw CardError(code: code, model: name, key: key, detail: detail()) }
    }

    private func validate(_ price: Price) throws(CardError) {
        let members: [(String, Double?)] = [
            ("price.inputPerMTok", price.inputPerMTok), ("price.outputPerMTok", price.outputPerMTok),
            ("price.cachedInputPerMTok", price.cachedInputPerMTok),
        ]
        for case (let key, let value?) in members {
            try check(
                value.isFinite && value >= 0, .badPrice, key,
                "the price is \(value); give USD per 1M tokens, 0 or more, or leave the price out if it is unknown.")
        }
    }

    private func validate(_ deployment: Deployment, at key: String) throws(CardError) {
        try check(
            Self.isName(deployment.id), .badName, "\(key).id",
            "a deployment needs a non-empty id without control characters.")
        try check(
            Self.isName(deployment.upstreamModel), .badName, "\(key).upstreamModel",
            "give the model's name at this address.")
        if let fault = BaseURL.fault(in: deployment.baseURL) {
            try check(false, .badURL, "\(key).baseURL", "\"\(deployment.baseURL)\" \(fault).")
        }
        if let path = deployment.unixSocketPath {
            try check(
                path.utf8.first == UInt8(ascii: "/") && path.utf8.count <= 107 && Self.isName(path), .badURL,
                "\(key).unixSocketPath", "\"\(path)\" is not an absolute path of at most 107 bytes.")
        }
        // The upper bound keeps the sums of the weighted choice far from overflow.
        try check(
            deployment.weight > 0 && deployment.weight <= 1_000_000, .badWeight, "\(key).weight",
            "the weight is \(deployment.weight); give 1 to 1000000, or remove the deployment.")
        if let cap = deployment.maxConcurrent {
            try check(
                cap > 0, .badBound, "\(key).maxConcurrent", "the cap is \(cap); give 1 or more, or leave it out.")
        }
        try validateAccess(deployment, at: key)
        let waits: [(String, Int?)] = [
            ("connect_ms", deployment.timeouts.connect_ms), ("firstByte_ms", deployment.timeouts.firstByte_ms),
            ("idle_ms", deployment.timeouts.idle_ms), ("total_ms", deployment.timeouts.total_ms),
        ]
        for case (let member, let value?) in waits {
            try check(
                value > 0, .badBound, "\(key).timeouts.\(member)", "the bound is \(value); give 1 ms or more.")
        }
    }

    private func validateAccess(_ deployment: Deployment, at key: String) throws(CardError) {
        for (index, secret) in deployment.keys.enumerated() {
            // A key with a line break would let it write header fields of its own.
            try check(
                !secret.exposedValue.isEmpty && secret.exposedValue.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F },
                .badKey, "\(key).keys[\(index)]",
                "the key \"\(secret.label)\" is empty or holds spaces or control characters.")
        }
        if deployment.authentication != .none {
            try check(
                !deployment.keys.isEmpty, .badKey, "\(key).keys",
                "the authentication style \(deployment.authentication.rawValue) needs at least one key.")
        }
        for header in deployment.extraHeaders {
            try check(
                !header.name.isEmpty && header.name.utf8.allSatisfy(Self.isTokenByte), .badHeader,
                "\(key).extraHeaders", "\"\(header.name)\" is not a header name.")
            try check(
                header.value.utf8.allSatisfy { $0 == 9 || ($0 >= 0x20 && $0 != 0x7F) }, .badHeader,
                "\(key).extraHeaders", "the value of \(header.name) holds control characters.")
        }
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    /// RFC 9110 section 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
