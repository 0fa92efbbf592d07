/// A picture with two linear axes: lines and marks over a grid. What is drawn, without how.
public struct Chart: Sendable {
    /// Colours that tell series apart, also for readers who do not see red and green apart.
    public enum Ink: String, Sendable, Hashable {
        /// For what the picture is about.
        case blue = "#1f6feb"
        /// For the choice that is in force.
        case orange = "#d9480f"
        /// For the best that is possible.
        case green = "#2b8a3e"
        /// For a second thing measured.
        case violet = "#7048e8"
        /// For what needs no skill.
        case grey = "#868e96"
        /// For single models.
        case black = "#343a40"
    }

    /// A line through points, in the order given.
    public struct Line: Sendable {
        /// For the legend.
        public var name: String
        /// Points in the axes' units.
        public var points: [(x: Double, y: Double)]
        /// Its colour.
        public var ink: Ink
        /// Broken instead of drawn through.
        public var isDashed: Bool

        /// A line.
        public init(_ name: String, _ points: [(x: Double, y: Double)], _ ink: Ink, isDashed: Bool = false) {
            self.name = name
            self.points = points
            self.ink = ink
            self.isDashed = isDashed
        }
    }

    /// A single point, with its intervals where they are known.
    public struct Mark: Sendable {
        /// For the legend.
        public var name: String
        /// In the axes' units.
        public var x: Double
        /// In the axes' units.
        public var y: Double
        /// 95 % interval of `x`.
        public var xInterval: ClosedRange<Double>?
        /// 95 % interval of `y`.
        public var yInterval: ClosedRange<Double>?
        /// Its colour.
        public var ink: Ink
        /// Written beside it; empty for nothing.
        public var label: String

        /// A mark.
        public init(
            _ name: String, x: Double, y: Double, _ ink: Ink, xInterval: ClosedRange<Double>? = nil,
            yInterval: ClosedRange<Double>? = nil, label: String = ""
        ) {
            self.name = name
            self.x = x
            self.y = y
            self.ink = ink
            self.xInterval = xInterval
            self.yInterval = yInterval
            self.label = label
        }
    }

    /// Above the picture.
    public var title: String
    /// Below the title, in small print.
    public var note: String
    /// Under the horizontal axis.
    public var xTitle: String
    /// Above the vertical axis.
    public var yTitle: String
    /// Drawn in this order.
    public var lines: [Line]
    /// Drawn over the lines.
    public var marks: [Mark]
    /// Put at the ends of the horizontal axis when the data lie inside; otherwise the data decide.
    public var xRange: ClosedRange<Double>?

    /// A chart; see the properties.
    public init(
        title: String, note: String = "", xTitle: String, yTitle: String, lines: [Line], marks: [Mark] = [],
        xRange: ClosedRange<Double>? = nil
    ) {
        self.title = title
        self.note = note
        self.xTitle = xTitle
        self.yTitle = yTitle
        self.lines = lines
        self.marks = marks
        self.xRange = xRange
    }

    /// The scale of one axis: round steps that take all `values` in.
    struct Axis {
        let low: Double
        let high: Double
        let step: Double

        init(_ values: [Double], around range: ClosedRange<Double>? = nil) {
            let finite = values.filter(\.isFinite)
            var low = finite.min() ?? 0
            var high = finite.max() ?? 1
            if let range { (low, high) = (min(low, range.lowerBound), max(high, range.upperBound)) }
            if high - low < 1e-9 { (low, high) = (low - 0.5, high + 0.5) }
            // Four to eight steps of 1, 2 or 5 times a power of ten.
            var power = 1e-9
            while power * 20 < high - low { power *= 10 }
            let step = [1, 2, 5].map { $0 * power }.first { (high - low) / $0 <= 6 } ?? power * 10
            self.step = step
            self.low = (low / step + 1e-9).rounded(.down) * step
            self.high = (high / step - 1e-9).rounded(.up) * step
        }

        var ticks: [Double] {
            (0...Int(((high - low) / step).rounded())).map { low + Double($0) * step }
        }

        /// As many decimals as the step needs.
        func label(_ value: Double) -> String {
            var decimals = 0
            var rest = step
            while decimals < 6, abs(rest - rest.rounded()) > 1e-6 {
                rest *= 10
                decimals += 1
            }
            return Figures.fixed(value, decimals)
        }
    }

    var xAxis: Axis {
        Axis(
            lines.flatMap { $0.points.map(\.x) } + marks.flatMap { [$0.x] + ($0.xInterval?.ends ?? []) }, around: xRange
        )
    }

    /// With room below and above for what is written beside the marks.
    var yAxis: Axis {
        let values = lines.flatMap { $0.points.map(\.y) } + marks.flatMap { [$0.y] + ($0.yInterval?.ends ?? []) }
        guard let low = values.min(), let high = values.max() else { return Axis([]) }
        return Axis([low - (high - low) * 0.08, high + (high - low) * 0.02])
    }
}

extension ClosedRange<Double> {
    fileprivate var ends: [Double] { [lowerBound, upperBound] }
}
