/// Header fields in the order they came, all in one buffer: a head of any size costs two allocations.
///
/// Every entry is valid to send: names are tokens, values hold no CR, LF, NUL or other control byte but tab
/// (RFC 9110 sections 5.1 and 5.5). So a head written from it cannot be split.
public struct HTTPFields: Sendable {
    struct Entry: Sendable {
        var nameStart: UInt32
        var nameEnd: UInt32
        var valueStart: UInt32
        var valueEnd: UInt32

        init(name: Range<Int>, value: Range<Int>) {
            nameStart = UInt32(name.lowerBound)
            nameEnd = UInt32(name.upperBound)
            valueStart = UInt32(value.lowerBound)
            valueEnd = UInt32(value.upperBound)
        }

        var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
        var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
    }

    /// Holds every name and value, and may hold other bytes between them.
    private var storage: [UInt8]
    private var entries: [Entry]

    /// No fields.
    public init() {
        storage = []
        entries = []
    }

    /// Fields that a parser has validated, as ranges in `storage`.
    init(storage: [UInt8], entries: [Entry]) {
        self.storage = storage
        self.entries = entries
    }

    /// Number of field lines.
    public var count: Int { entries.count }
    /// Whether there are none.
    public var isEmpty: Bool { entries.isEmpty }

    // MARK: Adding

    /// Adds a field line after the others. Spaces and tabs around the value are dropped.
    ///
    /// Throws `malformedField` when the name is not a token or the value holds a control byte.
    public mutating func append(_ name: String, _ value: String) throws(WireError) {
        var name = name
        var value = value
        let fault = name.withUTF8 { name in
            value.withUTF8 { value in appendReportingFault(name: name.span, value: value.span) }
        }
        if let fault { throw fault }
    }

    /// Adds a field line after the others, from bytes. Same rules as the text form; the value need not be UTF-8.
    public mutating func append(name: Span<UInt8>, value: Span<UInt8>) throws(WireError) {
        if let fault = appendReportingFault(name: name, value: value) { throw fault }
    }

    /// Adds a field line whose name stands in the program's source: no string is made of it.
    ///
    /// Throws `malformedField` when the value holds a control byte.
    public mutating func add(_ name: StaticString, text value: String) throws(WireError) {
        var value = value
        let fault = name.withUTF8Buffer { name in
            value.withUTF8 { value in appendReportingFault(name: name.span, value: value.span) }
        }
        if let fault { throw fault }
    }

    /// Makes room for so many more field lines, whose names and values together have so many bytes.
    public mutating func reserve(fields: Int, bytes: Int) {
        storage.reserveCapacity(storage.count + bytes)
        entries.reserveCapacity(entries.count + fields)
    }

    /// The field lines that `keep` wants, in order. Shares their bytes: nothing is copied or checked again.
    public func filtered(_ keep: (_ name: Span<UInt8>, _ value: Span<UInt8>) -> Bool) -> HTTPFields {
        let span = storage.span
        var kept: [Entry] = []
        // Whoever filters fields mostly adds a few.
        kept.reserveCapacity(entries.count + 4)
        for entry in entries where keep(span.extracting(entry.name), span.extracting(entry.value)) {
            kept.append(entry)
        }
        return HTTPFields(storage: storage, entries: kept)
    }

    /// Adds a field line written in the program's source. A wrong one is our bug, so it traps.
    public mutating func add(_ name: StaticString, _ value: StaticString) {
        let fault = name.withUTF8Buffer { name in
            value.withUTF8Buffer { value in appendReportingFault(name: name.span, value: value.span) }
        }
        precondition(fault == nil, "a field literal is not valid")
    }

    private mutating func appendReportingFault(name: Span<UInt8>, value: Span<UInt8>) -> WireError? {
        guard !name.isEmpty else { return WireError(.malformedField, "a field name is empty") }
        for index in name.indices where !ASCII.isToken(name[index]) {
            return WireError(.malformedField, "a field name holds \(ASCII.show(name[index]))", offset: index)
        }
        var next = 0
        while let index = value.firstControl(from: next) {
            guard value[index] == ASCII.tab else {
                return WireError(.malformedField, "a field value holds \(ASCII.show(value[index]))", offset: index)
            }
            next = index + 1
        }
        let kept = value.trimmed(0..<value.count)
        guard storage.count + name.count + kept.count <= Int(UInt32.max) else {
            return WireError(.headTooLarge, "the fields together are longer than 4 GiB")
        }
        let nameStart = storage.count
        storage.append(name)
        let valueStart = storage.count
        storage.append(value.extracting(kept))
        entries.append(Entry(name: nameStart..<valueStart, value: valueStart..<storage.count))
        return nil
    }

