extension RoutingEvaluation {
    /// Cost-quality curves, a chart a source: the router at every price of money and where the policy stands on it,
    /// always-cheap and always-strong, a random mixture of the two, and an oracle that knows the outcomes.
    public func plot(title: String, note: String) -> ChartPage {
        ChartPage(title: title, note: note, charts: sources.compactMap(\.chart))
    }
}

extension RoutingEvaluation.Source {
    /// `nil` when a price is unknown.
    public var chart: Chart? {
        guard let curve, let oracle, let cheap = always(0), curve.strong.cost_usd > 0 else { return nil }
        let place = { (point: CostCurve.Point) in
            (x: point.cost_usd / curve.strong.cost_usd * 100, y: point.quality * 100)
        }
        var marks: [Chart.Mark] = []
        for position in models.indices {
            guard let point = always(position).map(place) else { continue }
            let isEnd = position == 0 || position == models.count - 1
            let label = isEnd ? (position == 0 ? "always cheap" : "always strong") : "always mid"
            marks.append(Chart.Mark("always one model", x: point.x, y: point.y, .black, label: label))
        }
        if let choices {
            let strong = place(curve.strong)
            marks.append(
                Chart.Mark(
                    "policy in force, 95 % intervals", x: (1 - choices.saved) * 100,
                    y: strong.y + choices.difference * 100, .orange,
                    xInterval: (1 - choices.savedInterval.upperBound) * 100...(1 - choices.savedInterval.lowerBound)
                        * 100,
                    yInterval: strong.y + choices.differenceInterval.lowerBound * 100...strong.y
                        + choices.differenceInterval.upperBound * 100))
        }
        // Past its best point an oracle only wastes money.
        let best = oracle.points.max { $0.quality < $1.quality } ?? curve.strong
        let rising = oracle.points.filter { $0.cost_usd <= best.cost_usd }
        return Chart(
            title: name, note: note, xTitle: "cost, % of always strong", yTitle: "mean score, %",
            lines: [
                Chart.Line("router", curve.points.map(place), .blue),
                Chart.Line("oracle", rising.map(place), .green),
                Chart.Line("random", [place(cheap), place(curve.strong)], .grey, isDashed: true),
            ], marks: marks, xRange: 0...100)
    }

    private var note: String {
        var parts = ["\(Figures.count(rows.count)) prompts"]
        if let apgr {
            let interval = apgrInterval.map {
                " [\(Figures.fixed($0.lowerBound, 3)), \(Figures.fixed($0.upperBound, 3))]"
            }
            parts.append("APGR \(Figures.fixed(apgr, 3))\(interval ?? "")")
        }
        if let choices {
            parts.append(
                "policy saves \(Figures.percent(choices.saved)), \(Figures.points(choices.difference)) points")
        }
        return parts.joined(separator: ", ")
    }
}
