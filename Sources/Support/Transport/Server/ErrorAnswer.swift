import Wire

/// Answers that the server gives itself, in the error shape of OpenAI's API so that its clients can show them.
enum ErrorAnswer {
    /// Appends a complete response that announces the end of the connection.
    static func append(
        status: Int, message: String, code: String, retryAfter_s: Int? = nil, omitsBody: Bool = false, date: [UInt8],
        to output: inout [UInt8]
    ) {
        let type = status < 500 || status == 501 || status == 505 ? "invalid_request_error" : "server_error"
        var body: [UInt8] = []
        body.append(contentsOf: #"{"error":{"message":"#.utf8)
        JSONText.appendQuoted(message, to: &body)
        body.append(contentsOf: #","type":"\#(type)","param":null,"code":"\#(code)"}}"#.utf8)
        var fields = HTTPFields()
        fields.add("content-type", "application/json")
        if let retryAfter_s { try? fields.append("retry-after", String(retryAfter_s)) }
        ResponseWriter.appendHead(
            status: status, fields: fields, framing: .length(body.count), keepAlive: false, date: date, to: &output)
        if !omitsBody { output.append(contentsOf: body) }
    }
}
