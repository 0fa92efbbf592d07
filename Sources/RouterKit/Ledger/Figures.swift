/// Numbers as people read them. Without Foundation's formatters, which RouterKit does not link.
enum Figures {
    /// USD with as many decimals as the size asks for: `$12.34`, `$0.0123`, `-$0.000012`.
    static func money(_ value_usd: Double) -> String {
        if value_usd == 0 { return "$0" }
        let size = value_usd.magnitude
        let decimals = size >= 1 ? 2 : size >= 0.01 ? 4 : 6
        let text = fixed(size, decimals)
        return (value_usd < 0 && text.contains { $0 != "0" && $0 != "." } ? "-$" : "$") + text
    }

    /// With exactly so many decimals.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        var bytes: [UInt8] = []
        ByteText.appendFixed(value, decimals: decimals, to: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        guard decimals > 0, value.magnitude < 1e9 else { return text }
        let places = text.firstIndex(of: ".").map { text.distance(from: $0, to: text.endIndex) - 1 } ?? 0
        return text + (places == 0 ? "." : "") + String(repeating: "0", count: decimals - places)
    }

    /// With thousands set apart: `1,234,567`.
    static func count(_ value: Int) -> String {
        var text = ""
        for (index, digit) in String(value.magnitude).reversed().enumerated() {
            if index > 0 && index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (value < 0 ? "-" : "") + String(text.reversed())
    }

    /// A share of 1 as per cent, one decimal.
    static func percent(_ share: Double) -> String { fixed(share * 100, 1) + " %" }

    /// A difference of scores in points (hundredths), with its sign.
    static func points(_ difference: Double) -> String {
        let text = fixed(difference * 100, 2)
        return text.hasPrefix("-") ? text : "+" + text
    }

    /// Milliseconds, with decimals only where they matter.
    static func milliseconds(_ value_ms: Double) -> String {
        fixed(value_ms, value_ms < 10 ? 2 : value_ms < 100 ? 1 : 0)
    }
}
