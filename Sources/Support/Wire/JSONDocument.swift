/// The kinds of JSON value.
public enum JSONKind: Sendable, Hashable {
    /// `{...}`
    case object
    /// `[...]`
    case array
    /// `"..."`
    case string
    /// A number; its text is kept as it is.
    case number
    /// `true`
    case `true`
    /// `false`
    case `false`
    /// `null`
    case null

    /// The kind of the valid value that begins with `byte`.
    init(firstByte byte: UInt8) {
        switch byte {
        case ASCII.openBrace: self = .object
        case ASCII.openBracket: self = .array
        case ASCII.quote: self = .string
        case UInt8(ascii: "t"): self = .true
        case UInt8(ascii: "f"): self = .false
        case UInt8(ascii: "n"): self = .null
        default: self = .number
        }
    }
}

/// Where a value lies in a document.
public struct JSONElement: Sendable, Hashable {
    /// The bytes of the value, without blanks around it.
    public let valueRange: Range<Int>
    /// Its kind.
    public let kind: JSONKind
}

/// A member of an object.
public struct JSONMember: Sendable, Hashable {
    /// The bytes of the key, quotes included.
    public let keyRange: Range<Int>
    /// The key with its escapes resolved: `"mod\u0065l"` gives `model`.
    public let key: String
    /// The bytes of the value, without blanks around it.
    public let valueRange: Range<Int>
    /// The kind of the value.
    public let kind: JSONKind
}

/// Where a member of an object lies.
public struct JSONMemberRanges: Sendable, Hashable {
    /// The bytes of the key, quotes included.
    public let key: Range<Int>
    /// The bytes of the value, without blanks around it.
    public let value: Range<Int>
}

/// Bytes that are one valid JSON text (RFC 8259), kept as they are.
///
/// Holding one is the proof of validity on which `JSONCursor` relies. Duplicate keys are allowed and stay visible:
/// whoever acts on a key must decide what two of them mean.
public struct JSONDocument: Sendable {
    /// All bytes given, untouched.
    public let bytes: [UInt8]
    /// Where the value lies in `bytes`, without blanks around it.
    public let range: Range<Int>
    /// Where the members of the outermost object lie, in order, duplicates included; see `members` for their keys as text.
    public let memberRanges: [JSONMemberRanges]

    /// Checks `bytes`, or the part of them in `part`, from end to end.
    ///
    /// Numbers may be of any size, and a lone surrogate in an escape is allowed, as RFC 8259 does; bytes that are not
    /// UTF-8 are not. Throws `invalidJSON`, `jsonTooDeep` or `jsonTooManyMembers`, with an offset in `bytes`.
    public init(
        validating bytes: [UInt8], in part: Range<Int>? = nil, limits: Limits = .standard
    ) throws(WireError) {
        var validator = JSONValidator(limits: limits)
        let part = part ?? 0..<bytes.count
        range = try validator.validate(bytes.span.extracting(0..<part.upperBound), from: part.lowerBound)
        memberRanges = validator.members
        self.bytes = bytes
    }

    /// The kind of the outermost value.
    public var kind: JSONKind { JSONKind(firstByte: bytes[range.lowerBound]) }

    /// The kind of a member's value.
    public func kind(of member: JSONMemberRanges) -> JSONKind { JSONKind(firstByte: bytes[member.value.lowerBound]) }

    /// Whether a member's key, escapes resolved, is `key`.
    public func key(of member: JSONMemberRanges, equals key: StaticString) -> Bool {
        JSONText.equals(bytes.span.extracting(member.key), literal: key)
    }

    /// The place in `keys` of a member's key, escapes resolved; nil when it is none of them.
    public func key(of member: JSONMemberRanges, isOneOf keys: [StaticString]) -> Int? {
        let key = bytes.span.extracting(member.key)
        for place in keys.indices where JSONText.equals(key, literal: keys[place]) { return place }
        return nil
    }

    /// Number of members of the outermost object; 0 when it is not an object.
    public var memberCount: Int { memberRanges.count }

    /// All members of the outermost object in order, duplicates included; none when it is not an object.
    public func members() -> [JSONMember] { memberRanges.map(member) }

    /// The members of the outermost object whose key, escapes resolved, is `key`. More than one is a duplicate.
    public func members(named key: String) -> [JSONMember] {
        memberRanges.filter { JSONText.equals(bytes.span.extracting($0.key), key) }.map(member)
    }

    /// The first member of the outermost object whose key, escapes resolved, is `key`.
    public func firstMember(_ key: String) -> JSONMember? {
        memberRanges.first { JSONText.equals(bytes.span.extracting($0.key), key) }.map(member)
    }

    /// All elements of the outermost array; none when it is not an array. Takes memory for each element: walk a long
    /// array with `JSONCursor` instead.
    public func elements() -> [JSONElement] {
        var found: [JSONElement] = []
        var cursor = JSONCursor(self)
        guard cursor.enterArray() else { return found }
        while cursor.nextElement() {
            let kind = cursor.kind
            found.append(JSONElement(valueRange: cursor.skipValue(), kind: kind))
        }
        return found
    }

    private func member(_ ranges: JSONMemberRanges) -> JSONMember {
        JSONMember(
            keyRange: ranges.key, key: JSONText.decodeString(bytes.span.extracting(ranges.key)),
            valueRange: ranges.value, kind: JSONKind(firstByte: bytes[ranges.value.lowerBound]))
    }
}
