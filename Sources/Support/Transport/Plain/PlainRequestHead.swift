import Wire

/// Writes request heads (RFC 9112 section 3). Nothing is checked here: methods, fields and targets cannot hold a line
/// break by the rules of their types.
enum PlainRequestHead {
    static func append(_ request: UpstreamRequest, _ route: PlainRoute, to output: inout [UInt8]) {
        output.append(contentsOf: request.method.name.utf8)
        output.append(0x20)
        output.append(contentsOf: route.target)
        output.append(literal: " HTTP/1.1\r\nHost: ")
        let hostStart = output.count
        request.fields.forEach { name, value in
            if output.count == hostStart, name.count == 4, UpstreamFieldRule(name) == .host { output.append(value) }
        }
        if output.count == hostStart { output.append(contentsOf: route.hostField) }
        output.append(literal: "\r\n")
        request.fields.forEach { name, value in
            switch UpstreamFieldRule(name) {
            case .drop, .host: return
            case .pass, .accept, .contentType: break
            }
            output.append(name)
            // An empty value goes out as libcurl writes it.
            output.append(literal: value.isEmpty ? ":" : ": ")
            output.append(value)
            output.append(literal: "\r\n")
        }
        if !request.body.isEmpty || request.method == .post || request.method == .put || request.method == .patch {
            output.append(literal: "Content-Length: ")
            output.append(contentsOf: String(request.body.count).utf8)
            output.append(literal: "\r\n")
        }
        output.append(literal: "\r\n")
    }
}

extension [UInt8] {
    @inline(__always)
    fileprivate mutating func append(literal text: StaticString) {
        text.withUTF8Buffer { append(contentsOf: $0) }
    }

    @inline(__always)
    fileprivate mutating func append(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
