/// Charts side by side under one title and one legend, as standalone SVG 1.1 without scripts or outside references.
public struct ChartPage: Sendable {
    /// Above everything.
    public var title: String
    /// Below the title, in small print.
    public var note: String
    /// Row by row.
    public var charts: [Chart]

    /// A page.
    public init(title: String, note: String = "", charts: [Chart]) {
        self.title = title
        self.note = note
        self.charts = charts
    }

    private static let columnsCount = 2
    private static let chartHeight = 400
    private static let quiet = "#57606a"
    private static let grid = "#e9ecef"

    /// A chart that stands alone may be wider.
    private var chartWidth: Int { charts.count == 1 ? 760 : 500 }

    /// The picture.
    public func svg() -> String {
        let columns = min(Self.columnsCount, max(1, charts.count))
        let rows = (charts.count + columns - 1) / columns
        let legend = legendEntries
        let top = legend.isEmpty ? 88 : 120
        var picture = SVGText(width: columns * chartWidth + 20, height: top + rows * Self.chartHeight + 10)
        picture.text(30, 42, title, size: 21, weight: 600)
        picture.text(30, 66, note, size: 13, fill: Self.quiet)
        draw(legend, y: 96, into: &picture)
        for (index, chart) in charts.enumerated() {
            let left = 10 + index % columns * chartWidth
            draw(chart, left: Double(left), top: Double(top + index / columns * Self.chartHeight), into: &picture)
        }
        return picture.finished()
    }

    // MARK: Legend

    private enum Entry {
        case line(Chart.Line)
        case mark(Chart.Mark)

        var name: String {
            switch self {
            case .line(let line): line.name
            case .mark(let mark): mark.name
            }
        }
    }

    /// Each name once, in the order of appearance.
    private var legendEntries: [Entry] {
        var names: Set<String> = []
        return charts.flatMap { $0.lines.map(Entry.line) + $0.marks.map(Entry.mark) }
            .filter { !$0.name.isEmpty && names.insert($0.name).inserted }
    }

    private func draw(_ entries: [Entry], y: Double, into picture: inout SVGText) {
        var x = 30.0
        for entry in entries {
            switch entry {
            case .line(let line):
                picture.line(
                    x, y - 4, x + 26, y - 4, stroke: line.ink.rawValue, width: 2, dash: line.isDashed ? "6 4" : nil)
            case .mark(let mark):
                picture.circle(x + 13, y - 4, radius: 5, fill: mark.ink.rawValue)
            }
            picture.text(x + 33, y, entry.name, size: 13)
            x += 33 + Double(entry.name.count) * 7.2 + 26
        }
    }

    // MARK: One chart

    private func draw(_ chart: Chart, left: Double, top: Double, into picture: inout SVGText) {
        let frame = Frame(
            left: left + 62, right: left + Double(chartWidth) - 24, top: top + 66,
            bottom: top + Double(Self.chartHeight) - 62, x: chart.xAxis, y: chart.yAxis)
        picture.text(left + 20, top + 16, chart.title, size: 15, weight: 600)
        picture.text(left + 20, top + 35, chart.note, size: 12, fill: Self.quiet)
        picture.text(frame.left - 42, top + 56, chart.yTitle, size: 11, fill: Self.quiet)
        for tick in frame.y.ticks {
            picture.line(frame.left, frame.y(tick), frame.right, frame.y(tick), stroke: Self.grid)
            picture.text(
                frame.left - 8, frame.y(tick) + 4, frame.y.label(tick), size: 11, fill: Self.quiet, anchor: "end")
        }
        for tick in frame.x.ticks {
            picture.line(frame.x(tick), frame.bottom, frame.x(tick), frame.bottom + 5, stroke: "#adb5bd")
            picture.text(
                frame.x(tick), frame.bottom + 19, frame.x.label(tick), size: 11, fill: Self.quiet, anchor: "middle")
        }
        picture.line(frame.left, frame.bottom, frame.right, frame.bottom, stroke: "#adb5bd")
        picture.text(
            (frame.left + frame.right) / 2, frame.bottom + 38, chart.xTitle, size: 11, fill: Self.quiet,
            anchor: "middle")
        for line in chart.lines where line.points.count > 1 {
            picture.path(
                line.points.map { (frame.x($0.x), frame.y($0.y)) }, stroke: line.ink.rawValue,
                dash: line.isDashed ? "6 4" : nil)
        }
        for mark in chart.marks { draw(mark, frame, into: &picture) }
    }

    private func draw(_ mark: Chart.Mark, _ frame: Frame, into picture: inout SVGText) {
        let (x, y, ink) = (frame.x(mark.x), frame.y(mark.y), mark.ink.rawValue)
        if let interval = mark.yInterval {
            let (low, high) = (frame.y(interval.lowerBound), frame.y(interval.upperBound))
            picture.line(x, low, x, high, stroke: ink, width: 2)
            for end in [low, high] { picture.line(x - 4, end, x + 4, end, stroke: ink, width: 2) }
        }
        if let interval = mark.xInterval {
            let (low, high) = (frame.x(interval.lowerBound), frame.x(interval.upperBound))
            picture.line(low, y, high, y, stroke: ink, width: 2)
            for end in [low, high] { picture.line(end, y - 4, end, y + 4, stroke: ink, width: 2) }
        }
        picture.circle(x, y, radius: 5, fill: ink)
        guard !mark.label.isEmpty else { return }
        let isAtRight = x > frame.right - 110
        picture.haloText(
            isAtRight ? x + 4 : x + 10, isAtRight ? y + 19 : y + 16, mark.label, size: 11, fill: ink,
            anchor: isAtRight ? "end" : "start")
    }

    /// Where a chart's axes lie on the page.
    private struct Frame {
        let left: Double
        let right: Double
        let top: Double
        let bottom: Double
        let x: Chart.Axis
        let y: Chart.Axis

        func x(_ value: Double) -> Double { left + (value - x.low) / (x.high - x.low) * (right - left) }
        func y(_ value: Double) -> Double { bottom - (value - y.low) / (y.high - y.low) * (bottom - top) }
    }
}
