import RouterKit

extension Run {
    /// Name and page of every picture.
    var pictures: [(name: String, page: ChartPage)] {
        [("routing-curves", curvesPage)] + (cascadePage.map { [("routing-cascade", $0)] } ?? [])
            + (curves.isEmpty ? [] : [("routing-learning", learningPage)])
    }

    private var learningPage: ChartPage {
        let charts = curves.map { curve in
            let shipped = evaluation.sources.first { $0.name == curve.source }?.apgr
            let ends = [curve.points.first?.labelsCount ?? 0, curve.points.last?.labelsCount ?? 1].map(Double.init)
            var lines = [
                Chart.Line("own labels only", curve.points.map { (x: Double($0.labelsCount), y: $0.apgr) }, .blue)
            ]
            if let shipped {
                lines.append(Chart.Line("shipped weights", ends.map { (x: $0, y: shipped) }, .grey, isDashed: true))
            }
            let marks = curve.points.map {
                Chart.Mark("worst to best draw", x: Double($0.labelsCount), y: $0.apgr, .blue, yInterval: $0.range)
            }
            return Chart(
                title: curve.source, xTitle: "own labelled prompts", yTitle: "APGR", lines: lines, marks: marks,
                xRange: 0...Double(LearningCurve.sizes.last ?? 1))
        }
        return ChartPage(
            title: "What own labels are worth", note: "trained on nothing else, measured on the source's dev rows",
            charts: charts)
    }

    private var curvesPage: ChartPage {
        evaluation.plot(
            title: "Cost and quality of routing, dev rows",
            note: "classifier \(classifier.version); the policy's thresholds come from dev rows")
    }

    /// Both cascades beside the router that only reads prompts.
    private var cascadePage: ChartPage? {
        guard let source = evaluation.sources.first(where: { $0.name == "mmlu_pro" }), let curve = source.curve,
            !cascades.isEmpty
        else { return nil }
        let strong = curve.strong
        // Below the middle model nobody wants to be: leaving it out lets the rest be seen.
        let floor = source.always(1).map { $0.quality * 100 - 1 } ?? 0
        let routed = curve.points.map { (x: $0.cost_usd / strong.cost_usd * 100, y: $0.quality * 100) }
            .filter { $0.y >= floor }
        let inks: [Chart.Ink] = [.violet, .green]
        let lines = zip(cascades, inks).map { cascade, ink in
            Chart.Line(
                "\(cascade.name) + flash agree",
                cascade.curve.map {
                    (x: (1 - $0.effect.saved) * 100, y: (strong.quality - $0.effect.loss) * 100)
                },
                ink)
        }
        let marks = zip(cascades, inks).compactMap { cascade, ink in
            cascade.ungated.map { figures in
                Chart.Mark(
                    "", x: (1 - figures.saved) * 100, y: (strong.quality + figures.difference) * 100, ink,
                    yInterval: (strong.quality + figures.differenceInterval.lowerBound)
                        * 100...(strong.quality
                        + figures.differenceInterval.upperBound) * 100,
                    label: "no gate")
            }
        }
        let models = source.models.indices.dropFirst().compactMap { position in
            source.always(position).map {
                Chart.Mark(
                    "always one model", x: $0.cost_usd / strong.cost_usd * 100, y: $0.quality * 100, .black,
                    label: position == 1 ? "always flash" : "always pro")
            }
        }
        return ChartPage(
            title: "Cascades on MMLU-Pro", note: "every call is paid for; bars are 95 % intervals",
            charts: [
                Chart(
                    title: "Answers say more than prompts", note: "the gate sends easy prompts to flash alone",
                    xTitle: "cost, % of always pro", yTitle: "mean score, %",
                    lines: lines + [Chart.Line("router, prompts only", routed, .blue)], marks: models + marks,
                    xRange: 0...100)
            ])
    }
}
