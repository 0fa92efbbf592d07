import Wire

/// SplitMix64: the same cases in every run, from a seed that stands in the test.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
    mutating func chance(_ oneIn: Int) -> Bool { below(oneIn) == 0 }
}

/// Lines with CR LF after each, and the empty line that ends a head.
func head(_ lines: String...) -> [UInt8] {
    lines.flatMap { Array($0.utf8) + [13, 10] } + [13, 10]
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// The outcome of parsing a request head, in a form that can be compared.
enum HeadOutcome: Equatable {
    case head(RequestHead, consumed: Int)
    case incomplete
    case refused(WireError)

    var refusal: WireError? {
        guard case .refused(let error) = self else { return nil }
        return error
    }

    var accepted: RequestHead? {
        guard case .head(let head, _) = self else { return nil }
        return head
    }
}

/// Feeds `input` in growing prefixes that end at `cuts`, then whole.
func parseHead(_ input: [UInt8], cuts: [Int] = [], limits: Limits = .standard) -> HeadOutcome {
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

/// The outcome of decoding a chunked body.
struct ChunkOutcome: Equatable {
    var body: [UInt8] = []
    var consumed = 0
    var finished = false
    var error: WireError?
}

/// Feeds `input` in pieces that end at `cuts` and at its end.
func decodeChunks(_ input: [UInt8], cuts: [Int] = [], limits: Limits = .standard) -> ChunkOutcome {
    var decoder = ChunkedDecoder(limits: limits)
    var outcome = ChunkOutcome()
    do throws(WireError) {
        var start = 0
        for end in cuts + [input.count] {
            let progress = try decoder.decode(input.span.extracting(start..<end), into: &outcome.body)
            outcome.consumed += progress.consumed
            outcome.finished = progress.finished
            start = end
            if progress.finished { break }
        }
    } catch {
        outcome.error = error
    }
    return outcome
}

/// Events and remainder of a stream fed in pieces that end at `cuts`; with the label of the error that stopped it.
struct StreamOutcome: Equatable {
    var events: [String] = []
    var remainder = ""
    var error: String?
}

func splitEvents(_ input: [UInt8], cuts: [Int] = [], limits: Limits = .standard) -> StreamOutcome {
    var splitter = ServerSentEventSplitter(limits: limits)
    var outcome = StreamOutcome()
    var start = 0
    for end in cuts + [input.count] {
        do throws(WireError) {
            try splitter.append(input.span.extracting(start..<end))
        } catch {
            outcome.error = error.code.label
        }
        while let event = splitter.next() { outcome.events.append(text(event)) }
        if outcome.error != nil { return outcome }
        start = end
    }
    outcome.remainder = text(splitter.takeRemainder())
    return outcome
}
