import Wire

extension Explanation {
    /// The most parts of the evidence that are written; the rest is one sum.
    private static let shownParts = 24

    /// The explanation as one line of JSON: the receipt, the evidence's strongest parts, and the flips.
    public func json() -> [UInt8] {
        var bytes = ByteWriter(capacity: 8_192)
        ByteText.append(#"{"decision":"#, to: &bytes)
        decision.appendJSON(to: &bytes)
        ByteText.append(#","support":"#, to: &bytes)
        ByteText.appendFixed(support, decimals: 4, to: &bytes)
        ByteText.append(#","support_threshold":"#, to: &bytes)
        ByteText.appendFixedOrNull(supportThreshold, decimals: 4, to: &bytes)
        ByteText.append(#","evidence":"#, to: &bytes)
        if let evidence { Self.append(evidence, to: &bytes) } else { ByteText.append("null", to: &bytes) }
        ByteText.append(#","prompt_flip":"#, to: &bytes)
        if let promptFlip { Self.append(promptFlip, to: &bytes) } else { ByteText.append("null", to: &bytes) }
        ByteText.append(#","edits_tried":"#, to: &bytes)
        ByteText.append(triedEditsCount, to: &bytes)
        ByteText.append(isEveryEditTried ? #","every_edit_tried":true"# : #","every_edit_tried":false"#, to: &bytes)
        ByteText.append(#","policy_flips":["#, to: &bytes)
        for (index, flip) in policyFlips.enumerated() {
            if index > 0 { ByteText.append(",", to: &bytes) }
            flip.append(to: &bytes)
        }
        ByteText.append("]}", to: &bytes)
        return bytes.bytes
    }

    private static func append(_ evidence: Evidence, to bytes: inout ByteWriter) {
        ByteText.append(#"{"stronger":"#, to: &bytes)
        ByteText.appendQuoted(evidence.stronger, to: &bytes)
        ByteText.append(#","weaker":"#, to: &bytes)
        ByteText.appendQuoted(evidence.weaker, to: &bytes)
        for (name, value) in [
            ("gap", evidence.gap), ("baseline", evidence.baseline), ("clamped", evidence.clamped),
            ("rest", evidence.parts.dropFirst(shownParts).reduce(0) { $0 + $1.weight }),
        ] {
            ByteText.append(",\"\(name)\":", to: &bytes)
            ByteText.appendFixed(value, decimals: 6, to: &bytes)
        }
        ByteText.append(#","parts":["#, to: &bytes)
        for (index, part) in evidence.parts.prefix(shownParts).enumerated() {
            ByteText.append(index == 0 ? #"{"kind":""# : #",{"kind":""#, to: &bytes)
            ByteText.append(part.kind.rawValue, to: &bytes)
            ByteText.append(#"","name":"#, to: &bytes)
            ByteText.appendQuoted(part.name, to: &bytes)
            ByteText.append(#","weight":"#, to: &bytes)
            ByteText.appendFixed(part.weight, decimals: 6, to: &bytes)
            ByteText.append(#","value":"#, to: &bytes)
            ByteText.appendFixed(part.value, decimals: 4, to: &bytes)
            ByteText.append("}", to: &bytes)
        }
        ByteText.append("]}", to: &bytes)
    }

    private static func append(_ flip: PromptFlip, to bytes: inout ByteWriter) {
        ByteText.append(#"{"take_out":""#, to: &bytes)
        ByteText.append(flip.edit.kind.rawValue, to: &bytes)
        ByteText.append(#"","text":"#, to: &bytes)
        ByteText.appendQuoted(flip.edit.text, to: &bytes)
        ByteText.append(#","ranges":["#, to: &bytes)
        for (index, range) in flip.edit.ranges.enumerated() {
            ByteText.append(index == 0 ? "[" : ",[", to: &bytes)
            ByteText.append(range.lowerBound, to: &bytes)
            ByteText.append(",", to: &bytes)
            ByteText.append(range.upperBound, to: &bytes)
            ByteText.append("]", to: &bytes)
        }
        ByteText.append(#"],"model":"#, to: &bytes)
        ByteText.appendQuoted(flip.model, to: &bytes)
        ByteText.append(#","reason":""#, to: &bytes)
        flip.reason.appendText(to: &bytes)
        ByteText.append(#""}"#, to: &bytes)
    }
}

extension PolicyFlip {
    /// Name, the model that it is about, and the values of a change.
    public var parts: (name: String, subject: String?, from: Double?, to: Double?) {
        switch change {
        case .costWeight_perUSD(let from, let to): ("cost_weight_per_usd", nil, from, to)
        case .margin(let from, let to): ("margin", nil, from, to)
        case .band(let from, let to): ("band", nil, from, to)
        case .quality(let model, let from, let to): ("quality", model, from, to)
        case .cost_usd(let model, let from, let to): ("cost_usd", model, from, to)
        case .supportThreshold(let from, let to): ("support_threshold", nil, from, to)
        case .mode(let mode): ("mode", mode.rawValue, nil, nil)
        case .withoutPromise: ("without_promise", nil, nil, nil)
        case .withoutGuards: ("without_guards", nil, nil, nil)
        }
    }

    fileprivate func append(to bytes: inout ByteWriter) {
        let parts = parts
        ByteText.append(#"{"change":""#, to: &bytes)
        ByteText.append(parts.name, to: &bytes)
        ByteText.append(#"","of":"#, to: &bytes)
        ByteText.appendQuotedOrNull(parts.subject, to: &bytes)
        ByteText.append(#","from":"#, to: &bytes)
        ByteText.appendFixedOrNull(parts.from, decimals: 9, to: &bytes)
        ByteText.append(#","to":"#, to: &bytes)
        ByteText.appendFixedOrNull(parts.to, decimals: 9, to: &bytes)
        ByteText.append(#","model":"#, to: &bytes)
        ByteText.appendQuoted(model, to: &bytes)
        ByteText.append("}", to: &bytes)
    }
}
