public import Wire

/// What a request asks of a model, as far as the hard filters and the cost estimate go.
public struct Requirements: Sendable, Hashable {
    /// The API the client speaks.
    public var dialect: Dialect
    /// Estimated prompt tokens.
    public var inputTokens: Int
    /// The client's bound on the answer; `nil` when it set none.
    public var maxOutputTokens: Int?
    /// Kinds of input the request holds.
    public var modalities: Modalities
    /// Holds tool definitions.
    public var needsTools: Bool
    /// Asks for a JSON object.
    public var needsJSONMode: Bool
    /// Asks for an answer that follows a schema.
    public var needsJSONSchema: Bool

    /// Requirements put together by hand, for embedders without a request body and for tests.
    public init(
        dialect: Dialect, inputTokens: Int, maxOutputTokens: Int? = nil, modalities: Modalities = .text,
        needsTools: Bool = false, needsJSONMode: Bool = false, needsJSONSchema: Bool = false
    ) {
        self.dialect = dialect
        self.inputTokens = inputTokens
        self.maxOutputTokens = maxOutputTokens
        self.modalities = modalities
        self.needsTools = needsTools
        self.needsJSONMode = needsJSONMode
        self.needsJSONSchema = needsJSONSchema
    }

    /// What `request` asks for.
    public init(_ request: borrowing RequestView) {
        var modalities = Modalities.text
        if request.imageCount > 0 { modalities.insert(.image) }
        if request.audioCount > 0 { modalities.insert(.audio) }
        if request.fileCount > 0 { modalities.insert(.file) }
        self.init(
            dialect: request.dialect, inputTokens: request.estimatedInputTokens,
            maxOutputTokens: request.maxOutputTokens, modalities: modalities, needsTools: request.toolCount > 0,
            needsJSONMode: request.needsJSONMode, needsJSONSchema: request.needsJSONSchema)
    }

    /// Why `card` cannot take the request; `nil` when it can. Checks run from what no setting can change to what
    /// passes with time, so that the reason named is the one to act on.
    public func rejection(of card: borrowing ModelCard) -> Reason? {
        if !card.dialects.contains(dialect) { return .dialectNotSpoken(dialect) }
        let missing = modalities.subtracting(card.modalities).subtracting(.text)
        if !missing.isEmpty { return .modalityNotTaken(missing) }
        if needsTools && !card.supportsTools { return .toolsNotSupported }
        if needsJSONSchema && !card.supportsJSONSchema { return .jsonSchemaNotSupported }
        if needsJSONMode && !card.supportsJSONMode && !card.supportsJSONSchema { return .jsonModeNotSupported }
        if let asked = maxOutputTokens, let bound = card.maxOutputTokens, asked > bound {
            return .outputTooLong(askedTokens: asked, boundTokens: bound)
        }
        // Without a bound from the client one token of room is all that can be asked for: how long the answer will
        // be is unknown, and refusing a request that may fit is worse than a short answer.
        let (needed, isTooLarge) = inputTokens.addingReportingOverflow(maxOutputTokens ?? 1)
        if isTooLarge || needed > card.contextWindowTokens {
            return .contextTooSmall(neededTokens: isTooLarge ? .max : needed, windowTokens: card.contextWindowTokens)
        }
        return nil
    }
}
