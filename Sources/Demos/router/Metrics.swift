import Synchronization
import Transport

/// A histogram with fixed upper bounds, as Prometheus reads it.
struct Histogram {
    let bounds: [Double]
    private var counts: [Int]
    private(set) var sum = 0.0
    private(set) var count = 0

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count)
    }

    mutating func observe(_ value: Double) {
        sum += value
        count += 1
        if let index = bounds.firstIndex(where: { value <= $0 }) { counts[index] += 1 }
    }

    func write(_ name: String, labels: String, to out: inout String) {
        var cumulative = 0
        let separator = labels.isEmpty ? "" : ","
        for (bound, count) in zip(bounds, counts) {
            cumulative += count
            out += "\(name)_bucket{\(labels)\(separator)le=\"\(bound)\"} \(cumulative)\n"
        }
        out += "\(name)_bucket{\(labels)\(separator)le=\"+Inf\"} \(count)\n"
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        out += "\(name)_sum\(braces) \(sum)\n\(name)_count\(braces) \(count)\n"
    }
}

/// Counters that differ by the values of at most three labels. Label values come only from the configuration and from
/// closed sets in the code, never from a request, so the number of series is bounded.
struct CounterFamily {
    /// Kept as they are until the page is asked for: counting must cost no string building.
    private struct Labels: Hashable {
        var first: String
        var second: String
        var third: String
    }

    let name: String
    let help: String
    let labels: [String]
    private var series: [(labels: Labels, value: Double)] = []
    /// Where the series lie that did not come early enough to be among the first few, which are found by looking.
    private var places: [Labels: Int] = [:]
    private static let firstFew = 8

    /// - Parameter labels: the names of the labels, at most three.
    init(_ name: String, labels: [String] = [], help: String) {
        precondition(labels.count <= 3)
        self.name = name
        self.labels = labels
        self.help = help
    }

    mutating func add(_ first: String = "", _ second: String = "", _ third: String = "", amount: Double = 1) {
        let labels = Labels(first: first, second: second, third: third)
        series[place(of: labels)].value += amount
    }

    /// Most families have few series that count: comparing with those costs less than hashing three strings.
    private mutating func place(of labels: Labels) -> Int {
        for index in series.indices.prefix(Self.firstFew) where series[index].labels == labels { return index }
        if let known = places[labels] { return known }
        series.append((labels, 0))
        if series.count > Self.firstFew { places[labels] = series.count - 1 }
        return series.count - 1
    }

    func write(to out: inout String) {
        out += "# HELP \(name) \(help)\n# TYPE \(name) counter\n"
        let lines = series.map { series, value in
            let pairs = CounterFamily.text(Array(zip(labels, [series.first, series.second, series.third])))
            return pairs.isEmpty ? "\(name) \(value.plain)\n" : "\(name){\(pairs)} \(value.plain)\n"
        }
        for line in lines.sorted() { out += line }
    }

    static func text(_ labels: [(String, String)]) -> String {
        labels.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",")
    }

    private static func escaped(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 == 0x22 || $0 == 0x5C || $0 == 0x0A }) else { return value }
        var out = ""
        for character in value {
            switch character {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            default: out.append(character)
            }
        }
        return out
    }
}

extension Double {
    /// Without the ".0" of whole numbers.
    var plain: String { self == rounded() && abs(self) < 1e15 ? String(Int(self)) : String(self) }
}
