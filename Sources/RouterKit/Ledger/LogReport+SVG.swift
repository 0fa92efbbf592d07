extension LogReport {
    /// The report as a picture: cost by model as bars, and the cumulative cost beside that of always-strong, the
    /// area between them being the saving. Standalone SVG 1.1 without scripts or outside references.
    public func svg() -> String {
        let bars = barRows
        let barsHeight = max(1, bars.count) * 30 + 20
        let height = 96 + barsHeight + 320
        var picture = SVGText(width: 960, height: height)
        picture.text(40, 44, "Routing report", size: 22, weight: 600)
        picture.text(40, 68, savingLine, size: 13, fill: Palette.quiet)
        picture.text(40, 102, "Cost by model", size: 15, weight: 600)
        draw(bars, top: 118, into: &picture)
        drawCourse(top: 118 + barsHeight + 20, into: &picture)
        return picture.finished()
    }

    private enum Palette {
        static let quiet = "#57606a"
        static let grid = "#d8dee4"
        static let spent = "#1f6feb"
        static let baseline = "#8c959f"
        static let saved = "#2da44e"
        static let lost = "#cf222e"
    }

    private typealias Bar = (name: String, cost_usd: Double?, requestsCount: Int)

    /// The twelve dearest models, and the rest in one.
    private var barRows: [Bar] {
        let sorted = modelsByCost
        var rows = sorted.prefix(12).map { name, sums -> Bar in
            (name, sums.unknownCostCount == sums.requestsCount ? nil : sums.cost_usd, sums.requestsCount)
        }
        let rest = sorted.dropFirst(12)
        if !rest.isEmpty {
            rows.append(
                (
                    "\(rest.count) more", rest.reduce(0) { $0 + $1.sums.cost_usd },
                    rest.reduce(0) { $0 + $1.sums.requestsCount }
                ))
        }
        return rows
    }

    private func draw(_ bars: [Bar], top: Int, into picture: inout SVGText) {
        if bars.isEmpty {
            picture.text(40, Double(top + 20), "The log has no requests.", size: 13, fill: Palette.quiet)
        }
        let largest = bars.compactMap(\.cost_usd).max() ?? 0
        for (index, bar) in bars.enumerated() {
            let y = Double(top + index * 30)
            picture.text(230, y + 15, bar.name.printable.shortened(to: 28), size: 13, anchor: "end")
            let width = largest > 0 ? max(1, (bar.cost_usd ?? 0) / largest * 460) : 1
            picture.rectangle(240, y, width, 20, fill: bar.cost_usd == nil ? Palette.baseline : Palette.spent)
            let cost = bar.cost_usd.map(Figures.money) ?? "cost unknown"
            let label = "\(cost)  (\(Figures.count(bar.requestsCount)) requests)"
            picture.text(240 + width + 8, y + 15, label, size: 12, fill: Palette.quiet)
        }
    }

    /// A quarter of the axis: the least of 1, 2, 2.5 or 5 times a power of ten that takes `peak` in.
    private static func axisStep(_ peak: Double) -> Double {
        // Costs may be zero throughout: the axis still needs a length.
        var power = 1e-9
        while power * 20 < peak { power *= 10 }
        return [1, 2, 2.5, 5, 10].map { $0 * power }.first { $0 * 4 >= peak } ?? max(peak, 1e-9) / 4
    }

    private func drawCourse(top: Int, into picture: inout SVGText) {
        let top = Double(top)
        picture.text(40, top, "Cumulative cost", size: 15, weight: 600)
        let points = course.complete
        guard course.last.requestsCount > 0 else {
            picture.text(40, top + 28, "No request has both a cost and a baseline.", size: 13, fill: Palette.quiet)
            return
        }
        let frame = (left: 110.0, right: 900.0, top: top + 40, bottom: top + 240)
        let step = Self.axisStep(points.reduce(0) { max($0, $1.cost_usd, $1.baseline_usd) })
        let peak = step * 4
        let scale = { (value: Double) in frame.bottom - value / peak * (frame.bottom - frame.top) }
        let place = { (count: Int) in
            frame.left + Double(count) / Double(course.last.requestsCount) * (frame.right - frame.left)
        }
        for value in (0...4).map({ Double($0) * step }) {
            picture.line(frame.left, scale(value), frame.right, scale(value), stroke: Palette.grid)
            picture.text(
                frame.left - 8, scale(value) + 4, Figures.money(value), size: 11, fill: Palette.quiet, anchor: "end")
        }
        let spent = points.map { (place($0.requestsCount), scale($0.cost_usd)) }
        let baseline = points.map { (place($0.requestsCount), scale($0.baseline_usd)) }
        let isSaving = course.last.baseline_usd >= course.last.cost_usd
        picture.area(spent + baseline.reversed(), fill: isSaving ? Palette.saved : Palette.lost, opacity: 0.15)
        picture.path(baseline, stroke: Palette.baseline, dash: "6 4")
        picture.path(spent, stroke: Palette.spent, dash: nil)
        picture.text(
            frame.left + 400, top + 24, "\(isSaving ? "saved" : "lost") \(Figures.money(total.saving_usd.magnitude))",
            size: 12, weight: 600, fill: isSaving ? Palette.saved : Palette.lost)
        picture.text(frame.left, frame.bottom + 20, "0", size: 11, fill: Palette.quiet)
        picture.text(
            frame.right, frame.bottom + 20, "\(Figures.count(course.last.requestsCount)) requests", size: 11,
            fill: Palette.quiet, anchor: "end")
        picture.line(frame.left, top + 20, frame.left + 24, top + 20, stroke: Palette.spent, width: 2)
        picture.text(frame.left + 32, top + 24, "spent \(Figures.money(course.last.cost_usd))", size: 12)
        picture.line(
            frame.left + 200, top + 20, frame.left + 224, top + 20, stroke: Palette.baseline, width: 2, dash: "6 4")
        picture.text(
            frame.left + 232, top + 24, "always-strong \(Figures.money(course.last.baseline_usd))", size: 12)
    }
}

extension String {
    /// At most `count` characters, the last one an ellipsis when some are left out.
    fileprivate func shortened(to count: Int) -> String {
        self.count <= count ? self : prefix(count - 1) + "\u{2026}"
    }
}
