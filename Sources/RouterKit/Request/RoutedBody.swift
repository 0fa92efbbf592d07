import Wire

extension RequestView {
    /// The body to send upstream: the client's bytes, with only the values below changed.
    ///
    /// - Parameters:
    ///   - upstreamModel: replaces the value of `model`.
    ///   - overrides: each replaces the value of its top-level member, or is inserted as the first member when the
    ///     client did not send it. A member that the client sent twice is replaced twice, whichever one counts.
    ///   - requestUsage: whether to ask for the usage chunk in a streamed Chat Completions or Completions request that
    ///     does not ask for it. The caller must then keep that chunk from the client: see `includesUsage`.
    public func body(
        routedTo upstreamModel: String, overrides: [ParameterOverride] = [], requestUsage: Bool = false
    ) -> [UInt8] {
        var splice = JSONSplice()
        var quoted: [UInt8] = []
        JSONText.appendQuoted(upstreamModel, to: &quoted)
        splice.replace(modelRange, with: quoted)
        var inserted: [UInt8] = []
        var overridesStreamOptions = false
        for override in Self.lastOfEachKey(overrides) {
            if override.key == "stream_options" { overridesStreamOptions = true }
            var isPresent = false
            for member in document.members(named: override.key) {
                splice.replace(member.valueRange, with: override.json)
                isPresent = true
            }
            if !isPresent { Self.append(override.key, override.json, to: &inserted) }
        }
        if requestUsage, stream, !overridesStreamOptions, dialect == .chatCompletions || dialect == .completions {
            usageOption.ask(in: body, &splice, &inserted)
        }
        if !inserted.isEmpty { splice.insert(inserted, at: document.range.lowerBound + 1) }
        return splice.apply(to: body)
    }

    /// The same request for an answer in one piece; options of a stream go too, because OpenAI refuses them then.
    func unstreamed(limits: Limits) throws(RequestError) -> RequestView {
        guard stream else { return self }
        var splice = JSONSplice()
        for (key, json) in [("stream", "false"), ("stream_options", "null")] {
            for member in document.members(named: key) { splice.replace(member.valueRange, with: Array(json.utf8)) }
        }
        return try RequestView(splice.apply(to: body), dialect: dialect, limits: limits)
    }

    /// Appends `"key":json,`: what is inserted always stands before `model`, so that a comma always follows.
    private static func append(_ key: String, _ json: [UInt8], to inserted: inout [UInt8]) {
        JSONText.appendQuoted(key, to: &inserted)
        inserted.append(UInt8(ascii: ":"))
        inserted.append(contentsOf: json)
        inserted.append(UInt8(ascii: ","))
    }

    /// The overrides in effect: of two for one key the later one.
    private static func lastOfEachKey(_ overrides: [ParameterOverride]) -> [ParameterOverride] {
        guard overrides.count > 1 else { return overrides }
        return overrides.enumerated().filter { index, override in
            !overrides[(index + 1)...].contains { $0.key == override.key }
        }.map(\.element)
    }
}
