import Wire

private struct Outcome: Equatable {
    var events: [[UInt8]] = []
    var remainder: [UInt8] = []
    var tooLarge = false
}

private func split(_ input: [UInt8], cuts: [Int] = [], limits: Limits) -> Outcome {
    var splitter = ServerSentEventSplitter(limits: limits)
    var outcome = Outcome()
    var start = 0
    for end in cuts + [input.count] {
        do throws(WireError) {
            try splitter.append(input.span.extracting(start..<end))
        } catch {
            outcome.tooLarge = true
        }
        while let event = splitter.next() { outcome.events.append(event) }
        if outcome.tooLarge { return outcome }
        start = end
    }
    outcome.remainder = splitter.takeRemainder()
    return outcome
}

/// The lines of `raw` without their endings, found with none of the splitter's code.
private func lines(of raw: [UInt8]) -> [[UInt8]] {
    var lines: [[UInt8]] = [[]]
    var previous: UInt8 = 0
    for byte in raw {
        if byte == 13 || (byte == 10 && previous != 13) {
            lines.append([])
        } else if byte != 10 {
            lines[lines.count - 1].append(byte)
        }
        previous = byte
    }
    return lines
}

/// The fields of one event, by the letter of the standard.
private func checkReading(of raw: [UInt8]) {
    var data: [[UInt8]] = []
    var name: [UInt8]?
    var hasFields = false
    var hasComments = false
    let body = raw.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(raw.dropFirst(3)) : raw
    for line in lines(of: body) where !line.isEmpty {
        let field = Array(line.prefix { $0 != 0x3A })
        var value = line.dropFirst(field.count + 1)
        if value.first == 0x20 { value = value.dropFirst() }
        if field.isEmpty { hasComments = true } else { hasFields = true }
        if field == Array("data".utf8) { data.append(Array(value)) }
        if field == Array("event".utf8) { name = Array(value) }
    }
    let event = ServerSentEvent(parsing: raw)
    require(event.data == Array(data.joined(separator: [10])), "data is what the lines say")
    require(event.dataLineCount == data.count, "data lines are counted")
    require(event.eventRange.map { Array(raw[$0]) } == name, "the last name counts")
    require(event.isComment == (hasComments && !hasFields), "a comment has no fields")
}

/// Splits and reads an event stream. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzServerSentEvents(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    checkReading(of: input)
    var limits = Limits()
    limits.sseEventBytes = 100  // small, so that the fuzzer reaches it
    let whole = split(input, limits: limits)
    for cuts in cuts(of: input) { require(split(input, cuts: cuts, limits: limits) == whole, "cuts change nothing") }
    let joined = Array(whole.events.joined()) + whole.remainder
    if whole.tooLarge {
        require(input.starts(with: joined), "what came before is untouched")
    } else {
        require(joined == input, "nothing is lost, added or changed")
    }
    for event in whole.events {
        require(event.count <= limits.sseEventBytes, "the limit holds")
        let parts = lines(of: event)
        require(parts.count >= 2 && parts.suffix(2).allSatisfy(\.isEmpty), "an event ends in an empty line")
        require(!parts.dropLast(2).contains([]), "and holds no other")
        checkReading(of: event)
    }
    // A CR at the end is held back, as an LF could follow.
    let rest = lines(of: whole.remainder)
    require(!rest.dropLast().contains([]) || whole.remainder.last == 13, "no complete event remains")
    return 0
}
