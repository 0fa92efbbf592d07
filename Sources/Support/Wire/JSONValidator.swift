/// Checks that bytes are one JSON text (RFC 8259) in UTF-8 (RFC 3629), in one pass and without building a tree.
///
/// The nesting is kept as one bit a level, not on the call stack, so that deep input cannot overflow anything.
struct JSONValidator {
    private let limits: Limits
    private var nesting = Nesting()
    /// Members of the outermost object, in order.
    private(set) var members: [JSONMemberRanges] = []
    private var memberKey = 0..<0
    private var memberStart = 0

    init(limits: Limits) {
        self.limits = limits
    }

    /// Validates `span` from `start` to its end; returns where the value lies without the blanks around it.
    /// Offsets in errors count from the span's first byte.
    mutating func validate(_ span: Span<UInt8>, from start: Int) throws(WireError) -> Range<Int> {
        let root = JSONScan.skipBlanks(span, start)
        var index = root
        while true {
            if try beginValue(span, &index) { continue }
            guard try endValue(span, &index) else { break }
        }
        let end = JSONScan.skipBlanks(span, index)
        guard end == span.count else { throw Self.unexpected(span, end, wanted: "nothing more after the value") }
        return root..<index
    }

    /// Passes over a scalar or an empty container; or enters a container, stops at its first value and returns true.
    @inline(__always)
    private mutating func beginValue(_ span: Span<UInt8>, _ index: inout Int) throws(WireError) -> Bool {
        guard index < span.count else { throw Self.unexpected(span, index, wanted: "a value") }
        switch span[index] {
        case ASCII.quote:
            index = try Self.string(span, index)
        case ASCII.openBrace:
            try push(object: true, at: index)
            index = JSONScan.skipBlanks(span, index &+ 1)
            guard index < span.count, span[index] == ASCII.closeBrace else {
                index = try key(span, index)
                return true
            }
            nesting.pop()
            index &+= 1
        case ASCII.openBracket:
            try push(object: false, at: index)
            index = JSONScan.skipBlanks(span, index &+ 1)
            guard index < span.count, span[index] == ASCII.closeBracket else { return true }
            nesting.pop()
            index &+= 1
        case UInt8(ascii: "t"): index = try Self.literal(span, index, "true")
        case UInt8(ascii: "f"): index = try Self.literal(span, index, "false")
        case UInt8(ascii: "n"): index = try Self.literal(span, index, "null")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            index = try Self.number(span, index)
        default:
            throw Self.unexpected(span, index, wanted: "a value")
        }
        return false
    }

    /// After a value: leaves the containers that end here. Stops at the next value and returns true, or returns false
    /// when the outermost value has ended.
    @inline(__always)
    private mutating func endValue(_ span: Span<UInt8>, _ index: inout Int) throws(WireError) -> Bool {
        while nesting.depth > 0 {
            let inObject = nesting.inObject
            if nesting.depth == 1, inObject { try noteMember(endingAt: index) }
            index = JSONScan.skipBlanks(span, index)
            let byte = index < span.count ? span[index] : 0
            if byte == ASCII.comma {
                index = JSONScan.skipBlanks(span, index &+ 1)
                if inObject { index = try key(span, index) }
                return true
            }
            guard byte == (inObject ? ASCII.closeBrace : ASCII.closeBracket) else {
                throw Self.unexpected(span, index, wanted: inObject ? "',' or '}'" : "',' or ']'")
            }
            nesting.pop()
            index &+= 1
        }
        return false
    }

    private mutating func push(object: Bool, at index: Int) throws(WireError) {
        guard nesting.depth < limits.jsonDepth else {
            throw WireError(
                .jsonTooDeep, "the JSON is nested deeper than \(limits.jsonDepth) levels", offset: index)
        }
        nesting.push(object: object)
    }

    /// Passes over `"key" :` to the member's value.
    private mutating func key(_ span: Span<UInt8>, _ start: Int) throws(WireError) -> Int {
        guard start < span.count, span[start] == ASCII.quote else {
            throw Self.unexpected(span, start, wanted: "a key in double quotes")
        }
        let end = try Self.string(span, start)
        let colon = JSONScan.skipBlanks(span, end)
        guard colon < span.count, span[colon] == ASCII.colon else {
            throw Self.unexpected(span, colon, wanted: "':' after a key")
        }
        let value = JSONScan.skipBlanks(span, colon &+ 1)
        if nesting.depth == 1 {
            memberKey = start..<end
            memberStart = value
        }
        return value
    }

    private mutating func noteMember(endingAt end: Int) throws(WireError) {
        guard members.count < limits.jsonMemberCount else {
            throw WireError(
                .jsonTooManyMembers, "the outermost object has more than \(limits.jsonMemberCount) members",
                offset: memberKey.lowerBound)
        }
        if members.isEmpty { members.reserveCapacity(16) }
        members.append(JSONMemberRanges(key: memberKey, value: memberStart..<end))
    }

    static func unexpected(_ span: Span<UInt8>, _ index: Int, wanted: String) -> WireError {
        guard index < span.count else {
            return WireError(.invalidJSON, "the text ends where \(wanted) should stand", offset: span.count)
        }
        return WireError(.invalidJSON, "expected \(wanted), found \(ASCII.show(span[index]))", offset: index)
    }
}

extension JSONValidator {
    /// Which containers are open: bit set for an object, clear for an array, innermost lowest.
    private struct Nesting {
        private(set) var depth = 0
        private var bits: UInt64 = 0
        /// Full words of levels further out. Empty up to 64 levels.
        private var outer: [UInt64] = []

        var inObject: Bool { bits & 1 == 1 }

        mutating func push(object: Bool) {
            if depth != 0, depth & 63 == 0 { outer.append(bits) }
            bits = bits << 1 | (object ? 1 : 0)
            depth &+= 1
        }

        mutating func pop() {
            depth &-= 1
            if depth != 0, depth & 63 == 0 {
                bits = outer.removeLast()
            } else {
                bits >>= 1
            }
        }
    }
}
