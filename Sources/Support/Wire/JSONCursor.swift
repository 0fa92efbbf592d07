/// Walks a valid document without building anything.
///
/// ```swift
/// var cursor = JSONCursor(document)
/// guard cursor.enterObject() else { ... }
/// while cursor.nextKey() {
///     if cursor.keyEquals("model") { model = cursor.string() }
/// }                                   // values not looked at are skipped
/// ```
/// A loop over an inner container must run to its end, since the next step of the outer loop begins where the inner
/// one stopped. To stop early, walk the inner container with a copy of the cursor; a copy is cheap.
public struct JSONCursor: Sendable {
    private let bytes: [UInt8]
    /// Index of the next byte to be looked at.
    private var position: Int
    /// Whether `position` is at a value that nobody has read, entered or skipped.
    private var isAtValue = true
    /// Where the key last passed by `nextKey` lies, quotes included.
    public private(set) var keyRange = 0..<0

    /// A cursor at the outermost value of `document`.
    public init(_ document: JSONDocument) {
        bytes = document.bytes
        position = document.range.lowerBound
    }

    /// A cursor at a value inside `document`: `start` is the lower bound of a `valueRange` found in the same document.
    public init(_ document: JSONDocument, at start: Int) {
        precondition(document.range.contains(start), "the position is outside the document's value")
        bytes = document.bytes
        position = start
    }

    /// Index in the document's bytes of the next byte to be looked at: of the value, when the cursor is at one.
    public var offset: Int { position }

    /// The kind of the value at the cursor.
    public var kind: JSONKind {
        precondition(isAtValue, "the cursor is not at a value")
        return JSONKind(firstByte: bytes[position])
    }

    /// Steps into the object at the cursor. False, without moving, when the value is not an object.
    public mutating func enterObject() -> Bool { enter(ASCII.openBrace) }

    /// Steps into the array at the cursor. False, without moving, when the value is not an array.
    public mutating func enterArray() -> Bool { enter(ASCII.openBracket) }

    private mutating func enter(_ opening: UInt8) -> Bool {
        guard isAtValue, bytes[position] == opening else { return false }
        position += 1
        isAtValue = false
        return true
    }

    /// Moves to the value of the next member of the object that was entered. At the object's end: leaves it and
    /// returns false.
    public mutating func nextKey() -> Bool {
        guard step(closing: ASCII.closeBrace) else { return false }
        let keyEnd = JSONScan.skipString(bytes.span, position)
        let colon = JSONScan.skipBlanks(bytes.span, keyEnd)
        keyRange = position..<keyEnd
        position = JSONScan.skipBlanks(bytes.span, colon + 1)
        isAtValue = true
        return true
    }

    /// Moves to the next element of the array that was entered. At the array's end: leaves it and returns false.
    public mutating func nextElement() -> Bool {
        guard step(closing: ASCII.closeBracket) else { return false }
        isAtValue = true
        return true
    }

    /// Skips a value nobody read, then a comma; false after the closing bracket.
    private mutating func step(closing: UInt8) -> Bool {
        if isAtValue { skipValue() }
        var index = JSONScan.skipBlanks(bytes.span, position)
        if bytes[index] == ASCII.comma { index = JSONScan.skipBlanks(bytes.span, index + 1) }
        let closed = bytes[index] == closing
        position = closed ? index + 1 : index
        return !closed
    }

    /// Moves past the value at the cursor; returns where it lies.
    @discardableResult
    public mutating func skipValue() -> Range<Int> {
        precondition(isAtValue, "the cursor is not at a value")
        let start = position
        position = JSONScan.skipValue(bytes.span, start)
        isAtValue = false
        return start..<position
    }

    // MARK: Reading

    /// Whether the key last passed, escapes resolved, is `key`.
    @_disfavoredOverload
    public func keyEquals(_ key: String) -> Bool { JSONText.equals(bytes.span.extracting(keyRange), key) }

    /// Whether the key last passed, escapes resolved, is `key`; several times as fast as the form for any string.
    public func keyEquals(_ key: StaticString) -> Bool {
        JSONText.equals(bytes.span.extracting(keyRange), literal: key)
    }

    /// The key last passed, escapes resolved.
    public var key: String { JSONText.decodeString(bytes.span.extracting(keyRange)) }

    /// Where the string at the cursor lies, quotes included, moving past it; nil, without moving, when it is none.
    public mutating func stringRange() -> Range<Int>? {
        isAtValue && kind == .string ? skipValue() : nil
    }

    /// The string at the cursor, escapes resolved, moving past it; nil, without moving, when it is none.
    public mutating func string() -> String? {
        stringRange().map { JSONText.decodeString(bytes.span.extracting($0)) }
    }

    /// The whole number at the cursor, moving past it; nil, without moving, when it is none (see `JSONText.int`).
    public mutating func int() -> Int? {
        guard isAtValue, kind == .number else { return nil }
        let end = JSONScan.skipValue(bytes.span, position)
        guard let number = JSONText.int(bytes.span.extracting(position..<end)) else { return nil }
        skipValue()
        return number
    }

    /// The number at the cursor, moving past it; nil, without moving, when it is none (see `JSONText.double`).
    public mutating func double() -> Double? {
        guard isAtValue, kind == .number else { return nil }
        let end = JSONScan.skipValue(bytes.span, position)
        guard let number = JSONText.double(bytes.span.extracting(position..<end)) else { return nil }
        skipValue()
        return number
    }

    /// The truth value at the cursor, moving past it; nil, without moving, when it is none.
    public mutating func bool() -> Bool? {
        guard isAtValue, kind == .true || kind == .false else { return nil }
        let value = kind == .true
        skipValue()
        return value
    }
}
