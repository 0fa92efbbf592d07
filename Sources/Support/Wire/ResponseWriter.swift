/// How the end of a response body is marked.
public enum ResponseFraming: Sendable, Hashable {
    /// `Content-Length`. For an answer to HEAD: the length that GET would have given.
    case length(Int)
    /// Chunked transfer coding: HTTP/1.1 clients only.
    case chunked
    /// The connection closes after the body: for HTTP/1.0 clients. The head says `Connection: close`.
    case close
}

/// Writes response heads.
public enum ResponseWriter {
    /// Appends a complete HTTP/1.1 response head to `output`.
    ///
    /// `fields` cannot hold CR or LF, so nothing in it can split the head. The fields that frame a message belong to
    /// this writer: `Connection`, `Content-Length`, `Keep-Alive` and `Transfer-Encoding` in `fields` are left out and
    /// written from `framing` and `keepAlive` instead. With statuses that forbid a body, no framing is written.
    ///
    /// - Parameters:
    ///   - status: 100...999.
    ///   - date: Value of `Date`, such as `HTTPDate.format` gives; unused when empty or when `fields` has a `Date`.
    public static func appendHead(
        status: Int, fields: HTTPFields, framing: ResponseFraming, keepAlive: Bool, date: [UInt8],
        to output: inout [UInt8]
    ) {
        precondition((100...999).contains(status), "a status has three digits")
        output.append(literal: "HTTP/1.1 ")
        output.append(decimal: status)
        output.append(ASCII.space)
        output.append(literal: HTTPStatus.reason(status))
        output.append(literal: "\r\n")
        var hasDate = date.isEmpty
        fields.forEach { name, value in
            if isFraming(name) { return }
            if name.count == 4, name.equalsIgnoringCase(0..<4, literal: "date") { hasDate = true }
            output.append(name)
            output.append(literal: ": ")
            output.append(value)
            output.append(literal: "\r\n")
        }
        if !hasDate {
            output.append(literal: "date: ")
            output.append(contentsOf: date)
            output.append(literal: "\r\n")
        }
        appendFraming(status: status, framing: framing, keepAlive: keepAlive, to: &output)
        output.append(literal: "\r\n")
    }

    /// Appends the interim answer that lets a waiting client send its body.
    public static func appendContinue(to output: inout [UInt8]) {
        output.append(literal: "HTTP/1.1 100 Continue\r\n\r\n")
    }

    private static func appendFraming(
        status: Int, framing: ResponseFraming, keepAlive: Bool, to output: inout [UInt8]
    ) {
        if !HTTPStatus.forbidsBody(status) {
            switch framing {
            case .length(let length):
                precondition(length >= 0, "a content length is not negative")
                output.append(literal: "content-length: ")
                output.append(decimal: length)
                output.append(literal: "\r\n")
            case .chunked:
                output.append(literal: "transfer-encoding: chunked\r\n")
            case .close:
                break
            }
        }
        // Said in both cases: an HTTP/1.0 client that asked for keep-alive waits for the answer.
        let stays = keepAlive && framing != .close
        output.append(literal: stays ? "connection: keep-alive\r\n" : "connection: close\r\n")
    }

    private static func isFraming(_ name: Span<UInt8>) -> Bool {
        let all = 0..<name.count
        switch name.count {
        case 10:
            return name.equalsIgnoringCase(all, literal: "connection")
                || name.equalsIgnoringCase(all, literal: "keep-alive")
        case 14: return name.equalsIgnoringCase(all, literal: "content-length")
        case 17: return name.equalsIgnoringCase(all, literal: "transfer-encoding")
        default: return false
        }
    }
}

extension [UInt8] {
    /// Appends text of the program's source.
    @inline(__always)
    mutating func append(literal text: StaticString) {
        text.withUTF8Buffer { append(contentsOf: $0) }
    }
}
