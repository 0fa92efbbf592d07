/// A JSON text as a tree, each value with its place in the source: for configuration and logs, where good error
/// messages count and speed does not.
public indirect enum JSONValue: Sendable, Hashable {
    /// A member of an object.
    public struct Member: Sendable, Hashable {
        /// The key, escapes resolved.
        public let key: String
        /// Offset of the key's opening quote.
        public let keyOffset: Int
        /// The value.
        public let value: JSONValue
    }

    /// `null`
    case null(at: Int)
    /// `true` or `false`
    case bool(Bool, at: Int)
    /// A number, as it was written.
    case number(String, at: Int)
    /// A string, escapes resolved.
    case string(String, at: Int)
    /// An array.
    case array([JSONValue], at: Int)
    /// An object: members in order, duplicates included.
    case object([Member], at: Int)

    /// Reads one JSON text (RFC 8259). Throws what `JSONDocument` throws.
    public static func parse(_ bytes: [UInt8], limits: Limits = .standard) throws(WireError) -> JSONValue {
        let document = try JSONDocument(validating: bytes, limits: limits)
        var cursor = JSONCursor(document)
        return read(&cursor, bytes)
    }

    /// Recursion is as deep as the document, which `Limits.jsonDepth` bounds.
    private static func read(_ cursor: inout JSONCursor, _ bytes: [UInt8]) -> JSONValue {
        switch cursor.kind {
        case .null: return .null(at: cursor.skipValue().lowerBound)
        case .true: return .bool(true, at: cursor.skipValue().lowerBound)
        case .false: return .bool(false, at: cursor.skipValue().lowerBound)
        case .number:
            let range = cursor.skipValue()
            return .number(bytes.span.string(range), at: range.lowerBound)
        case .string:
            let range = cursor.skipValue()
            return .string(JSONText.decodeString(bytes.span.extracting(range)), at: range.lowerBound)
        case .array:
            let start = cursor.offset
            var values: [JSONValue] = []
            _ = cursor.enterArray()
            while cursor.nextElement() { values.append(read(&cursor, bytes)) }
            return .array(values, at: start)
        case .object:
            let start = cursor.offset
            var members: [Member] = []
            _ = cursor.enterObject()
            while cursor.nextKey() {
                let (key, keyOffset) = (cursor.key, cursor.keyRange.lowerBound)
                members.append(Member(key: key, keyOffset: keyOffset, value: read(&cursor, bytes)))
            }
            return .object(members, at: start)
        }
    }

    // MARK: Looking in

    /// Offset of the value's first byte in the source.
    public var offset: Int {
        switch self {
        case .null(let offset), .bool(_, let offset), .number(_, let offset), .string(_, let offset),
            .array(_, let offset), .object(_, let offset):
            return offset
        }
    }

    /// What the value is, with its article, for messages: "a string", "null".
    public var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The first member named `key` of an object; nil when there is none or this is not an object.
    public subscript(_ key: String) -> JSONValue? {
        members?.first { $0.key == key }?.value
    }

    /// The members of an object; nil for other kinds.
    public var members: [Member]? {
        guard case .object(let members, _) = self else { return nil }
        return members
    }

    /// The elements of an array; nil for other kinds.
    public var elements: [JSONValue]? {
        guard case .array(let elements, _) = self else { return nil }
        return elements
    }

    /// The text of a string; nil for other kinds.
    public var string: String? {
        guard case .string(let text, _) = self else { return nil }
        return text
    }

    /// The value of a number written as a whole number that fits; nil for others and other kinds.
    public var int: Int? {
        guard case .number(let text, _) = self else { return nil }
        return Int(text)
    }

    /// The value of a number as a double; nil for other kinds and for numbers too large.
    public var double: Double? {
        guard case .number(let text, _) = self, let value = Double(text), value.isFinite else { return nil }
        return value
    }

    /// `true` or `false`; nil for other kinds.
    public var bool: Bool? {
        guard case .bool(let value, _) = self else { return nil }
        return value
    }

    /// Whether this is `null`.
    public var isNull: Bool {
        guard case .null = self else { return false }
        return true
    }
}
