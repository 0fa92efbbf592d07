import Wire

/// Takes one request's body off the bytes that follow its head.
struct InboundBody {
    private enum Framing {
        case complete
        case length(remaining: Int)
        case chunked(ChunkedDecoder)
    }

    private var framing: Framing
    /// Whether anything of the body was taken yet.
    private(set) var hasStarted = false

    init(_ framing: BodyFraming, limits: Limits) {
        switch framing {
        case .none, .length(0): self.framing = .complete
        case .length(let count): self.framing = .length(remaining: count)
        case .chunked: self.framing = .chunked(ChunkedDecoder(limits: limits))
        }
    }

    /// Whether the whole body was taken.
    var isComplete: Bool {
        if case .complete = framing { return true }
        return false
    }

    /// Bytes still to come where the length was announced; nil for a chunked body that is not complete.
    var announcedRemaining: Int? {
        switch framing {
        case .complete: 0
        case .length(let remaining): remaining
        case .chunked: nil
        }
    }

    /// Moves body bytes from the front of `input` to the end of `output`; returns how many bytes of input it took.
    /// What it leaves belongs to the next request.
    mutating func take(_ input: Span<UInt8>, into output: inout [UInt8]) throws(WireError) -> Int {
        hasStarted = true
        switch framing {
        case .complete:
            return 0
        case .length(let remaining):
            let count = min(remaining, input.count)
            input.extracting(0..<count).withUnsafeBufferPointer { output.append(contentsOf: $0) }
            framing = count == remaining ? .complete : .length(remaining: remaining - count)
            return count
        case .chunked(var decoder):
            let progress = try decoder.decode(input, into: &output)
            framing = progress.finished ? .complete : .chunked(decoder)
            return progress.consumed
        }
    }

    /// The whole rest of an announced body was taken without `take`.
    mutating func complete() {
        hasStarted = true
        framing = .complete
    }

    /// The capacity that a body's buffer should have before its next piece: as it is while a piece fits, else doubled from
    /// what has arrived, and never more than the whole body. So memory follows what came and not what was announced, and
    /// every byte is moved about once.
    static func capacity(having count: Int, of capacity: Int, expecting left: Int, inPiecesOf pieceBytes: Int) -> Int {
        if capacity - count >= min(left, pieceBytes) { return capacity }
        return count + min(left, max(count, 2 * pieceBytes))
    }
}
