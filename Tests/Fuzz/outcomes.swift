// with: Sources/RouterKit/Learn/OutcomeFault.swift Sources/RouterKit/Learn/OutcomeLine.swift
// with: Sources/RouterKit/Learn/OutcomeRow.swift Sources/RouterKit/Learn/OutcomePool.swift
// with: Sources/RouterKit/Classify/CapabilityTier.swift Sources/RouterKit/Pool/Price.swift
// with: Sources/RouterKit/Ledger/String+Printable.swift
import Wire

/// The row as a line, its members in another order than files have them.
private func line(_ row: OutcomeRow) -> [UInt8] {
    var text: [UInt8] = Array("{\"models\":{".utf8)
    for (index, name) in row.scores.keys.sorted().enumerated() {
        if index > 0 { text.append(UInt8(ascii: ",")) }
        JSONText.appendQuoted(name, to: &text)
        text.append(UInt8(ascii: ":"))
        JSONText.appendDouble(row.scores[name]!, to: &text)
    }
    text.append(contentsOf: "},\"out_tok\":{".utf8)
    for (index, name) in row.outputTokens.keys.sorted().enumerated() {
        if index > 0 { text.append(UInt8(ascii: ",")) }
        JSONText.appendQuoted(name, to: &text)
        text.append(contentsOf: ":\(row.outputTokens[name]!)".utf8)
    }
    text.append(contentsOf: "},\"in_tok\":\(row.inputTokens.map(String.init) ?? "null")".utf8)
    for (key, value) in [("task", row.task), ("sub", row.subject), ("source", row.source), ("id", row.id)] {
        text.append(contentsOf: ",\"\(key)\":".utf8)
        if let value { JSONText.appendQuoted(value, to: &text) } else { text.append(contentsOf: "null".utf8) }
    }
    text.append(contentsOf: ",\"prompt\":".utf8)
    JSONText.appendQuoted(utf8: row.prompt.span, to: &text)
    text.append(UInt8(ascii: "}"))
    return text
}

/// Reads a line of an outcome file in both ways. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOutcomes(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    var limits = Limits()
    limits.outcomeModelCount = 4
    var outcomes = OutcomeLine(need: .outcomes, limits: limits)
    var prompts = OutcomeLine(need: .prompts, limits: limits)
    do throws(OutcomeFault) {
        let row = try outcomes.row(input, in: 0..<count, line: 1)
        require(row.scores.values.allSatisfy { (0...1).contains($0) }, "scores lie within 0...1")
        require((1...4).contains(row.scores.count), "the bound on models holds")
        require(String(validating: row.prompt, as: UTF8.self) != nil, "the prompt is text")
        let again = line(row)
        require(try outcomes.row(again, in: 0..<again.count, line: 1) == row, "what is written reads back")
        let prompt = try prompts.row(input, in: 0..<count, line: 1)
        require(prompt.prompt == row.prompt && prompt.source == row.source, "both ways read the same prompt")
        require(prompt.scores.isEmpty && prompt.outputTokens.isEmpty, "prompts come without outcomes")
        let part = [0x2C] + input
        require(try outcomes.row(part, in: 1..<part.count, line: 1) == row, "a part is read alone")
    } catch {
        require(!error.detail.isEmpty, "a fault says what was wrong")
        require(!error.description.unicodeScalars.contains { $0.value < 0x20 }, "and is safe to print")
    }
    return 0
}
