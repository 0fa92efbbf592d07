import Wire

/// A second, slow reader of RFC 8259: one function for each rule of the grammar, no tricks, nothing shared with the
/// real one. Both must say the same of every input.
private struct Reference {
    let text: [UInt8]
    let depthLimit: Int
    var index = 0

    static func accepts(_ text: [UInt8], depthLimit: Int) -> Bool {
        var reader = Reference(text: text, depthLimit: depthLimit)
        reader.blanks()
        guard reader.value(depth: 0) else { return false }
        reader.blanks()
        return reader.index == text.count && String(validating: text, as: UTF8.self) != nil
    }

    private var byte: UInt8? { index < text.count ? text[index] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard byte == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func take(word: String) -> Bool {
        guard text[index...].starts(with: word.utf8) else { return false }
        index += word.utf8.count
        return true
    }

    private mutating func blanks() {
        while let byte, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { index += 1 }
    }

    private mutating func value(depth: Int) -> Bool {
        switch byte {
        case UInt8(ascii: "{"): return depth < depthLimit && object(depth: depth + 1)
        case UInt8(ascii: "["): return depth < depthLimit && array(depth: depth + 1)
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "t"): return take(word: "true")
        case UInt8(ascii: "f"): return take(word: "false")
        case UInt8(ascii: "n"): return take(word: "null")
        default: return number()
        }
    }

    private mutating func object(depth: Int) -> Bool {
        index += 1
        blanks()
        if take("}") { return true }
        repeat {
            blanks()
            guard byte == UInt8(ascii: "\""), string() else { return false }
            blanks()
            guard take(":") else { return false }
            blanks()
            guard value(depth: depth) else { return false }
            blanks()
        } while take(",")
        return take("}")
    }

    private mutating func array(depth: Int) -> Bool {
        index += 1
        blanks()
        if take("]") { return true }
        repeat {
            blanks()
            guard value(depth: depth) else { return false }
            blanks()
        } while take(",")
        return take("]")
    }

    private mutating func string() -> Bool {
        index += 1
        while let byte {
            index += 1
            if byte == UInt8(ascii: "\"") { return true }
            if byte < 0x20 { return false }
            if byte != UInt8(ascii: "\\") { continue }
            guard let escape = self.byte else { return false }
            index += 1
            if escape == UInt8(ascii: "u") {
                for _ in 0..<4 {
                    guard let digit = self.byte, Character(Unicode.Scalar(digit)).isHexDigit, digit < 128 else {
                        return false
                    }
                    index += 1
                }
            } else if !"\"\\/bfnrt".utf8.contains(escape) {
                return false
            }
        }
        return false
    }

    private mutating func digits() -> Int {
        let start = index
        while let byte, (0x30...0x39).contains(byte) { index += 1 }
        return index - start
    }

    private mutating func number() -> Bool {
        _ = take("-")
        if !take("0"), digits() == 0 { return false }
        if take("."), digits() == 0 { return false }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            if digits() == 0 { return false }
        }
        return true
    }
}

/// Walks every value with the cursor and reads every scalar; returns how many values there were.
private func walk(_ cursor: inout JSONCursor, _ document: JSONDocument) -> Int {
    let start = cursor.offset
    var count = 1
    switch cursor.kind {
    case .object:
        _ = cursor.enterObject()
        while cursor.nextKey() {
            require(cursor.keyEquals(cursor.key), "a key is equal to itself")
            count += walk(&cursor, document)
        }
    case .array:
        _ = cursor.enterArray()
        while cursor.nextElement() { count += walk(&cursor, document) }
    case .string: checkString(cursor.skipValue(), document.bytes)
    case .number:
        let range = cursor.skipValue()
        if let number = JSONText.int(document.bytes.span.extracting(range)) {
            let exact = Int(String(decoding: document.bytes[range], as: UTF8.self))
            require(number == exact, "whole numbers are read exactly")
        }
    case .true, .false, .null: cursor.skipValue()
    }
    var skipper = JSONCursor(document, at: start)
    require(skipper.skipValue() == start..<cursor.offset, "skipping a value goes as far as walking it")
    return count
}

private func checkString(_ range: Range<Int>, _ bytes: [UInt8]) {
    let decoded = JSONText.decodeString(bytes.span.extracting(range))
    require(JSONText.equals(bytes.span.extracting(range), decoded), "a string is equal to what it decodes to")
    var quoted: [UInt8] = []
    JSONText.appendQuoted(decoded, to: &quoted)
    require(JSONText.decodeString(quoted.span) == decoded, "what is quoted decodes")
    var prefix: [UInt8] = []
    let room = decoded.utf8.count / 2
    let isComplete = JSONText.decodeString(bytes.span.extracting(range), into: &prefix, maxBytes: room)
    require(prefix.count <= room && decoded.utf8.starts(with: prefix), "a cut string is a prefix")
    require(String(validating: prefix, as: UTF8.self) != nil, "cut between characters")
    require(isComplete == (decoded.utf8.count <= room), "and it is known whether it was cut")
}

private func checkMembers(of document: JSONDocument, limits: Limits) throws(WireError) {
    for member in document.members() {
        let inner = try JSONDocument(validating: document.bytes, in: member.valueRange, limits: limits)
        require(inner.range == member.valueRange && inner.kind == member.kind, "a member's value is a document")
        require(document.members(named: member.key).contains(member), "a member is found by its key")
        var splice = JSONSplice()
        splice.replace(member.valueRange, with: Array("\"spliced\"".utf8))
        let edited = splice.apply(to: document.bytes)
        require(edited.starts(with: document.bytes[..<member.valueRange.lowerBound]), "bytes before stay")
        require(
            edited.suffix(document.bytes.count - member.valueRange.upperBound)
                == document.bytes[member.valueRange.upperBound...], "bytes after stay")
        let again = try JSONDocument(validating: edited, limits: limits)
        require(again.members().map(\.key) == document.members().map(\.key), "keys stay")
    }
}

/// Validates, walks, splices and reads a JSON text. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    var limits = Limits()
    limits.jsonDepth = 70  // more than one word of nesting bits, and within the fuzzer's reach
    do throws(WireError) {
        let document = try JSONDocument(validating: input, limits: limits)
        require(Reference.accepts(input, depthLimit: limits.jsonDepth), "the reference accepts it too")
        var cursor = JSONCursor(document)
        let values = walk(&cursor, document)
        require(cursor.offset == document.range.upperBound && values >= 1, "the walk ends at the end")
        try checkMembers(of: document, limits: limits)
        let tree = try JSONValue.parse(input, limits: limits)
        require(tree.offset == document.range.lowerBound, "the tree begins where the document does")
        require(tree.members?.map(\.key) ?? [] == document.members().map(\.key), "the tree has the same members")
        let part = [0x2C] + input
        let shifted = try JSONDocument(validating: part, in: 1..<part.count, limits: limits)
        require(shifted.range.lowerBound == document.range.lowerBound + 1, "a part is judged alone")
    } catch {
        require(!Reference.accepts(input, depthLimit: limits.jsonDepth), "the reference refuses it too")
        require((error.offset ?? -1) >= 0 && (error.offset ?? .max) <= count, "the error says where")
    }
    return 0
}
