extension RoutingEvaluation {
    /// Shares of the strong model's score at which the saving is reported.
    public static let reportedShares = [0.95, 0.98, 1]

    /// One JSON object: `sources` by name, `macro`, `natural` and `equal`. Shares are of 1, differences are of mean
    /// scores (0.01 is a point), `*_95` are the ends of 95 % intervals; what cannot be said is `null`.
    public func json(classifier: String, policy: String, report: OutcomeReport) -> [UInt8] {
        var bytes: [UInt8] = []
        ByteText.append(#"{"rows":"#, to: &bytes)
        ByteText.append(report.rowsCount, to: &bytes)
        ByteText.append(#","left_out":"#, to: &bytes)
        ByteText.append(report.faultsCount, to: &bytes)
        ByteText.append(#","classifier":"#, to: &bytes)
        ByteText.appendQuoted(classifier, to: &bytes)
        ByteText.append(#","policy":"#, to: &bytes)
        ByteText.appendQuoted(policy, to: &bytes)
        ByteText.append(#","sources":{"#, to: &bytes)
        for (index, source) in sources.enumerated() {
            if index > 0 { ByteText.append(",", to: &bytes) }
            ByteText.appendQuoted(source.name, to: &bytes)
            ByteText.append(":", to: &bytes)
            source.appendJSON(to: &bytes)
        }
        ByteText.append(#"},"macro":{"apgr":"#, to: &bytes)
        ByteText.appendFixedOrNull(macroAPGR(), decimals: 6, to: &bytes)
        ByteText.append(#","cpt50":"#, to: &bytes)
        ByteText.appendFixedOrNull(Self.mean(sources.compactMap(\.cpt50)), decimals: 6, to: &bytes)
        ByteText.append(#","cpt80":"#, to: &bytes)
        ByteText.appendFixedOrNull(Self.mean(sources.compactMap(\.cpt80)), decimals: 6, to: &bytes)
        Self.appendSavings(sources.compactMap(\.curve), to: &bytes)
        ByteText.append("}", to: &bytes)
        for mix in MixFigures.Mix.allCases {
            ByteText.append(",", to: &bytes)
            ByteText.appendQuoted(mix.rawValue, to: &bytes)
            ByteText.append(":", to: &bytes)
            Self.append(choices(mix), to: &bytes)
        }
        ByteText.append("}\n", to: &bytes)
        return bytes
    }

    private static func mean(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    fileprivate static func appendSavings(_ curves: [CostCurve], to bytes: inout [UInt8]) {
        for share in reportedShares {
            ByteText.append(#","saved_at_"#, to: &bytes)
            ByteText.append(Int((share * 100).rounded()), to: &bytes)
            ByteText.append(#"":"#, to: &bytes)
            ByteText.appendFixedOrNull(
                mean(curves.map { $0.saved(atShareOfStrong: share) }), decimals: 6, to: &bytes)
        }
    }

    fileprivate static func append(_ figures: MixFigures?, to bytes: inout [UInt8]) {
        guard let figures else { return ByteText.append("null", to: &bytes) }
        ByteText.append(#"{"rows":"#, to: &bytes)
        ByteText.append(figures.rowsCount, to: &bytes)
        ByteText.append(#","difference":"#, to: &bytes)
        ByteText.appendFixed(figures.difference, decimals: 6, to: &bytes)
        ByteText.append(#","difference_95":"#, to: &bytes)
        append(figures.differenceInterval, to: &bytes)
        ByteText.append(#","saved":"#, to: &bytes)
        ByteText.appendFixed(figures.saved, decimals: 6, to: &bytes)
        ByteText.append(#","saved_95":"#, to: &bytes)
        append(figures.savedInterval, to: &bytes)
        ByteText.append(figures.passes ? #","pass":true}"# : #","pass":false}"#, to: &bytes)
    }

    fileprivate static func append(_ interval: ClosedRange<Double>?, to bytes: inout [UInt8]) {
        guard let interval else { return ByteText.append("null", to: &bytes) }
        ByteText.append("[", to: &bytes)
        ByteText.appendFixed(interval.lowerBound, decimals: 6, to: &bytes)
        ByteText.append(",", to: &bytes)
        ByteText.appendFixed(interval.upperBound, decimals: 6, to: &bytes)
        ByteText.append("]", to: &bytes)
    }
}

extension RoutingEvaluation.Source {
    fileprivate func appendJSON(to bytes: inout [UInt8]) {
        ByteText.append(#"{"rows":"#, to: &bytes)
        ByteText.append(rows.count, to: &bytes)
        ByteText.append(#","apgr":"#, to: &bytes)
        ByteText.appendFixedOrNull(apgr, decimals: 6, to: &bytes)
        ByteText.append(#","apgr_95":"#, to: &bytes)
        RoutingEvaluation.append(apgrInterval, to: &bytes)
        ByteText.append(#","cpt50":"#, to: &bytes)
        ByteText.appendFixedOrNull(cpt50, decimals: 6, to: &bytes)
        ByteText.append(#","cpt80":"#, to: &bytes)
        ByteText.appendFixedOrNull(cpt80, decimals: 6, to: &bytes)
        RoutingEvaluation.appendSavings(curve.map { [$0] } ?? [], to: &bytes)
        ByteText.append(#","choices":"#, to: &bytes)
        RoutingEvaluation.append(choices, to: &bytes)
        ByteText.append(#","shares":{"#, to: &bytes)
        for (position, model) in models.enumerated() {
            if position > 0 { ByteText.append(",", to: &bytes) }
            ByteText.appendQuoted(model, to: &bytes)
            ByteText.append(":", to: &bytes)
            ByteText.appendFixed(share(of: position), decimals: 6, to: &bytes)
        }
        ByteText.append("}}", to: &bytes)
    }
}
