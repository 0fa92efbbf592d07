/// One field line of a head: `name ":" OWS value OWS`, and nothing before the colon but the name (RFC 9112 section 5).
enum FieldLine {
    /// Finds name and value of the line at `line`, in which the caller has found no control byte but tab.
    static func parse(_ line: Range<Int>, in buffer: Span<UInt8>) throws(WireError) -> HTTPFields.Entry {
        var colon = line.lowerBound
        while colon < line.upperBound, ASCII.isToken(buffer[colon]) { colon &+= 1 }
        guard colon < line.upperBound, buffer[colon] == ASCII.colon, colon > line.lowerBound else {
            throw nameFault(line, stoppedAt: colon, in: buffer)
        }
        return HTTPFields.Entry(
            name: line.lowerBound..<colon, value: buffer.trimmed((colon &+ 1)..<line.upperBound))
    }

    private static func nameFault(_ line: Range<Int>, stoppedAt end: Int, in buffer: Span<UInt8>) -> WireError {
        if end == line.lowerBound, end < line.upperBound, ASCII.isBlank(buffer[end]) {
            return WireError(
                .malformedField, "a field line is folded, which RFC 9112 section 5.2 withdrew", offset: end)
        }
        guard end < line.upperBound else {
            return WireError(.malformedField, "a field line has no colon", offset: line.lowerBound)
        }
        if end == line.lowerBound, buffer[end] == ASCII.colon {
            return WireError(.malformedField, "a field has no name", offset: end)
        }
        if ASCII.isBlank(buffer[end]) {
            return WireError(.malformedField, "there is a blank between a field name and its colon", offset: end)
        }
        return WireError(.malformedField, "a field name holds \(ASCII.show(buffer[end]))", offset: end)
    }
}
