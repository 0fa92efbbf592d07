internal import Transport
internal import Wire

/// A whole answer that the daemon gives by itself, errors in the shape that OpenAI's SDK reads.
struct ServeAnswer {
    var status: Int
    var fields = HTTPFields()
    var body: [UInt8]

    static func json(_ body: [UInt8], status: Int = 200) -> ServeAnswer {
        var answer = ServeAnswer(status: status, body: body)
        answer.fields.add("Content-Type", "application/json")
        return answer
    }

    static func failure(
        _ status: Int, _ message: String, _ code: String, dialect: Dialect? = nil, param: String? = nil,
        retryAfter_ms: Int? = nil
    ) -> ServeAnswer {
        let type =
            switch status {
            case 401: "authentication_error"
            case 404: "not_found_error"
            case 503: "overloaded_error"
            default: status < 500 ? "invalid_request_error" : "api_error"
            }
        var answer = json(
            ErrorBody.json(dialect: dialect, message: message, type: type, code: code, param: param), status: status)
        // Whole seconds, rounded up: some clients read nothing else.
        if let retryAfter_ms { answer.set("Retry-After", "\(max(1, (retryAfter_ms + 999) / 1000))") }
        return answer
    }

    init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }

    init(_ error: ServeError) { self = .failure(error.httpStatus, "\(error.detail).", error.code.label) }

    /// Why a request got no answer of a model.
    init(_ refusal: DeploymentFront.Refusal, of name: String, _ outlook: DeploymentFront.Outlook, _ dialect: Dialect?) {
        let wait_ms = outlook.remaining_ms(at: EventLoop.clock_ns())
        func state(_ obstacle: String?) -> String {
            obstacle.map { "\(outlook.state) and waits for room: \($0)" } ?? outlook.state
        }
        switch refusal {
        case .full:
            self = .failure(
                503, "Too many requests wait for \(name); it is \(state(outlook.obstacle)).", "held_requests_full",
                dialect: dialect, retryAfter_ms: wait_ms)
        case .deadline(let obstacle):
            self = .failure(
                503, "\(name) was not ready in the time that this request may wait; it is \(state(obstacle)).",
                obstacle == nil ? "wake_timeout" : "no_room", dialect: dialect, retryAfter_ms: wait_ms)
        case .failed(let failure):
            self = .failure(
                503, "\(name) cannot be brought up: \(failure.detail).", failure.code.label, dialect: dialect,
                retryAfter_ms: failure.isPermanent ? nil : wait_ms)
            if failure.isPermanent { set("x-should-retry", "false") }
        case .stopped:
            self = .failure(
                503, "\(name) was stopped by hand: gpuserve wake \(name).", "stopped", dialect: dialect)
            set("x-should-retry", "false")
        }
    }

    /// Adds a field whose value was made here. One that cannot be sent is left out: it is never worth a failure.
    mutating func set(_ name: String, _ value: String) { try? fields.append(name, value) }
}

extension ResponseStart {
    nonisolated(nonsending) consuming func send(_ answer: ServeAnswer) async throws(TransportError) {
        try await send(status: answer.status, fields: answer.fields, body: answer.body)
    }
}
