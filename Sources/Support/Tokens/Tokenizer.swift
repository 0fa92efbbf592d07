/// Byte-level BPE: text to tokens and back.
package struct Tokenizer: Sendable {
    package let tables: TokenizerTables
    /// Tokens that text never merges into but that stand for themselves wherever they occur, the longest first.
    private let whole: [(bytes: [UInt8], token: Int)]

    package init(tables: TokenizerTables) {
        self.tables = tables
        whole = (0..<tables.tokenCount).filter { tables.kind($0) == .userDefined && !tables.bytes($0).isEmpty }
            .map { (Array(tables.bytes($0)), $0) }.sorted { $0.bytes.count > $1.bytes.count }
    }

    /// The tokens of plain text. What looks like a control token in it is text like any other: a prompt cannot end its own
    /// turn.
    package func encode(_ text: String) -> [Int] {
        var tokens: [Int] = []
        var merger = Merger()
        func merge(_ text: String) {
            let pieces = PreTokenizer(text, digitsApart: tables.preTokenizer == .digitsApart)
            pieces.forEach { piece in merger.append(piece, tables, to: &tokens) }
        }
        guard !whole.isEmpty else {
            merge(text)
            return tokens
        }
        let bytes = Array(text.utf8)
        var (start, position) = (0, 0)
        while position < bytes.count {
            guard let found = whole.first(where: { bytes[position...].starts(with: $0.bytes) }) else {
                position += 1
                continue
            }
            merge(String(decoding: bytes[start..<position], as: UTF8.self))
            tokens.append(found.token)
            position += found.bytes.count
            start = position
        }
        merge(String(decoding: bytes[start...], as: UTF8.self))
        return tokens
    }

    /// The control token written `text`.
    package func control(_ text: String) -> Int? {
        (0..<tables.tokenCount).first { id in
            tables.kind(id) == .control && tables.bytes(id).elementsEqual(text.utf8)
        }
    }

    /// The bytes that a token stands for; none for control tokens.
    package func bytes(_ token: Int) -> [UInt8] { tables.kind(token) == .control ? [] : Array(tables.bytes(token)) }

    package func decode(_ tokens: [Int]) -> String { String(decoding: tokens.flatMap { bytes($0) }, as: UTF8.self) }
}

/// Merges the bytes of a piece, earliest merge first, in n log n for pieces of any length.
private struct Merger {
    private struct Symbol {
        var token: Int
        var previous: Int
        var next: Int
    }

    /// A merge that may be done: of two of the same rank the one further left goes first.
    private struct Candidate: Comparable {
        var rank: Int
        var left: Int
        var leftToken: Int
        var rightToken: Int
        var result: Int

        static func < (a: Candidate, b: Candidate) -> Bool { (a.rank, a.left) < (b.rank, b.left) }
    }

    private var symbols: [Symbol] = []
    private var heap: [Candidate] = []

    mutating func append(_ piece: [UInt8], _ tables: TokenizerTables, to tokens: inout [Int]) {
        symbols.removeAll(keepingCapacity: true)
        for byte in piece {
            guard let token = tables.first(byte) ?? tables.unknownToken else { continue }
            symbols.append(Symbol(token: token, previous: symbols.count - 1, next: symbols.count + 1))
        }
        guard let last = symbols.indices.last else { return }
        symbols[last].next = -1
        for index in symbols.indices.dropLast() { propose(index, tables) }
        while let best = pop() {
            // One of the two may be another by now.
            let right = symbols[best.left].next
            guard symbols[best.left].token == best.leftToken, right >= 0, symbols[right].token == best.rightToken else {
                continue
            }
            symbols[best.left].token = best.result
            symbols[best.left].next = symbols[right].next
            symbols[right].token = -1
            if symbols[right].next >= 0 {
                symbols[symbols[right].next].previous = best.left
                propose(best.left, tables)
            }
            if symbols[best.left].previous >= 0 { propose(symbols[best.left].previous, tables) }
        }
        var index = 0
        while index >= 0 {
            tokens.append(symbols[index].token)
            index = symbols[index].next
        }
    }

    private mutating func propose(_ left: Int, _ tables: TokenizerTables) {
        let (a, b) = (symbols[left].token, symbols[symbols[left].next].token)
        guard let (rank, result) = tables.merge(a, b) else { return }
        heap.append(Candidate(rank: rank, left: left, leftToken: a, rightToken: b, result: result))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func pop() -> Candidate? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            guard least != parent else { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
