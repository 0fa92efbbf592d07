import DemoSupport
import RouterKit
import Wire

/// What is wrong with a configuration file: where, and what to write instead.
struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    let file: String
    let line: Int
    let column: Int
    let message: String

    var description: String { "\(file):\(line):\(column): \(message)" }
}

/// One object of a configuration file, read strictly: a member that nobody asked for is an error with the nearest
/// known name, so that a typo can never be silently ignored.
struct ConfigurationObject {
    let source: ConfigurationSource
    let path: String
    private let offset: Int
    private var members: [(key: String, value: JSONValue)] = []
    private var asked: [String] = []

    init(_ value: JSONValue, path: String, in source: ConfigurationSource) throws(ConfigurationError) {
        self.source = source
        self.path = path
        offset = value.offset
        guard let found = value.members else {
            throw source.error(at: value.offset, "\(path.isEmpty ? "the file" : path) must be an object")
        }
        for member in found {
            if members.contains(where: { $0.key == member.key }) {
                throw source.error(
                    at: member.value.offset, "\(ConfigurationObject.join(path, member.key)) is given twice")
            }
            members.append((member.key, member.value))
        }
    }

    func name(_ key: String) -> String { ConfigurationObject.join(path, key) }

    private static func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The raw value, or nil when it is absent or null.
    mutating func value(_ key: String) -> JSONValue? {
        asked.append(key)
        guard let value = members.first(where: { $0.key == key })?.value, !value.isNull else { return nil }
        return value
    }

    mutating func require(_ key: String) throws(ConfigurationError) -> JSONValue {
        guard let value = value(key) else { throw source.error(at: offset, "\(name(key)) is missing") }
        return value
    }

    mutating func string(_ key: String) throws(ConfigurationError) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.string else {
            throw source.error(at: value.offset, "\(name(key)) must be a string")
        }
        return text
    }

    mutating func requiredString(_ key: String) throws(ConfigurationError) -> String {
        let offset = try require(key).offset
        guard let text = try string(key), !text.isEmpty else {
            throw source.error(at: offset, "\(name(key)) must not be empty")
        }
        return text
    }

    mutating func bool(_ key: String) throws(ConfigurationError) -> Bool? {
        guard let value = value(key) else { return nil }
        guard let flag = value.bool else {
            throw source.error(at: value.offset, "\(name(key)) must be true or false")
        }
        return flag
    }

    /// A whole number inside `range`.
    mutating func int(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
        guard let value = value(key) else { return nil }
        guard let number = value.int, range.contains(number) else {
            throw source.error(
                at: value.offset, "\(name(key)) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A finite number of at least 0.
    mutating func amount(_ key: String) throws(ConfigurationError) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.double, number >= 0 else {
            throw source.error(at: value.offset, "\(name(key)) must be a number of at least 0")
        }
        return number
    }

    mutating func strings(_ key: String) throws(ConfigurationError) -> [(text: String, offset: Int)]? {
        guard let value = value(key) else { return nil }
        guard let elements = value.elements else {
            throw source.error(at: value.offset, "\(name(key)) must be an array of strings")
        }
        var found: [(text: String, offset: Int)] = []
        for element in elements {
            guard let text = element.string else {
                throw source.error(at: element.offset, "\(name(key)) must hold strings only")
            }
            found.append((text, element.offset))
        }
        return found
    }

    mutating func objects(_ key: String) throws(ConfigurationError) -> [ConfigurationObject]? {
        guard let value = value(key) else { return nil }
        guard let elements = value.elements else {
            throw source.error(at: value.offset, "\(name(key)) must be an array of objects")
        }
        var found: [ConfigurationObject] = []
        for (index, element) in elements.enumerated() {
            found.append(try ConfigurationObject(element, path: "\(name(key))[\(index)]", in: source))
        }
        return found
    }

    mutating func object(_ key: String) throws(ConfigurationError) -> ConfigurationObject? {
        guard let value = value(key) else { return nil }
        return try ConfigurationObject(value, path: name(key), in: source)
    }

    /// One of a fixed set of words.
    mutating func choice<Choice>(
        _ key: String, _ choices: [(name: String, value: Choice)]
    ) throws(ConfigurationError) -> Choice? {
        guard let text = try string(key) else { return nil }
        return try source.choose(text, from: choices, at: members.first { $0.key == key }!.value.offset, as: name(key))
    }

    /// An array of such words.
    mutating func choices<Choice>(
        _ key: String, _ choices: [(name: String, value: Choice)]
    ) throws(ConfigurationError) -> [Choice]? {
        guard let words = try strings(key) else { return nil }
        var found: [Choice] = []
        for word in words { found.append(try source.choose(word.text, from: choices, at: word.offset, as: name(key))) }
        return found
    }

    /// Every member, for objects whose keys are the user's own.
    mutating func everything() -> [(key: String, value: JSONValue)] {
        asked += members.map(\.key)
        return members
    }

    /// An error at this object's place.
    func error(_ message: String) -> ConfigurationError { source.error(at: offset, message) }

    /// Call last: refuses members that nobody asked for.
    func finish() throws(ConfigurationError) {
        for member in members where !asked.contains(member.key) {
            let hint = Suggestion.nearest(to: member.key, in: asked).map { "; did you mean \"\($0)\"?" } ?? ""
            let known = asked.sorted().joined(separator: ", ")
            throw source.error(
                at: member.value.offset,
                "\(name(member.key)) is not known\(hint.isEmpty ? "; known here: \(known)" : hint)")
        }
    }
}

/// The text of a configuration file, for errors with line and column.
struct ConfigurationSource {
    let file: String
    let bytes: [UInt8]

    /// The text of a value, as it stands in the file.
    func text(of value: JSONValue) -> [UInt8] {
        // The whole file was parsed before, so that its part from the value's start is known to be valid.
        guard let document = try? JSONDocument(validating: bytes) else { return [] }
        var cursor = JSONCursor(document, at: value.offset)
        return Array(bytes[cursor.skipValue()])
    }

    func error(at offset: Int, _ message: String) -> ConfigurationError {
        let place = JSONText.lineAndColumn(of: offset, in: bytes)
        return ConfigurationError(file: file, line: place.line, column: place.column, message: message)
    }

    func choose<Choice>(
        _ text: String, from choices: [(name: String, value: Choice)], at offset: Int, as name: String
    ) throws(ConfigurationError) -> Choice {
        if let found = choices.first(where: { $0.name == text }) { return found.value }
        let names = choices.map(\.name)
        let hint = Suggestion.nearest(to: text, in: names).map { "; did you mean \"\($0)\"?" } ?? ""
        throw error(at: offset, "\(name) must be one of \(names.joined(separator: ", "))\(hint)")
    }
}
