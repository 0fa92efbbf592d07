import Glibc

/// Columns of text, aligned by the widest cell.
package struct TextTable {
    private var rows: [[String]]

    package init(_ header: [String]) { rows = [header] }

    package mutating func add(_ row: [String]) { rows.append(row) }

    package var text: String {
        var widths = [Int](repeating: 0, count: rows[0].count)
        for row in rows { for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.count) } }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                guard column + 1 < row.count else { continue }
                line += String(repeating: " ", count: widths[column] - cell.count + 2)
            }
            return line
        }.joined(separator: "\n")
    }
}

extension Double {
    /// With exactly so many decimals.
    package func fixed(_ decimals: Int) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            let count = withVaList([Int32(decimals), self]) { vsnprintf(buffer.baseAddress!, 64, "%.*f", $0) }
            return count > 0 && count < 64 ? String(cString: buffer.baseAddress!) : "\(self)"
        }
    }
}
