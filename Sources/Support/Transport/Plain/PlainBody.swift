import Wire

/// Takes the framing off one response body (RFC 9112 section 6.3).
struct PlainBody {
    enum Outcome {
        /// The body goes on.
        case more
        /// The body ended; `leftover` bytes came after it.
        case ended(leftover: Int)
        /// The framing is broken.
        case broken(WireError)
    }

    private enum Kind {
        case none, length, chunked, untilClose
    }

    private var kind = Kind.none
    private var remaining = 0
    private var decoder: ChunkedDecoder?

    init() {}

    init(_ framing: ResponseBodyFraming, limits: Limits) {
        switch framing {
        case .none: kind = .none
        case .length(let count):
            kind = .length
            remaining = count
        case .chunked:
            kind = .chunked
            // A response has no longest length: it is streamed, not held.
            var limits = limits
            limits.bodyBytes = Int.max / 32
            decoder = ChunkedDecoder(limits: limits)
        case .untilClose: kind = .untilClose
        }
    }

    /// Whether the end of the connection is the end of the body.
    var endsByClose: Bool { kind == .untilClose }

    /// Hands what `bytes` hold of the body to `stream`. `scratch` is room for decoding.
    mutating func feed(_ bytes: Span<UInt8>, into stream: ByteStream, scratch: inout [UInt8]) -> Outcome {
        switch kind {
        case .none: return .ended(leftover: bytes.count)
        case .length:
            let taken = min(remaining, bytes.count)
            _ = stream.append(bytes.extracting(0..<taken))
            remaining -= taken
            return remaining == 0 ? .ended(leftover: bytes.count - taken) : .more
        case .chunked:
            scratch.removeAll(keepingCapacity: true)
            do throws(WireError) {
                let progress = try decoder!.decode(bytes, into: &scratch)
                _ = stream.append(scratch.span)
                return progress.finished ? .ended(leftover: bytes.count - progress.consumed) : .more
            } catch {
                // What came before the fault is good.
                _ = stream.append(scratch.span)
                return .broken(error)
            }
        case .untilClose:
            _ = stream.append(bytes)
            return .more
        }
    }
}