    /// Removes every field named `name`, letter case aside.
    public mutating func removeAll(_ name: String) {
        entries = entriesOtherThan(name)
    }

    private func entriesOtherThan(_ name: String) -> [Entry] {
        let span = storage.span
        return entries.filter { !span.equalsIgnoringCase($0.name, name) }
    }

    // MARK: Looking up

    /// The first value of `name`, letter case aside. Bytes that are not UTF-8 show as U+FFFD.
    public subscript(_ name: String) -> String? {
        let span = storage.span
        for entry in entries where span.equalsIgnoringCase(entry.name, name) { return span.string(entry.value) }
        return nil
    }

    /// All values of `name` in order, one for each field line.
    public func values(_ name: String) -> [String] {
        let span = storage.span
        var found: [String] = []
        for entry in entries where span.equalsIgnoringCase(entry.name, name) { found.append(span.string(entry.value)) }
        return found
    }

    /// Whether there is a field named `name`.
    public func contains(_ name: String) -> Bool {
        let span = storage.span
        for entry in entries where span.equalsIgnoringCase(entry.name, name) { return true }
        return false
    }

    /// Whether a comma-separated list field such as `Connection` holds `token`, letter case aside, on any line.
    public func list(_ name: String, contains token: String) -> Bool {
        let span = storage.span
        for entry in entries where span.equalsIgnoringCase(entry.name, name) {
            if span.list(entry.value, contains: token) { return true }
        }
        return false
    }

    /// Calls `body` with the raw bytes of each field line in order. The spans live only during the call.
    public func forEach<E: Error>(
        _ body: (_ name: Span<UInt8>, _ value: Span<UInt8>) throws(E) -> Void
    ) throws(E) {
        let span = storage.span
        for entry in entries { try body(span.extracting(entry.name), span.extracting(entry.value)) }
    }
}

extension HTTPFields: Sequence {
    /// Field lines as text, in order.
    public struct Iterator: IteratorProtocol {
        fileprivate let fields: HTTPFields
        fileprivate var index = 0

        /// The next field line.
        public mutating func next() -> (name: String, value: String)? {
            guard index < fields.entries.count else { return nil }
            let entry = fields.entries[index]
            index += 1
            let span = fields.storage.span
            return (span.string(entry.name), span.string(entry.value))
        }
    }

    /// An iterator over the field lines as text.
    public func makeIterator() -> Iterator { Iterator(fields: self) }
    /// Number of field lines.
    public var underestimatedCount: Int { count }
}

extension HTTPFields: Hashable, CustomStringConvertible {
    /// Equal when the same lines come in the same order, letter case of names aside.
    public static func == (left: HTTPFields, right: HTTPFields) -> Bool {
        guard left.count == right.count else { return false }
        let leftSpan = left.storage.span
        let rightSpan = right.storage.span
        for (one, other) in zip(left.entries, right.entries) {
            guard one.name.count == other.name.count, one.value.count == other.value.count else { return false }
            for (a, b) in zip(one.name, other.name)
            where ASCII.lowercased(leftSpan[a]) != ASCII.lowercased(rightSpan[b]) {
                return false
            }
            for (a, b) in zip(one.value, other.value) where leftSpan[a] != rightSpan[b] { return false }
        }
        return true
    }

    /// Feeds what `==` compares.
    public func hash(into hasher: inout Hasher) {
        let span = storage.span
        hasher.combine(count)
        for entry in entries {
            for index in entry.name { hasher.combine(ASCII.lowercased(span[index])) }
            for index in entry.value { hasher.combine(span[index]) }
        }
    }

    /// One `name: value` line for each field.
    public var description: String { map { "\($0.name): \($0.value)" }.joined(separator: "\n") }
}

extension Span<UInt8> {
    /// Whether the comma-separated list in `range` holds `token`, letter case aside (RFC 9110 section 5.6.1).
    func list(_ range: Range<Int>, contains token: String) -> Bool {
        var start = range.lowerBound
        while true {
            let end = firstIndex(of: ASCII.comma, in: start..<range.upperBound) ?? range.upperBound
            if equalsIgnoringCase(trimmed(start..<end), token) { return true }
            guard end < range.upperBound else { return false }
            start = end + 1
        }
    }
}
