import Wire

extension Reason: CustomStringConvertible {
    /// A phrase for people. ASCII without quotes, backslashes or control characters: safe in a header field and,
    /// unescaped, in a JSON string.
    public var description: String {
        var bytes = ByteWriter(capacity: 128)
        appendText(to: &bytes)
        return bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// Appends ``description`` without making a string.
    func appendText(to bytes: inout some (ByteSink & ~Copyable)) {
        switch self {
        case .bestQuality: ByteText.append("best predicted quality", to: &bytes)
        case .cheapestInBand(let band):
            ByteText.append("cheapest within ", to: &bytes)
            ByteText.appendFixed(band, decimals: 4, to: &bytes)
            ByteText.append(" of the best predicted quality", to: &bytes)
        case .bestTrade(let allowedLoss):
            ByteText.append("best trade of quality against cost (calibrated to lose at most ", to: &bytes)
            Self.appendPoints(allowedLoss, to: &bytes)
            ByteText.append(")", to: &bytes)
        case .guaranteed(let promise):
            ByteText.append("guaranteed to lose at most ", to: &bytes)
            Self.appendPoints(promise.loss, to: &bytes)
            ByteText.append(" at ", to: &bytes)
            ByteText.appendFixed(promise.confidence * 100, decimals: 2, to: &bytes)
            ByteText.append(" % confidence", to: &bytes)
        case .noGuarantee(let gap):
            ByteText.append("guarantee: ", to: &bytes)
            Self.append(gap, to: &bytes)
            ByteText.append(", so the strongest tier", to: &bytes)
        case .cascadeTop(let gain):
            ByteText.append("cascade: answers unless cheaper models convince (predicted gain ", to: &bytes)
            ByteText.appendFixed(gain, decimals: 4, to: &bytes)
            ByteText.append(")", to: &bytes)
        case .cascadeGate(let gain):
            ByteText.append("cascade: alone, for the strongest is better by only ", to: &bytes)
            ByteText.appendFixed(gain, decimals: 4, to: &bytes)
        case .guarded(let name):
            ByteText.append("guard ", to: &bytes)
            ByteText.append(name, to: &bytes)
            ByteText.append(", so the strongest tier", to: &bytes)
        case .strongestForLowSupport(let support):
            ByteText.append("classifier unsure (support ", to: &bytes)
            ByteText.appendFixed(support, decimals: 2, to: &bytes)
            ByteText.append("), so the strongest tier", to: &bytes)
        case .pinned: ByteText.append("named by the client", to: &bytes)
        case .belowBand(let shortBy):
            ByteText.append("predicted quality is below the band by ", to: &bytes)
            ByteText.appendFixed(shortBy, decimals: 4, to: &bytes)
        case .dearer(let by_usd):
            ByteText.append("dearer by $", to: &bytes)
            ByteText.appendFixed(by_usd, decimals: 6, to: &bytes)
        case .tied: ByteText.append("as good and as dear, but later in the pool", to: &bytes)
        case .priceUnknown: ByteText.append("price unknown, counted as dearest", to: &bytes)
        case .worseTrade(let shortBy):
            ByteText.append("quality less cost is short by ", to: &bytes)
            ByteText.appendFixed(shortBy, decimals: 4, to: &bytes)
        case .weakerTier: ByteText.append("weaker tier, and nothing vouches for it", to: &bytes)
        default: appendRejection(to: &bytes)
        }
    }

    /// 0.01 as "1 point".
    private static func appendPoints(_ loss: Double, to bytes: inout some (ByteSink & ~Copyable)) {
        ByteText.appendFixed(loss * 100, decimals: 2, to: &bytes)
        ByteText.append(loss == 0.01 ? " point" : " points", to: &bytes)
    }

    fileprivate static func append(_ gap: PolicyTable.Gap, to bytes: inout some (ByteSink & ~Copyable)) {
        switch gap {
        case .noTable: ByteText.append("nothing was calibrated", to: &bytes)
        case .otherWeights: ByteText.append("calibrated for another classifier", to: &bytes)
        case .unknownPool: ByteText.append("this pool was never calibrated", to: &bytes)
        case .changedModels: ByteText.append("a model of the pool has another tier or no price", to: &bytes)
        case .changedPrices: ByteText.append("prices changed since the calibration", to: &bytes)
        case .noPromise: ByteText.append("not calibrated for this promise", to: &bytes)
        case .tooFewRows(let needed, let have):
            ByteText.append("not enough calibration (", to: &bytes)
            ByteText.append(have, to: &bytes)
            ByteText.append(" labelled prompts, at least ", to: &bytes)
            ByteText.append(needed, to: &bytes)
            ByteText.append(" are needed)", to: &bytes)
        case .notProven: ByteText.append("no saving trade was proven to keep it", to: &bytes)
        }
    }

    private func appendRejection(to bytes: inout some (ByteSink & ~Copyable)) {
        switch self {
        case .notAllowed: ByteText.append("not among the models this request may use", to: &bytes)
        case .notRequested: ByteText.append("the client named another model", to: &bytes)
        case .belowFloor(let name, let tier):
            ByteText.append("guard ", to: &bytes)
            ByteText.append(name, to: &bytes)
            ByteText.append(" keeps this request at the ", to: &bytes)
            ByteText.append(tier.name, to: &bytes)
            ByteText.append(" tier or above", to: &bytes)
        case .dialectNotSpoken(let dialect):
            ByteText.append("does not speak ", to: &bytes)
            ByteText.append(dialect.rawValue, to: &bytes)
        case .modalityNotTaken(let missing):
            ByteText.append("does not take", to: &bytes)
            for (name, value) in Modalities.names where missing.contains(value) {
                ByteText.append(" ", to: &bytes)
                ByteText.append(name, to: &bytes)
            }
        case .toolsNotSupported: ByteText.append("does not take tools", to: &bytes)
        case .jsonSchemaNotSupported: ByteText.append("does not follow JSON schemas", to: &bytes)
        case .jsonModeNotSupported: ByteText.append("has no JSON mode", to: &bytes)
        case .contextTooSmall(let neededTokens, let windowTokens):
            ByteText.append("needs ", to: &bytes)
            ByteText.append(neededTokens, to: &bytes)
            ByteText.append(" tokens, window is ", to: &bytes)
            ByteText.append(windowTokens, to: &bytes)
        case .outputTooLong(let askedTokens, let boundTokens):
            ByteText.append("answers at most ", to: &bytes)
            ByteText.append(boundTokens, to: &bytes)
            ByteText.append(" tokens, asked for ", to: &bytes)
            ByteText.append(askedTokens, to: &bytes)
        case .saturated: ByteText.append("has as many requests in flight as it may have", to: &bytes)
        case .coolingDown(let retryAfter_ms):
            ByteText.append("cooling down after failures for ", to: &bytes)
            ByteText.append(retryAfter_ms, to: &bytes)
            ByteText.append(" ms", to: &bytes)
        default: preconditionFailure("a reason without text")
        }
    }
}

extension PolicyTable.Gap: CustomStringConvertible {
    /// A phrase for people.
    public var description: String {
        var bytes: [UInt8] = []
        Reason.append(self, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
