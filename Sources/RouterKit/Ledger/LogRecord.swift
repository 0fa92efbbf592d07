public import Wire

/// What the decision log keeps of one request: one line of JSON.
public struct LogRecord: Sendable {
    /// The outcome of a request that ended well; every other label counts as a failure in reports.
    public static let goodOutcome = "ok"

    /// The receipt.
    public var decision: Decision
    /// The status that the client got; `nil` when it was gone before there was one.
    public var status: Int?
    /// How the request ended, a bounded label: ``goodOutcome`` or the name of a failure.
    public var outcome: String
    /// Whether the answer was streamed.
    public var stream: Bool
    /// Name of the client's key; `nil` without client keys.
    public var client: String?
    /// Tokens as the provider counted them; `nil` when it did not say.
    public var usage: TokenUsage?
    /// What it cost in USD; `nil` when usage or price are unknown.
    public var cost_usd: Double?
    /// What "always the strongest" would have cost for the same tokens (``Plan/alwaysStrong``); `nil` when unknown.
    public var baseline_usd: Double?
    /// From the request's arrival to the answer's last byte, in milliseconds.
    public var latency_ms: Double
    /// From the request's arrival to the answer's first body byte, in milliseconds; `nil` when there was none.
    public var firstByte_ms: Double?
    /// What the human asked, only when the operator wants prompts kept. Cut at `Limits.logPromptBytes`.
    public var prompt: String?

    /// A record; see the properties.
    public init(
        decision: Decision, status: Int?, outcome: String, stream: Bool, client: String? = nil,
        usage: TokenUsage? = nil, cost_usd: Double? = nil, baseline_usd: Double? = nil, latency_ms: Double,
        firstByte_ms: Double? = nil, prompt: String? = nil
    ) {
        self.decision = decision
        self.status = status
        self.outcome = outcome
        self.stream = stream
        self.client = client
        self.usage = usage
        self.cost_usd = cost_usd
        self.baseline_usd = baseline_usd
        self.latency_ms = latency_ms
        self.firstByte_ms = firstByte_ms
        self.prompt = prompt
    }

    /// Appends the record as one line, the line feed included; members in a fixed order.
    func appendLine(to bytes: inout some (ByteSink & ~Copyable), limits: Limits) {
        ByteText.append(#"{"v":1,"time_ms":"#, to: &bytes)
        ByteText.append(decision.time_unix_ms, to: &bytes)
        ByteText.append(#","model":"#, to: &bytes)
        ByteText.appendQuotedOrNull(decision.servedModel, to: &bytes)
        ByteText.append(#","status":"#, to: &bytes)
        if let status { ByteText.append(status, to: &bytes) } else { ByteText.append("null", to: &bytes) }
        ByteText.append(#","outcome":"#, to: &bytes)
        ByteText.appendQuoted(outcome, to: &bytes)
        ByteText.append(stream ? #","stream":true,"client":"# : #","stream":false,"client":"#, to: &bytes)
        ByteText.appendQuotedOrNull(client, to: &bytes)
        ByteText.append(#","latency_ms":"#, to: &bytes)
        ByteText.appendFixed(latency_ms, decimals: 3, to: &bytes)
        ByteText.append(#","first_byte_ms":"#, to: &bytes)
        ByteText.appendFixedOrNull(firstByte_ms, decimals: 3, to: &bytes)
        appendUsage(to: &bytes)
        ByteText.append(#","cost_usd":"#, to: &bytes)
        ByteText.appendFixedOrNull(cost_usd, decimals: 9, to: &bytes)
        ByteText.append(#","baseline_usd":"#, to: &bytes)
        ByteText.appendFixedOrNull(baseline_usd, decimals: 9, to: &bytes)
        if let prompt {
            ByteText.append(#","prompt":"#, to: &bytes)
            ByteText.appendQuoted(prompt.cut(toBytes: limits.logPromptBytes), to: &bytes)
        }
        ByteText.append(#","route":"#, to: &bytes)
        decision.appendJSON(to: &bytes)
        ByteText.append("}\n", to: &bytes)
    }

    private func appendUsage(to bytes: inout some (ByteSink & ~Copyable)) {
        guard let usage else { return ByteText.append(#","usage":null"#, to: &bytes) }
        ByteText.append(#","usage":{"prompt":"#, to: &bytes)
        ByteText.append(usage.promptTokens, to: &bytes)
        ByteText.append(#","completion":"#, to: &bytes)
        ByteText.append(usage.completionTokens, to: &bytes)
        ByteText.append(#","cached":"#, to: &bytes)
        ByteText.append(usage.cachedTokens, to: &bytes)
        ByteText.append(#","reasoning":"#, to: &bytes)
        ByteText.append(usage.reasoningTokens, to: &bytes)
        ByteText.append("}", to: &bytes)
    }
}

extension String {
    /// At most `bound` bytes of UTF-8, without half a character at the end.
    fileprivate func cut(toBytes bound: Int) -> String {
        guard utf8.count > bound else { return self }
        var end = utf8.index(startIndex, offsetBy: bound)
        while end > startIndex, !isScalarBoundary(end) { end = utf8.index(before: end) }
        return String(self[..<end])
    }

    private func isScalarBoundary(_ index: Index) -> Bool {
        index == endIndex || !(0x80..<0xC0).contains(utf8[index])
    }
}
