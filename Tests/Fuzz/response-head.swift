import Wire

private enum Outcome: Equatable {
    case head(String, consumed: Int)
    case incomplete
    case refused(WireError)
}

private var limits: Limits {
    var limits = Limits()
    limits.responseHeadBytes = 1024  // small, so that the fuzzer reaches it
    limits.fieldCount = 16
    return limits
}

/// Reads `input` in the pieces that `cuts` makes; `accepted` gets the head.
private func parse(
    _ input: [UInt8], cuts: [Int] = [], accepted: (ResponseHead, Int) -> Void = { _, _ in }
) -> Outcome {
    var parser = ResponseHeadParser(limits: limits)
    do throws(WireError) {
        for end in cuts + [input.count] {
            guard let parsed = try parser.parse(input.span.extracting(0..<end)) else { continue }
            let head = parsed.head
            accepted(head, parsed.consumed)
            return .head(
                "\(head.status) \(head.minorVersion) \(head.framing) \(head.keepAlive)\n\(head.fields)",
                consumed: parsed.consumed)
        }
        return .incomplete
    } catch {
        return .refused(error)
    }
}

/// What a head that was let through must look like, judged line by line with none of the parser's code.
private func checkAccepted(_ head: ResponseHead, _ consumed: ArraySlice<UInt8>) {
    var lines: [[UInt8]] = [[]]
    for byte in consumed {
        if byte == 10 { lines.append([]) } else { lines[lines.count - 1].append(byte) }
    }
    require(lines.removeLast().isEmpty, "a head ends in LF")
    for line in lines {
        require(line.last == 13 && !line.dropLast().contains(13), "CR stands before LF and only there")
        require(!line.dropLast().contains { ($0 < 0x20 && $0 != 9) || $0 == 0x7F }, "no control bytes")
    }
    lines = lines.map { Array($0.dropLast()) }
    require(lines.removeLast().isEmpty, "an empty line ends the head")
    // Interim heads come before the last empty line that is left.
    let final = Array(lines[(lines.lastIndex(of: []).map { $0 + 1 } ?? 0)...])
    require(final[0].starts(with: Array("HTTP/1.\(head.minorVersion) \(head.status)".utf8)), "the status line")
    require((200...599).contains(head.status), "a final status")
    require(final.count == head.fields.count + 1, "each line is a field")
    let names = final.dropFirst().map { line in
        String(decoding: line.prefix { $0 != 0x3A }, as: UTF8.self).lowercased()
    }
    let lengths = names.count { $0 == "content-length" }
    let codings = names.count { $0 == "transfer-encoding" }
    require(lengths == 0 || codings == 0, "one framing")
    switch head.framing {
    case .none: require(head.status == 204 || head.status == 304, "no body")
    case .length(let count): require(lengths > 0 && count >= 0, "framed by length alone")
    case .chunked: require(codings == 1 && head.minorVersion == 1, "framed by chunks alone")
    case .untilClose: require(lengths == 0 && codings == 0 && !head.keepAlive, "framed by the end")
    }
}

/// Reads a response head. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzResponseHead(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    let whole = parse(input) { head, consumed in checkAccepted(head, input[..<consumed]) }
    for cuts in cuts(of: input) { require(parse(input, cuts: cuts) == whole, "cuts change nothing") }
    return 0
}
