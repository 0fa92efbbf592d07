import DemoSupport
import RouterKit

extension RoutingEvaluation {
    /// The figures for a terminal.
    func table() -> String {
        var table = TextTable(
            ["source", "rows", "APGR", "95 %", "CPT50", "CPT80", "at 95 %", "98 %", "100 %", "saved", "points", "PASS"])
        for source in sources {
            var row = [source.name, String(source.rows.count), source.apgr?.fixed(3) ?? "-"]
            row.append(source.apgrInterval.map { "\($0.lowerBound.fixed(2))-\($0.upperBound.fixed(2))" } ?? "-")
            row += [source.cpt50, source.cpt80].map { $0?.percent ?? "-" }
            row += Self.reportedShares.map { source.curve?.saved(atShareOfStrong: $0).percent ?? "-" }
            table.add(row + Self.cells(source.choices))
        }
        var lines = [table.text, ""]
        if let apgr = macroAPGR() { lines.append("macro APGR \(apgr.fixed(3)), \(sources.count) sources") }
        for mix in MixFigures.Mix.allCases {
            guard let figures = choices(mix) else { continue }
            let (low, high) = (figures.differenceInterval.lowerBound, figures.differenceInterval.upperBound)
            let interval = "[\((low * 100).fixed(2)), \((high * 100).fixed(2))]"
            let points = (figures.difference * 100).fixed(2)
            lines.append(
                "\(mix.rawValue) mix: saved \(figures.saved.percent), \(points) points \(interval) "
                    + (figures.passes ? "PASS" : "FAIL"))
        }
        lines += [
            "",
            "CPT50/80: calls to the strong model that recover 50/80 % of the gap. at 95/98/100 %: most that can be saved",
            "at that share of the strong model's score, its price of money chosen on these rows. saved, points, PASS: what",
            "the policy's own choices do; PASS: less than a point lost and a 95 % interval that reaches 0.",
        ]
        return lines.joined(separator: "\n")
    }

    private static func cells(_ figures: MixFigures?) -> [String] {
        guard let figures else { return ["-", "-", "-"] }
        return [figures.saved.percent, (figures.difference * 100).fixed(2), figures.passes ? "yes" : "no"]
    }
}

extension Double {
    /// A share of 1 as per cent, one decimal.
    fileprivate var percent: String { (self * 100).fixed(1) + " %" }
}
