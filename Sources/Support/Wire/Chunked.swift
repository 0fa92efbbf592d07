/// Takes the chunked transfer coding off a body (RFC 9112 section 7.1), strictly.
///
/// Sizes are plain hexadecimal, lines end in CR LF, extensions and trailers are checked, counted and dropped.
/// Feeding a body in pieces gives the same bytes, or the same error at the same place, as feeding it whole.
public struct ChunkedDecoder: Sendable {
    /// What one call did.
    public struct Progress: Sendable, Hashable {
        /// Bytes of the input that belonged to the body. Less than all of it only when `finished`.
        public let consumed: Int
        /// Whether the last chunk and the trailer section have been read.
        public let finished: Bool
    }

    private enum State: Sendable {
        case sizeStart, size, extensions, sizeLineFeed
        case data, dataReturn, dataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, endLineFeed
        case finished
    }

    private let limits: Limits
    private var state = State.sizeStart
    /// Bytes of the current chunk still to come.
    private var remaining = 0
    /// Body bytes promised so far, the current chunk included.
    private var total = 0
    private var lineBytes = 0
    private var extensionBytes = 0
    private var trailerBytes = 0
    /// Encoded bytes seen before the current call: error offsets count from the body's first byte.
    private var position = 0

    /// A decoder at the first byte of a body.
    public init(limits: Limits = .standard) {
        self.limits = limits
    }

    /// Decodes `input` and appends what it holds of the body to `output`.
    ///
    /// Output grows by at most `input.count` bytes. Throws `malformedChunk`, `bodyTooLarge` or `trailerTooLarge`; the
    /// connection is then of no more use.
    public mutating func decode(
        _ input: Span<UInt8>, into output: inout [UInt8]
    ) throws(WireError) -> Progress {
        var index = 0
        while index < input.count, state != .finished {
            if state == .data {
                let taken = min(remaining, input.count - index)
                output.append(input.extracting(index..<(index + taken)))
                index += taken
                remaining -= taken
                if remaining == 0 { state = .dataReturn }
            } else {
                try step(input[index], at: position + index)
                index += 1
            }
        }
        position += index
        return Progress(consumed: index, finished: state == .finished)
    }

    private mutating func step(_ byte: UInt8, at offset: Int) throws(WireError) {
        switch state {
        case .sizeStart, .size, .extensions, .sizeLineFeed:
            try stepSizeLine(byte, at: offset)
        case .dataReturn:
            guard byte == ASCII.carriageReturn else { throw malformed("CR after a chunk's data", byte, offset) }
            state = .dataLineFeed
        case .dataLineFeed:
            guard byte == ASCII.lineFeed else { throw malformed("LF after a chunk's data", byte, offset) }
            state = .sizeStart
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .endLineFeed:
            try stepTrailer(byte, at: offset)
        case .data, .finished:
            preconditionFailure("handled by decode")
        }
    }

    private mutating func stepSizeLine(_ byte: UInt8, at offset: Int) throws(WireError) {
        lineBytes += 1
        guard lineBytes <= limits.chunkLineBytes else {
            throw WireError(
                .malformedChunk, "a chunk-size line is longer than \(limits.chunkLineBytes) bytes", offset: offset)
        }
        switch state {
        case .sizeStart, .size:
            if let digit = ASCII.hexValue(byte) {
                state = .size
                remaining = remaining * 16 + Int(digit)
                // Checked at each digit, so the number never comes near to overflowing.
                guard remaining <= limits.bodyBytes - total else {
                    throw WireError(
                        .bodyTooLarge, "the body would be longer than \(limits.bodyBytes) bytes", offset: offset)
                }
            } else if state == .sizeStart {
                throw malformed("a hexadecimal chunk size", byte, offset)
            } else if byte == ASCII.carriageReturn {
                state = .sizeLineFeed
            } else if byte == ASCII.semicolon {
                state = .extensions
            } else {
                throw malformed("CR or ';' after a chunk size", byte, offset)
            }
        case .extensions:
            if byte == ASCII.carriageReturn {
                state = .sizeLineFeed
                return
            }
            guard (byte >= 0x20 && byte != 0x7F) || byte == ASCII.tab else {
                throw malformed("a chunk extension", byte, offset)
            }
            extensionBytes += 1
            guard extensionBytes <= limits.chunkExtensionBytes else {
                throw WireError(
                    .malformedChunk, "the chunk extensions are longer than \(limits.chunkExtensionBytes) bytes",
                    offset: offset)
            }
        default:
            guard byte == ASCII.lineFeed else { throw malformed("LF after a chunk-size line", byte, offset) }
            lineBytes = 0
            total += remaining
            state = remaining == 0 ? .trailerStart : .data
        }
    }

    private mutating func stepTrailer(_ byte: UInt8, at offset: Int) throws(WireError) {
        trailerBytes += 1
        guard trailerBytes <= limits.trailerBytes else {
            throw WireError(
                .trailerTooLarge, "the trailer section is longer than \(limits.trailerBytes) bytes", offset: offset)
        }
        switch state {
        case .trailerStart where byte == ASCII.carriageReturn:
            state = .endLineFeed
        case .trailerStart:
            guard ASCII.isToken(byte) else { throw malformed("a trailer field or an empty line", byte, offset) }
            state = .trailerName
        case .trailerName:
            if byte == ASCII.colon {
                state = .trailerValue
            } else if !ASCII.isToken(byte) {
                throw malformed("a trailer field name", byte, offset)
            }
        case .trailerValue:
            if byte == ASCII.carriageReturn {
                state = .trailerLineFeed
            } else if (byte < 0x20 && byte != ASCII.tab) || byte == 0x7F {
                throw malformed("a trailer field value", byte, offset)
            }
        case .trailerLineFeed:
            guard byte == ASCII.lineFeed else { throw malformed("LF after a trailer field", byte, offset) }
            state = .trailerStart
        default:
            guard byte == ASCII.lineFeed else { throw malformed("LF after the trailer section", byte, offset) }
            state = .finished
        }
    }

    private func malformed(_ wanted: String, _ byte: UInt8, _ offset: Int) -> WireError {
        WireError(.malformedChunk, "expected \(wanted), found \(ASCII.show(byte))", offset: offset)
    }
}

/// Puts the chunked transfer coding on a body (RFC 9112 section 7.1).
public enum ChunkedEncoder {
    /// Appends `chunk` as one chunk. An empty chunk is left out: it would end the body.
    public static func append(chunk: Span<UInt8>, to output: inout [UInt8]) {
        guard !chunk.isEmpty else { return }
        output.reserveCapacity(output.count + chunk.count + 20)
        appendSize(chunk.count, to: &output)
        output.append(chunk)
        output.append(ASCII.carriageReturn)
        output.append(ASCII.lineFeed)
    }

    /// Appends the line that opens a chunk of `count` (1...) bytes, for chunks that are sent from where they are.
    public static func appendSize(_ count: Int, to output: inout [UInt8]) {
        precondition(count > 0, "an empty chunk ends a body")
        var shift = (Int.bitWidth - 1 - count.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: count >> shift) & 0xF
            output.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            shift -= 4
        }
        output.append(ASCII.carriageReturn)
        output.append(ASCII.lineFeed)
    }

    /// Appends `chunk` as one chunk. An empty chunk is left out: it would end the body.
    public static func append(chunk: [UInt8], to output: inout [UInt8]) {
        append(chunk: chunk.span, to: &output)
    }

    /// Appends the end of the body: the last chunk, without trailers.
    public static func appendEnd(to output: inout [UInt8]) {
        output.append(literal: "0\r\n\r\n")
    }
}
