public import Wire

extension Decision {
    /// The receipt as one line of JSON, members in a fixed order.
    public func json() -> [UInt8] {
        var bytes = ByteWriter(capacity: 2_048)
        appendJSON(to: &bytes)
        return bytes.bytes
    }

    /// Appends ``json()``.
    public func appendJSON(to bytes: inout some (ByteSink & ~Copyable)) {
        ByteText.append(#"{"id":"#, to: &bytes)
        ByteText.appendQuoted(requestID, to: &bytes)
        ByteText.append(#","time_ms":"#, to: &bytes)
        ByteText.append(time_unix_ms, to: &bytes)
        ByteText.append(#","dialect":""#, to: &bytes)
        ByteText.append(dialect.rawValue, to: &bytes)
        ByteText.append(#"","mode":""#, to: &bytes)
        ByteText.append(mode.rawValue, to: &bytes)
        ByteText.append(#"","requested":"#, to: &bytes)
        ByteText.appendQuoted(requestedModel, to: &bytes)
        ByteText.append(#","chosen":"#, to: &bytes)
        ByteText.appendQuoted(chosenModel, to: &bytes)
        ByteText.append(#","served":"#, to: &bytes)
        ByteText.appendQuotedOrNull(servedModel, to: &bytes)
        ByteText.append(#","reason":""#, to: &bytes)
        appendReason(to: &bytes)
        ByteText.append(#"","difficulty":"#, to: &bytes)
        ByteText.appendFixedOrNull(difficulty, decimals: 4, to: &bytes)
        ByteText.append(#","support":"#, to: &bytes)
        ByteText.appendFixedOrNull(support, decimals: 4, to: &bytes)
        appendSignals(to: &bytes)
        appendCandidates(to: &bytes)
        appendAttempts(to: &bytes)
        appendCascade(to: &bytes)
        ByteText.append(#","policy_hash":""#, to: &bytes)
        ByteText.append(policyHash, to: &bytes)
        ByteText.append(#"","classifier":"#, to: &bytes)
        ByteText.appendQuoted(classifierVersion, to: &bytes)
        ByteText.append(#","decision_us":"#, to: &bytes)
        ByteText.appendFixed(Double(decisionTime_ns) / 1_000, decimals: 3, to: &bytes)
        ByteText.append("}", to: &bytes)
    }

    private func appendSignals(to bytes: inout some (ByteSink & ~Copyable)) {
        ByteText.append(#","signals":["#, to: &bytes)
        for (index, signal) in signals.enumerated() {
            ByteText.append(index == 0 ? #"{"name":"# : #",{"name":"#, to: &bytes)
            ByteText.appendQuoted(signal.name, to: &bytes)
            ByteText.append(#","weight":"#, to: &bytes)
            ByteText.appendFixed(signal.weight, decimals: 4, to: &bytes)
            ByteText.append(#","value":"#, to: &bytes)
            ByteText.appendFixed(signal.value, decimals: 4, to: &bytes)
            ByteText.append("}", to: &bytes)
        }
        ByteText.append("]", to: &bytes)
    }

    private func appendCandidates(to bytes: inout some (ByteSink & ~Copyable)) {
        ByteText.append(#","candidates":["#, to: &bytes)
        var isFirst = true
        for candidate in plan.candidates {
            Self.append(candidate, isFirst: isFirst, to: &bytes)
            isFirst = false
        }
        for candidate in plan.rejected { Self.append(candidate, isFirst: false, to: &bytes) }
        ByteText.append("]", to: &bytes)
    }

    private static func append(_ candidate: Candidate, isFirst: Bool, to bytes: inout some (ByteSink & ~Copyable)) {
        ByteText.append(isFirst ? #"{"model":"# : #",{"model":"#, to: &bytes)
        ByteText.appendQuoted(candidate.model, to: &bytes)
        ByteText.append(#","tier":""#, to: &bytes)
        ByteText.append(candidate.tier.name, to: &bytes)
        ByteText.append(#"","quality":"#, to: &bytes)
        ByteText.appendFixedOrNull(candidate.quality, decimals: 4, to: &bytes)
        ByteText.append(#","cost_usd":"#, to: &bytes)
        ByteText.appendFixedOrNull(candidate.cost_usd, decimals: 9, to: &bytes)
        ByteText.append(candidate.reason.isRejection ? #","accepted":false"# : #","accepted":true"#, to: &bytes)
        ByteText.append(#","why":""#, to: &bytes)
        ByteText.append(candidate.reason.label, to: &bytes)
        ByteText.append(#"","reason":""#, to: &bytes)
        candidate.reason.appendText(to: &bytes)
        ByteText.append(#""}"#, to: &bytes)
    }

    private func appendCascade(to bytes: inout some (ByteSink & ~Copyable)) {
        guard let cascade else { return }
        ByteText.append(#","cascade":{"verdict":""#, to: &bytes)
        ByteText.append(cascade.verdict.rawValue, to: &bytes)
        ByteText.append(#"","evidence":"#, to: &bytes)
        ByteText.appendFixedOrNull(cascade.evidence, decimals: 4, to: &bytes)
        ByteText.append(#","calls":["#, to: &bytes)
        for (index, call) in cascade.calls.enumerated() {
            ByteText.append(index == 0 ? #"{"model":"# : #",{"model":"#, to: &bytes)
            ByteText.appendQuoted(call.model, to: &bytes)
            if let usage = call.usage {
                ByteText.append(#","prompt":"#, to: &bytes)
                ByteText.append(usage.promptTokens, to: &bytes)
                ByteText.append(#","completion":"#, to: &bytes)
                ByteText.append(usage.completionTokens, to: &bytes)
            }
            ByteText.append(#","cost_usd":"#, to: &bytes)
            ByteText.appendFixedOrNull(call.cost_usd, decimals: 9, to: &bytes)
            ByteText.append("}", to: &bytes)
        }
        ByteText.append("]}", to: &bytes)
    }

    private func appendAttempts(to bytes: inout some (ByteSink & ~Copyable)) {
        ByteText.append(#","attempts":["#, to: &bytes)
        for (index, attempt) in attempts.enumerated() {
            ByteText.append(index == 0 ? #"{"model":"# : #",{"model":"#, to: &bytes)
            ByteText.appendQuoted(attempt.model, to: &bytes)
            ByteText.append(#","deployment":"#, to: &bytes)
            ByteText.appendQuoted(attempt.deployment, to: &bytes)
            ByteText.append(#","status":"#, to: &bytes)
            if let status = attempt.status {
                ByteText.append(status, to: &bytes)
            } else {
                ByteText.append("null", to: &bytes)
            }
            ByteText.append(#","latency_ms":"#, to: &bytes)
            ByteText.appendFixed(attempt.latency_ms, decimals: 3, to: &bytes)
            ByteText.append(#","error":"#, to: &bytes)
            ByteText.appendQuotedOrNull(attempt.errorLabel, to: &bytes)
            ByteText.append("}", to: &bytes)
        }
        ByteText.append("]", to: &bytes)
    }
}
