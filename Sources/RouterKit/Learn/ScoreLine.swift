extension OutcomeRouter.Routed {
    /// Appends the decision as a line of JSON:
    /// `{"id", "quality": {tier: predicted success}, "support", "choice": model's name, "reason"}`.
    ///
    /// - Parameter id: the row's; an empty one is written as `null`.
    public func appendScoreLine(id: String, pool: OutcomePool, to bytes: inout [UInt8]) {
        ByteText.append(#"{"id":"#, to: &bytes)
        ByteText.appendQuotedOrNull(id.isEmpty ? nil : id, to: &bytes)
        ByteText.append(#","quality":{"#, to: &bytes)
        for (index, member) in pool.members.enumerated() {
            ByteText.append(index == 0 ? #"""# : #",""#, to: &bytes)
            ByteText.append(member.tier.name, to: &bytes)
            ByteText.append(#"":"#, to: &bytes)
            ByteText.appendFixed(predicted[index], decimals: 6, to: &bytes)
        }
        ByteText.append(#"},"support":"#, to: &bytes)
        ByteText.appendFixed(assessment.support, decimals: 6, to: &bytes)
        ByteText.append(#","choice":"#, to: &bytes)
        ByteText.appendQuoted(plan.chosen.model, to: &bytes)
        ByteText.append(#","reason":""#, to: &bytes)
        plan.chosen.reason.appendText(to: &bytes)
        ByteText.append("\"}\n", to: &bytes)
    }
}
