/// Writes the few SVG elements that a report needs, with every text escaped.
struct SVGText {
    private var body: String

    init(width: Int, height: Int) {
        body = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \
            \(height)" font-family="system-ui, sans-serif">
            <rect width="100%" height="100%" fill="#ffffff"/>

            """
    }

    mutating func text(
        _ x: Double, _ y: Double, _ text: String, size: Int, weight: Int = 400, fill: String = "#1f2328",
        anchor: String = "start"
    ) {
        body += """
            <text x="\(number(x))" y="\(number(y))" font-size="\(size)" font-weight="\(weight)" fill="\(fill)" \
            text-anchor="\(anchor)">\(escaped(text))</text>

            """
    }

    /// Text on a white rim, for places where lines may run.
    mutating func haloText(
        _ x: Double, _ y: Double, _ text: String, size: Int, fill: String, anchor: String = "start"
    ) {
        body += """
            <text x="\(number(x))" y="\(number(y))" font-size="\(size)" fill="#ffffff" stroke="#ffffff" \
            stroke-width="4" stroke-linejoin="round" text-anchor="\(anchor)">\(escaped(text))</text>

            """
        self.text(x, y, text, size: size, fill: fill, anchor: anchor)
    }

    mutating func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, fill: String) {
        body += """
            <rect x="\(number(x))" y="\(number(y))" width="\(number(width))" height="\(number(height))" rx="3" \
            fill="\(fill)"/>

            """
    }

    mutating func line(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, stroke: String, width: Int = 1, dash: String? = nil
    ) {
        let dashes = dash.map { " stroke-dasharray=\"\($0)\"" } ?? ""
        body += """
            <line x1="\(number(x1))" y1="\(number(y1))" x2="\(number(x2))" y2="\(number(y2))" stroke="\(stroke)" \
            stroke-width="\(width)"\(dashes)/>

            """
    }

    mutating func circle(_ x: Double, _ y: Double, radius: Int, fill: String) {
        body += """
            <circle cx="\(number(x))" cy="\(number(y))" r="\(radius)" fill="\(fill)" stroke="#ffffff"/>

            """
    }

    mutating func path(_ points: [(Double, Double)], stroke: String, dash: String?) {
        let dashes = dash.map { " stroke-dasharray=\"\($0)\"" } ?? ""
        body +=
            "<polyline points=\"\(list(points))\" fill=\"none\" stroke=\"\(stroke)\" stroke-width=\"2\"\(dashes)/>\n"
    }

    mutating func area(_ points: [(Double, Double)], fill: String, opacity: Double) {
        body += "<polygon points=\"\(list(points))\" fill=\"\(fill)\" fill-opacity=\"\(number(opacity))\"/>\n"
    }

    consuming func finished() -> String { body + "</svg>\n" }

    private func list(_ points: [(Double, Double)]) -> String {
        points.map { "\(number($0.0)),\(number($0.1))" }.joined(separator: " ")
    }

    private func number(_ value: Double) -> String {
        var bytes: [UInt8] = []
        ByteText.appendFixed(value, decimals: 2, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func escaped(_ text: String) -> String {
        var result = ""
        for character in text.printable {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}
