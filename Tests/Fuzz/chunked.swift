import Wire

private struct Outcome: Equatable {
    var body: [UInt8] = []
    var consumed = 0
    var finished = false
    var error: WireError?
}

private func decode(_ input: [UInt8], cuts: [Int] = [], limits: Limits) -> Outcome {
    var decoder = ChunkedDecoder(limits: limits)
    var outcome = Outcome()
    var start = 0
    for end in cuts + [input.count] where !outcome.finished {
        do throws(WireError) {
            let progress = try decoder.decode(input.span.extracting(start..<end), into: &outcome.body)
            outcome.consumed += progress.consumed
            outcome.finished = progress.finished
        } catch {
            // How much the failing call had taken in is nobody's business; the offset says where it stopped.
            return Outcome(body: outcome.body, consumed: error.offset ?? -1, error: error)
        }
        start = end
    }
    return outcome
}

/// Reads a body that the decoder let through, with none of its code: lines end in CR LF, sizes are hexadecimal.
private func reference(_ encoded: ArraySlice<UInt8>) -> [UInt8] {
    var rest = encoded
    var body: [UInt8] = []
    func line() -> [UInt8] {
        let end = rest.indices.dropLast().first { rest[$0] == 13 && rest[$0 + 1] == 10 }
        guard let end else { fatalError("a line without end passed") }
        defer { rest = rest[(end + 2)...] }
        return Array(rest[..<end])
    }
    while true {
        let digits = line().prefix { $0 != 0x3B }
        guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16) else {
            fatalError("a bad size passed")
        }
        if size == 0 { break }
        body += rest.prefix(size)
        rest = rest.dropFirst(size)
        require(line().isEmpty, "CR LF follows a chunk")
    }
    while !line().isEmpty {}
    require(rest.isEmpty, "nothing of the next message is taken")
    return body
}

/// Decodes a chunked body, and encodes one. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzChunked(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    var limits = Limits()
    limits.bodyBytes = 300  // small, so that the fuzzer reaches them
    limits.chunkLineBytes = 32
    limits.chunkExtensionBytes = 48
    limits.trailerBytes = 64
    let whole = decode(input, limits: limits)
    for cuts in cuts(of: input) { require(decode(input, cuts: cuts, limits: limits) == whole, "cuts change nothing") }
    require(whole.body.count <= limits.bodyBytes, "the limit holds")
    if whole.finished { require(reference(input[..<whole.consumed]) == whole.body, "the body is what the chunks hold") }

    var encoded: [UInt8] = []
    for start in stride(from: 0, to: input.count, by: 37) {
        ChunkedEncoder.append(chunk: Array(input[start..<min(start + 37, input.count)]), to: &encoded)
    }
    ChunkedEncoder.appendEnd(to: &encoded)
    let decoded = decode(encoded, limits: .standard)
    require(decoded == Outcome(body: input, consumed: encoded.count, finished: true), "what is encoded is decoded")
    return 0
}
