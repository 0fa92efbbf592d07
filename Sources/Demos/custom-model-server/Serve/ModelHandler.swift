import DemoSupport
import Glibc
import Synchronization
import Transport
import Wire

/// The server's HTTP face: OpenAI's chat completions and completions.
final class ModelHandler: HTTPHandler {
    let engine: Engine
    let model: ServedModel
    private let limits: Limits
    private let numbers = Lock(UInt64(0))

    init(engine: Engine, model: ServedModel, limits: Limits) {
        (self.engine, self.model, self.limits) = (engine, model, limits)
    }

    nonisolated(nonsending) func handle(
        _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(HandlerError) {
        do throws(TransportError) {
            let isPost = request.head.method == .post
            switch request.head.path {
            case "/v1/chat/completions" where isPost: try await complete(isChat: true, request, response)
            case "/v1/completions" where isPost: try await complete(isChat: false, request, response)
            case "/v1/models":
                try await response.send(status: 200, fields: .json, body: Array(model.list.utf8))
            case "/health": try await response.send(status: 200, fields: .json, body: Array(#"{"status":"ok"}"#.utf8))
            case "/metrics":
                try await response.send(status: 200, fields: .metrics, body: Array(engine.counters.text.utf8))
            default:
                let message = "\(request.head.method) \(request.head.path) is not served here."
                try await response.send(.init(status: 404, message: message, code: "unknown_path"))
            }
        } catch {
            throw HandlerError(error)
        }
    }

    nonisolated(nonsending) private func complete(
        isChat: Bool, _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        let body: [UInt8]
        do {
            body = try await request.body.collect(limitBytes: limits.bodyBytes)
        } catch {
            guard error.code == .bodyTooLarge else { throw error }
            let message = "The body is longer than \(limits.bodyBytes) bytes."
            try await response.send(.init(status: 413, message: message, code: "body_too_large"))
            return
        }
        let call: CompletionCall
        let work: GenerationRequest
        do throws(CompletionCall.Refusal) {
            call = try CompletionCall(body, isChat: isChat, limits: limits)
            work = try model.request(call)
        } catch {
            try await response.send(error)
            return
        }
        guard let events = engine.generate(work) else {
            let message = "\(Engine.waitingLimit) requests wait already; try again later."
            try await response.send(.init(status: 503, message: message, code: "overloaded"))
            return
        }
        let number = numbers.withLock { number in
            number += 1
            return number
        }
        let text = CompletionText(
            id: "\(isChat ? "chatcmpl" : "cmpl")-\(getpid())-\(number)", created_s: Int64(time(nil)),
            model: call.model ?? model.name, isChat: isChat)
        if call.isStream {
            try await stream(events, text, wantsUsage: call.wantsUsage, response)
        } else {
            try await answer(events, text, response)
        }
    }

    nonisolated(nonsending) private func answer(
        _ events: AsyncStream<GenerationEvent>, _ text: CompletionText, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        var content = ""
        for await event in events {
            switch event {
            case .text(let piece): content += piece
            case .finished(let reason, let usage):
                try await response.send(status: 200, fields: .json, body: text.whole(content, reason, usage))
                return
            }
        }
        // The client is gone: the stream was cancelled with the task.
        throw TransportError(.clientGone, "the request was cancelled")
    }

    nonisolated(nonsending) private func stream(
        _ events: AsyncStream<GenerationEvent>, _ text: CompletionText, wantsUsage: Bool,
        _ response: consuming ResponseStart
    ) async throws(TransportError) {
        var body = try await response.stream(status: 200, fields: .events)
        var isFirst = true
        for await event in events {
            switch event {
            case .text(let piece):
                try await body.write(text.piece(piece, isFirst: isFirst))
                isFirst = false
            case .finished(let reason, let usage):
                var end = text.piece("", reason)
                if wantsUsage { end += text.usageEvent(usage) }
                try await body.write(end + CompletionText.done)
                try await body.finish()
                return
            }
        }
        throw TransportError(.clientGone, "the request was cancelled")
    }
}

extension ResponseStart {
    nonisolated(nonsending) consuming func send(_ refusal: CompletionCall.Refusal) async throws(TransportError) {
        let type = refusal.status < 500 ? "invalid_request_error" : "server_error"
        let body = CompletionText.error(refusal.message, type: type, param: refusal.param, code: refusal.code)
        try await send(status: refusal.status, fields: .json, body: Array(body.utf8))
    }
}

extension HTTPFields {
    static let events = HTTPFields(contentType: "text/event-stream")
}
