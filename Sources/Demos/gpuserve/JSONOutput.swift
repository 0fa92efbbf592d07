import Wire

/// What `--json` prints.
enum JSONOutput {
    case text(String)
    case number(Int)
    case decimal(Double)
    case bool(Bool)
    case list([JSONOutput])
    case object([(String, JSONOutput)])

    var bytes: [UInt8] {
        var output: [UInt8] = []
        append(to: &output)
        return output
    }

    /// On one line of standard output.
    func show() { print(String(decoding: bytes, as: UTF8.self)) }

    private func append(to output: inout [UInt8]) {
        switch self {
        case .text(let text): JSONText.appendQuoted(text, to: &output)
        case .number(let number): output += Array("\(number)".utf8)
        case .decimal(let value): JSONText.appendDouble(value, to: &output)
        case .bool(let value): output += Array("\(value)".utf8)
        case .list(let values):
            output.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                value.append(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONText.appendQuoted(member.0, to: &output)
                output.append(UInt8(ascii: ":"))
                member.1.append(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }
}
