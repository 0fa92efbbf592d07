import Wire

/// Collects response heads from the lines that libcurl reports, for the parser that reads those of the native client
/// too: libcurl itself lets much pass that two readers can take differently.
struct CurlResponseHead {
    private var received: [UInt8] = []
    private var parser: ResponseHeadParser
    private var version: UpstreamHTTPVersion?

    init(limits: Limits, isHeadAnswer: Bool) {
        parser = ResponseHeadParser(limits: limits, isHeadAnswer: isHeadAnswer)
    }

    /// Takes one line with its line ending; the head when it is the last of the final one.
    ///
    /// Throws `responseHeadTooLarge` (all heads of one response, interim ones included, share one bound) or
    /// `protocolError`.
    mutating func append(
        line: Span<UInt8>
    ) throws(TransportError) -> (head: ResponseHead, version: UpstreamHTTPVersion)? {
        line.withUnsafeBufferPointer { line in
            // HTTP/2 has no status line; libcurl writes one of its own, "HTTP/2 200 ".
            if line.starts(with: "HTTP/2 ".utf8) {
                version = .http2
                received.append(contentsOf: "HTTP/1.1".utf8)
                received.append(contentsOf: line.dropFirst(6))
            } else {
                received.append(contentsOf: line)
            }
        }
        let bytes = received
        do throws(WireError) {
            guard let parsed = try parser.parse(bytes.span) else { return nil }
            received = []
            return (parsed.head, version ?? (parsed.head.minorVersion == 0 ? .http1_0 : .http1_1))
        } catch {
            let isTooLarge = error.code == .headTooLarge || error.code == .tooManyFields
            // The detail names the kind of byte and never quotes a value.
            throw TransportError(isTooLarge ? .responseHeadTooLarge : .protocolError, error.detail)
        }
    }
}
