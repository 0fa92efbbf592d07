import Wire

private enum Outcome: Equatable {
    case head(RequestHead, consumed: Int)
    case incomplete
    case refused(WireError)
}

private func parse(_ input: [UInt8], cuts: [Int] = []) -> Outcome {
    var limits = Limits()
    limits.requestHeadBytes = 1024  // small, so that the fuzzer reaches it
    limits.targetBytes = 64
    limits.fieldCount = 16
    var parser = RequestParser(limits: limits)
    do throws(WireError) {
        for end in cuts + [input.count] {
            if let parsed = try parser.parse(input.span.extracting(0..<end)) {
                return .head(parsed.head, consumed: parsed.consumed)
            }
        }
        return .incomplete
    } catch {
        return .refused(error)
    }
}

/// What a head that was let through must look like, judged line by line with none of the parser's code.
private func checkAccepted(_ head: RequestHead, _ consumed: ArraySlice<UInt8>) {
    var lines: [[UInt8]] = [[]]
    for byte in consumed {
        if byte == 10 { lines.append([]) } else { lines[lines.count - 1].append(byte) }
    }
    require(lines.removeLast().isEmpty, "a head ends in LF")
    for line in lines {
        require(line.last == 13 && !line.dropLast().contains(13), "CR stands before LF and only there")
    }
    lines = lines.map { Array($0.dropLast()) }
    if lines.first?.isEmpty == true { lines.removeFirst() }
    require(lines.removeLast().isEmpty && !lines.contains([]), "an empty line ends the head, and only there")
    require(lines.count == head.fields.count + 1, "each line is a field")
    var names: [String] = []
    for line in lines.dropFirst() {
        guard let colon = line.firstIndex(of: 0x3A), colon > 0 else { fatalError("a line without a name passed") }
        require(!line[..<colon].contains { $0 <= 0x20 || $0 >= 0x7F }, "a name is visible ASCII")
        require(!line.contains { ($0 < 0x20 && $0 != 9) || $0 == 0x7F }, "no control bytes")
        names.append(String(decoding: line[..<colon], as: UTF8.self).lowercased())
    }
    let lengths = names.count { $0 == "content-length" }
    let codings = names.count { $0 == "transfer-encoding" }
    let hosts = names.count { $0 == "host" }
    require(hosts == 1 || (hosts == 0 && head.minorVersion == 0), "one Host, or none in HTTP/1.0")
    switch head.framing {
    case .none: require(lengths == 0 && codings == 0, "unframed")
    case .length: require(lengths > 0 && codings == 0, "framed by length alone")
    case .chunked: require(lengths == 0 && codings == 1 && head.minorVersion == 1, "framed by chunks alone")
    }
    require(head.target.hasPrefix(head.path) || !head.target.hasPrefix("/"), "the path begins the target")
}

/// Writing the head anew and reading that gives the same head.
private func checkRoundTrip(_ head: RequestHead) {
    var written = Array("\(head.method) \(head.target) HTTP/1.\(head.minorVersion)\r\n".utf8)
    head.fields.forEach { name, value in
        for index in name.indices { written.append(name[index]) }
        written += [0x3A, 0x20]
        for index in value.indices { written.append(value[index]) }
        written += [13, 10]
    }
    written += [13, 10]
    // It may be a little longer than the original, so the small limits of this file do not apply.
    var parser = RequestParser()
    let parsed = try? parser.parse(written.span)
    require(parsed?.head == head && parsed?.consumed == written.count, "a head survives being written and read")
}

/// Reads a request head. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRequestHead(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    let whole = parse(input)
    for cuts in cuts(of: input) { require(parse(input, cuts: cuts) == whole, "cuts change nothing") }
    if case .head(let head, let consumed) = whole {
        checkAccepted(head, input[..<consumed])
        checkRoundTrip(head)
    }
    return 0
}
