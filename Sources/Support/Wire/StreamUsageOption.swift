/// `stream_options.include_usage` of a request for a stream: whether the client asked for the usage chunk, and how to ask for
/// it in its stead.
package struct StreamUsageOption: Sendable {
    private var options: Range<Int>?
    private var includeUsage: Range<Int>?
    /// Whether the client asked.
    package private(set) var isAsked = false

    /// No `stream_options` seen.
    package init() {}

    /// Reads the value of `stream_options`. Returns where `include_usage` stands for the second time, if it does.
    package mutating func read(_ value: Range<Int>, of document: JSONDocument) -> Range<Int>? {
        options = value
        var cursor = JSONCursor(document, at: value.lowerBound)
        guard cursor.enterObject() else { return nil }
        while cursor.nextKey() {
            guard cursor.keyEquals("include_usage") else { continue }
            guard includeUsage == nil else { return cursor.keyRange }
            isAsked = cursor.kind == .true
            includeUsage = cursor.skipValue()
        }
        return nil
    }

    /// Sets `include_usage` to true with the least change; appends a whole member and a comma to `inserted`, which the caller
    /// puts at the beginning of the object, when there are no `stream_options`.
    package func ask(in body: [UInt8], _ splice: inout JSONSplice, _ inserted: inout [UInt8]) {
        guard let options else {
            inserted += Array(#""stream_options":{"include_usage":true},"#.utf8)
            return
        }
        if let includeUsage {
            if !isAsked { splice.replace(includeUsage, with: Array("true".utf8)) }
            return
        }
        let setting = Array(#""include_usage":true"#.utf8)
        switch body[options.lowerBound] {
        case ASCII.openBrace:
            let isEmpty = body[(options.lowerBound + 1)..<(options.upperBound - 1)].allSatisfy { $0 <= ASCII.space }
            splice.insert(setting + (isEmpty ? [] : [ASCII.comma]), at: options.lowerBound + 1)
        case UInt8(ascii: "n"): splice.replace(options, with: [ASCII.openBrace] + setting + [ASCII.closeBrace])
        default: break  // Not an object: the upstream refuses it in its own words.
        }
    }
}
