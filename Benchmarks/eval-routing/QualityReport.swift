import BenchSupport
import Foundation
import RouterKit

/// The report for a sceptic: what was measured, how, with which uncertainty, and what speaks against it.
struct QualityReport {
    private let run: Run
    private let metrics: [String: Double]

    init(_ run: Run, _ metrics: [String: Double]) {
        self.run = run
        self.metrics = metrics
    }

    var text: String {
        let parts = [
            head, targets, ranking, tiers, sources, guarantee, leaveOneOut, learning, cascade, method, caveats,
            ceilings,
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
    }

    // MARK: Parts

    private var head: String {
        """
        # How good the routing is

        Made by `make eval-routing` from \(run.data.train.count) train and \(run.data.dev.count) dev rows of real outcomes; \
        \(Machine.current()). Classifier `\(run.classifier.version)`. All figures are of the dev rows, which no weight was \
        trained on. What was calibrated on dev is said so, and stands beside a figure that was not.
        """
    }

    private var targets: String {
        let wanted: [(String, String, Double)] = [
            ("apgr_macro", "APGR, mean of the seven sources that may train", 0.64),
            ("apgr_routellm_mmlu", "APGR, RouteLLM's MMLU pair", 0.67),
            ("apgr_routellm_gsm8k", "APGR, RouteLLM's GSM8K pair", 0.76),
            ("apgr_llmrouter", "APGR, llmrouter", 0.71),
            ("saved_natural", "saved, three tiers, natural mix", 0.32),
            ("saved_equal", "saved, sources weighted equally", 0.18),
            ("saved_mmlu_pro", "saved, MMLU-Pro pool", 0.42),
            ("cascade_saved_at_no_loss", "saved by a cascade at no loss, MMLU-Pro", 0.40),
            ("loso_worst_loss_points", "worst loss in points on a source never seen, one point promised", 1),
            ("guarantee_held_of_200", "calibrations of 200 that kept their promise", 190),
        ]
        var table = MarkdownTable(["figure", "measured", "target", ""])
        for (key, title, target) in wanted {
            guard let value = metrics[key] else {
                table.add([title, "not measured", target.short, ""])
                continue
            }
            let pass = metrics["pass_" + key.dropFirst("saved_".count)]
            let passes = pass.map { $0 == 1 ? ", PASS" : ", FAIL" } ?? ""
            let isMet = key == "loso_worst_loss_points" ? value <= target : value >= target
            table.add([title, value.short + passes, target.short, isMet ? "met" : "**missed**"])
        }
        return "## Against the targets\n\n" + table.text
    }

    private var ranking: String {
        var table = MarkdownTable(["router"] + Outcomes.shippable + ["mean"])
        let learned = Outcomes.shippable.map { name in run.evaluation.sources.first { $0.name == name } }
        table.add(
            ["**\(run.classifier.version)**"] + learned.map { $0?.apgr?.fixed(3) ?? "-" }
                + [metrics["apgr_macro"]?.fixed(3) ?? "-"])
        table.add(
            ["95 % interval"]
                + learned.map { source in
                    source?.apgrInterval.map { "\($0.lowerBound.fixed(2))-\($0.upperBound.fixed(2))" } ?? "-"
                } + [""])
        for baseline in run.rankings {
            let values = Outcomes.shippable.map { name in
                baseline.apgr(run.data.dev(of: name), run.data.tiers[name]!)?.value
            }
            let known = values.compactMap(\.self)
            table.add(
                [baseline.name] + values.map { $0?.fixed(3) ?? "-" }
                    + [(known.reduce(0, +) / Double(max(1, known.count))).fixed(3)])
        }
        return """
            ## Who needs the strong model? (APGR)

            Average performance gap recovered between the cheapest and the strongest model of each source's pool as more and \
            more prompts go to the strong one, in the order of the predicted gain. 0.5 is what a coin recovers.

            \(table.text)
            """
    }

    private var tiers: String {
        let row = { (tiers: ThreeTiers) in
            [tiers.name] + [tiers.natural, tiers.equal, tiers.mmluPro].map { $0.map(Self.cell) ?? "-" }
        }
        var onDev = MarkdownTable(["router", "natural mix", "sources weighted equally", "MMLU-Pro pool"])
        for tiers in run.tiers { onDev.add(row(tiers)) }
        var fitted = MarkdownTable(["router", "natural mix", "sources weighted equally", "MMLU-Pro pool"])
        for tiers in run.fitted { fitted.add(row(tiers)) }
        return """
            ## What is saved at no measurable loss (three tiers, real prices)

            Saved against always asking the strongest model, and the change of the mean score in points with its 95 % \
            interval. PASS: less than a point lost and an interval that reaches 0.

            Thresholds from dev, measured on dev. Flattering by construction: a threshold looks best on the rows that it \
            was chosen on.

            \(onDev.text)

            Thresholds from one half of dev, measured on the other, both ways: what half the calibration data is worth on \
            rows that it has not seen.

            \(fitted.text)

            ![Cost-quality curves](routing-curves.svg)
            """
    }

    private var sources: String {
        var table = MarkdownTable([
            "source", "rows", "CPT(50)", "CPT(80)", "saved at 95 %", "at 98 %", "at 100 %", "shipped policy",
        ])
        for source in run.evaluation.sources {
            var cells = [source.name, String(source.rows.count)]
            cells += [source.cpt50, source.cpt80].map { $0?.percent ?? "-" }
            cells += RoutingEvaluation.reportedShares.map {
                source.curve?.saved(atShareOfStrong: $0).percent ?? "-"
            }
            table.add(cells + [source.choices.map(Self.cell) ?? "no prices"])
        }
        return """
            ## By source

            CPT(50) and CPT(80): share of calls to the strong model that recovers 50 and 80 % of the gap. Saved at 95, 98 and \
            100 % of the strong model's score: the best price of money on these very rows. routerbench and alpaca_eval may not \
            train weights; they are only measured.

            \(table.text)
            """
    }

    private var guarantee: String {
        guard !run.guarantees.isEmpty else { return "" }
        var table = MarkdownTable(["pool", "rows", "promise kept", "calibrations that promised a saving", "mean saved"])
        for check in run.guarantees {
            table.add([
                check.pool, String(check.rowsCount), "\(check.keptCount) of \(GuaranteeCheck.calibrationsCount)",
                String(check.promisedCount), check.saved.percent,
            ])
        }
        return """
            ## Promises

            "At most one point lost, with 95 % confidence", by Learn-then-Test with a betting bound. The dev rows of a pool \
            stand for the world; each of 200 calibrations sees as many rows, drawn from them with replacement, and its trade's \
            true loss is the one over all rows. A calibration that finds nothing to promise asks the strongest model.

            \(table.text)
            """
    }

    private var leaveOneOut: String {
        guard !run.leftOut.isEmpty else { return "" }
        var table = MarkdownTable([
            "source left out", "APGR there", "to weaker models", "with the promise of one point",
        ])
        for result in run.leftOut {
            table.add([
                result.source, result.apgr?.fixed(3) ?? "-", result.moved.percent, Self.cell(result.promised),
            ])
        }
        return """
            ## Sources never seen

            Trained on the other six sources, calibrated on their dev rows, measured on the one left out, under the promise of \
            losing at most one point. A pool that nobody calibrated, or a prompt without support, goes to the strongest model; \
            only RouteLLM's two sources share a pool, so only they could lose anything.

            \(table.text)
            """
    }

    private var learning: String {
        guard !run.curves.isEmpty else { return "" }
        var table = MarkdownTable(["source"] + LearningCurve.sizes.map { "\($0) labels" } + ["seconds, 500 labels"])
        for curve in run.curves {
            let cells = LearningCurve.sizes.map { size in
                curve.points.first { $0.labelsCount == size }.map {
                    "\($0.apgr.fixed(3)) (\($0.range.lowerBound.fixed(2))-\($0.range.upperBound.fixed(2)))"
                } ?? "-"
            }
            let seconds = curve.points.first { $0.labelsCount == 500 }?.seconds
            table.add([curve.source] + cells + [seconds.map { $0.fixed(2) } ?? "-"])
        }
        return """
            ## Own traffic

            APGR on a source's dev rows of a classifier trained on nothing but so many of its own train rows: mean, worst and \
            best of \(LearningCurve.drawsCount) draws. Seconds are of the slowest training.

            \(table.text)

            ![Learning curves](routing-learning.svg)
            """
    }

    private var cascade: String {
        guard !run.cascades.isEmpty else { return "" }
        var table = MarkdownTable([
            "asked first", "no gate", "gate at no loss, chosen on dev", "the same, cross-fitted",
        ])
        for cascade in run.cascades {
            table.add(
                ["\(cascade.name) + flash"]
                    + [cascade.ungated, cascade.bestWithoutLoss, cascade.crossFitted].map { $0.map(Self.cell) ?? "-" })
        }
        return """
            ## Cascades on MMLU-Pro

            Two cheaper models are asked; where their answers agree, flash's is taken, else pro is asked too, and all calls are \
            paid for. The gate sends prompts whose predicted gain of pro over flash is small to flash alone.

            \(table.text)

            ![Cascades](routing-cascade.svg)
            """
    }

    private var method: String {
        """
        ## Method

        - APGR, CPT: Ong et al. 2024, RouteLLM (arXiv 2406.18665). Rows of equal prediction share their mean, trapezoids over \
        all n + 1 points; intervals from 500 bootstrap samples of the rows. Code: `Sources/RouterKit/Learn/GainCurve.swift`.
        - Cost: prompt tokens and each model's own answer tokens at the prices of `tiers.json`, \
        \(OutcomeRow.usualOutputTokens) answer tokens where they are unknown. The router itself knows neither: it estimates \
        by bytes / 4 and a model's mean answer.
        - Intervals of differences and savings: 2,000 paired bootstrap samples; of the equal mix, drawn within each source. \
        Every source then has the same weight in mean score and in mean cost. Seeds are fixed. Code: `MixFigures.swift`.
        - Baselines go through the same code. A single number is turned into predictions per model by the mean train score of \
        the tenth of its source that it falls into, and calibrated on dev like ours.
        - Rerun: `make eval-routing DATA=FOLDER`. One row at a time: `router score`; one file: `router eval`.
        """
    }

    private var caveats: String {
        let notes = run.report.notes.map { "- \($0)" }
        return """
            ## Caveats

            - One sample per model and prompt; mostly benchmark prompts; models of 2023-2024. Each source has its own pool.
            - Small sources are noisy: read the intervals, not the third digit.
            - Prices of some models are list prices of the time or stated assumptions (`tiers.json` says which).
            - A router that reads prompts cannot know a source's name; families are recognised by the text.
            \(notes.joined(separator: "\n"))
            """
    }

    /// What was tried and how far each source can be taken, kept beside the code that tries it.
    private var ceilings: String {
        let file = URL(fileURLWithPath: "Benchmarks/eval-routing/TRIES.md")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return "" }
        // Its title becomes a section of this report.
        return text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix("#") ? "#" + $0 : String($0) }
            .joined(separator: "\n").trimmingCharacters(in: .newlines)
    }

    private static func cell(_ figures: MixFigures) -> String {
        let interval = figures.differenceInterval
        return "\(figures.saved.percent), \((figures.difference * 100).fixed(2)) "
            + "[\((interval.lowerBound * 100).fixed(2)), \((interval.upperBound * 100).fixed(2))] "
            + (figures.passes ? "PASS" : "FAIL")
    }
}

/// A table in Markdown.
struct MarkdownTable {
    private var rows: [[String]]

    init(_ titles: [String]) { rows = [titles, titles.map { _ in "---" }] }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    var text: String { rows.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n") }
}

extension Double {
    func fixed(_ decimals: Int) -> String { String(format: "%.\(decimals)f", self) }

    /// A share of 1 as per cent.
    var percent: String { String(format: "%.1f %%", self * 100) }

    /// Three decimals of a share, a count as it is.
    var short: String { self > 2 ? String(format: "%g", self) : String(format: "%.3f", self) }
}
