/// Makes text of tokens' bytes: holds back half a character, and what may be the beginning of a stop sequence.
package struct TextAssembler: Sendable {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []
    package private(set) var isStopped = false

    package init(stops: [String]) { self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// Takes a token's bytes and returns what can be shown now.
    package mutating func append(_ bytes: [UInt8]) -> String {
        guard !isStopped else { return "" }
        held += bytes
        for start in held.indices where stops.contains(where: { held[start...].starts(with: $0) }) {
            isStopped = true
            held.removeSubrange(start...)
            return finish()
        }
        var keep = unfinishedCharacter
        for start in held.indices where held.count - start > keep {
            if stops.contains(where: { $0.starts(with: held[start...]) }) {
                keep = held.count - start
                break
            }
        }
        let shown = held.count - keep
        defer { held.removeSubrange(..<shown) }
        return String(decoding: held[..<shown], as: UTF8.self)
    }

    /// What was held back, at the end.
    package mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    /// Number of bytes at the end that begin a character and do not end it.
    private var unfinishedCharacter: Int {
        for back in 1...4 where back <= held.count {
            let byte = held[held.count - back]
            if byte & 0xC0 == 0x80 { continue }
            let width = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : byte < 0xF8 ? 4 : 1
            return width > back ? back : 0
        }
        return 0
    }
}
