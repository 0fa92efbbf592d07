extension LogReport {
    /// The report as text for a terminal, lines of at most some 110 columns when names are short.
    public func table() -> String {
        var lines = modelTable()
        lines.append("")
        lines.append(savingLine)
        lines.append(failureLine)
        lines.append(contentsOf: latencyLines)
        if shadowsCount > 0 {
            let cost = shadowCost_usd.map(Figures.money) ?? "unknown"
            lines.append("Shadow comparisons: \(Figures.count(shadowsCount)), not part of the above; cost \(cost).")
        }
        if damagedCount > 0 {
            let places = damagedLines.map(String.init).joined(separator: ", ") + (damagedCount > 20 ? ", ..." : "")
            lines.append("Damaged lines left out: \(Figures.count(damagedCount)) (at \(places)).")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func modelTable() -> [String] {
        var rows = [["model", "requests", "prompt", "completion", "cached", "cost", "always-strong", "saved"]]
        rows += modelsByCost.map { Self.row($0.name.printable, $0.sums) }
        rows.append(Self.row("total", total))
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
        let texts = rows.map { row in
            zip(row, widths).enumerated().map { column, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + padding : padding + cell.0
            }.joined(separator: "  ")
        }
        let rule = String(repeating: "-", count: widths.reduce(2 * (widths.count - 1), +))
        return [texts[0], rule] + texts[1..<(texts.count - 1)] + [rule, texts[texts.count - 1]]
    }

    private static func row(_ name: String, _ sums: Sums) -> [String] {
        // A sum that leaves requests out says so; one that leaves all out is no number.
        let cost =
            sums.unknownCostCount == 0
            ? Figures.money(sums.cost_usd)
            : sums.unknownCostCount == sums.requestsCount ? "unknown" : Figures.money(sums.cost_usd) + "+?"
        let isComparable = sums.comparableCount > 0
        return [
            name, Figures.count(sums.requestsCount), Figures.count(sums.promptTokens),
            Figures.count(sums.completionTokens), Figures.count(sums.cachedTokens), cost,
            isComparable ? Figures.money(sums.baseline_usd) : "unknown",
            isComparable ? Figures.money(sums.saving_usd) : "unknown",
        ]
    }

    /// The saving in one sentence.
    var savingLine: String {
        guard total.comparableCount > 0 else {
            return "Saving against always-strong: unknown, no request has both a cost and a baseline."
        }
        let share = total.baseline_usd > 0 ? " (\(Figures.percent(total.saving_usd / total.baseline_usd)))" : ""
        let missing = total.requestsCount - total.comparableCount
        let scope =
            missing == 0
            ? "all \(Figures.count(total.requestsCount)) requests"
            : "\(Figures.count(total.comparableCount)) of \(Figures.count(total.requestsCount)) requests; the others' "
                + "cost or baseline is unknown"
        return "Saving against always-strong: \(Figures.money(total.saving_usd)) of "
            + "\(Figures.money(total.baseline_usd))\(share), over \(scope)."
    }

    private var failureLine: String {
        let failed = failures.values.reduce(0, +)
        let failover = "Failovers: \(Figures.count(failoversCount))."
        guard failed > 0 else { return "Failures: none. \(failover)" }
        let labels = failures.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\($0.key.printable) \(Figures.count($0.value))" }.joined(separator: ", ")
        let share = Figures.percent(Double(failed) / Double(total.requestsCount))
        return "Failures: \(Figures.count(failed)) (\(share)): \(labels). \(failover)"
    }

    private var latencyLines: [String] {
        [("Latency", latencyPercentiles), ("First byte", firstBytePercentiles)].compactMap { name, percentiles in
            percentiles.map { values in
                "\(name) in ms: p50 \(Figures.milliseconds(values.p50_ms)), p90 \(Figures.milliseconds(values.p90_ms)),"
                    + " p99 \(Figures.milliseconds(values.p99_ms)), max \(Figures.milliseconds(values.max_ms))."
            }
        }
    }
}
