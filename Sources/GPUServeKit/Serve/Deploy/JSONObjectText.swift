internal import Wire

/// Writes one JSON object from front to back.
struct JSONObjectText {
    private var out: [UInt8] = [UInt8(ascii: "{")]

    var bytes: [UInt8] { out + [UInt8(ascii: "}")] }

    mutating func add(_ key: String, _ value: String) {
        begin(key)
        JSONText.appendQuoted(value, to: &out)
    }

    mutating func add(_ key: String, _ value: Int) {
        begin(key)
        out += Array("\(value)".utf8)
    }

    mutating func add(_ key: String, _ value: Double) {
        begin(key)
        JSONText.appendDouble(value, to: &out)
    }

    mutating func add(_ key: String, _ value: Bool) {
        begin(key)
        out += Array((value ? "true" : "false").utf8)
    }

    mutating func add(_ key: String, _ values: [String]) {
        begin(key)
        out.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            JSONText.appendQuoted(value, to: &out)
        }
        out.append(UInt8(ascii: "]"))
    }

    mutating func add(_ key: String, _ object: JSONObjectText) {
        begin(key)
        out += object.bytes
    }

    mutating func add(_ key: String, objects: [JSONObjectText]) {
        begin(key)
        out.append(UInt8(ascii: "["))
        for (index, object) in objects.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            out += object.bytes
        }
        out.append(UInt8(ascii: "]"))
    }

    private mutating func begin(_ key: String) {
        if out.count > 1 { out.append(UInt8(ascii: ",")) }
        JSONText.appendQuoted(key, to: &out)
        out.append(UInt8(ascii: ":"))
    }
}
