/// A plain table for a terminal: the first column is left-aligned, the others right-aligned.
public struct Table: Sendable {
    private var rows: [[String]]

    /// Starts a table with its column titles.
    public init(_ titles: String...) {
        rows = [titles]
    }

    /// Appends a row; missing cells stay empty.
    public mutating func add(_ cells: [String]) {
        rows.append(cells)
    }

    /// The table as text, one line a row, without a trailing newline.
    public var text: String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            let cells = widths.enumerated().map { column, width in
                let cell = row.indices.contains(column) ? row[column] : ""
                let padding = String(repeating: " ", count: width - cell.count)
                return column == 0 ? cell + padding : padding + cell
            }
            return String(cells.joined(separator: "  ").trimmingSuffix { $0 == " " })
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }
}
