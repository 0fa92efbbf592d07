import DemoSupport
import GPUServeKit
import Glibc
import ModelFiles
import Synchronization
import Transport
import Wire

/// The server's HTTP face: OpenAI's chat completions and completions.
final class ModelHandler: HTTPHandler {
    private let host: ModelHost
    private let name: String
    private let limits: Limits
    private let created_s = Int64(time(nil))
    private let lastNumber = Atomic<Int>(0)

    init(_ host: ModelHost, name: String, limits: Limits) {
        (self.host, self.name, self.limits) = (host, name, limits)
    }

    nonisolated(nonsending) func handle(
        _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(HandlerError) {
        do throws(TransportError) {
            let isPost = request.head.method == .post
            switch request.head.path {
            case "/v1/chat/completions" where isPost: try await complete(isChat: true, request, response)
            case "/v1/completions" where isPost: try await complete(isChat: false, request, response)
            case "/v1/models": try await response.send(status: 200, fields: .json, body: Array(list.utf8))
            case "/health": try await response.send(status: 200, fields: .json, body: Array(#"{"status":"ok"}"#.utf8))
            case "/metrics":
                try await response.send(status: 200, fields: .metrics, body: Array(host.engine.counters.text.utf8))
            default:
                let message = "\(request.head.method) \(request.head.path) is not served here."
                try await response.send(.init(status: 404, message: message, code: "unknown_path"))
            }
        } catch {
            throw HandlerError(error)
        }
    }

    /// The base, then its variants, loaded or not.
    private var list: String {
        let names = [name] + VariantShelf.names(in: host.settings.variants.directory).map { "\(name):\($0)" }
        let entries = names.map {
            #"{"id":\#(CompletionText.quoted($0)),"object":"model","created":\#(created_s),"owned_by":"gpuservekit"}"#
        }
        return #"{"object":"list","data":[\#(entries.joined(separator: ","))]}"#
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
        let number = lastNumber.add(1, ordering: .relaxed).newValue
        let id = "\(isChat ? "chatcmpl" : "cmpl")-\(getpid())-\(number)"
        let call: CompletionCall
        let events: AsyncStream<GenerationEvent>
        do {
            let read = try CompletionCall(body, isChat: isChat, limits: limits)
            events = try await host.generate(read.model) { model, weights in
                try model.request(read, id: id, weights: weights)
            }
            call = read
        } catch {
            try await response.send(CompletionCall.Refusal(error))
            return
        }
        let text = CompletionText(id: id, model: call.model ?? name, created_s: Int64(time(nil)))
        if call.isStream {
            try await text.stream(events, wantsUsage: call.wantsUsage, response)
        } else {
            try await text.answer(events, response)
        }
    }
}

extension CompletionText {
    /// Sends the whole answer when it is there.
    nonisolated(nonsending) func answer(
        _ events: AsyncStream<GenerationEvent>, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        var content = ""
        for await event in events {
            switch event {
            case .text(let piece): content += piece
            case .finished(let reason, let usage):
                try await response.send(status: 200, fields: .json, body: whole(content, reason.rawValue, usage))
                return
            case .failed(let problem):
                try await response.send(.init(status: 503, message: problem, code: "model_unavailable"))
                return
            }
        }
        // The client is gone: the stream was cancelled with the task.
        throw TransportError(.clientGone, "the request was cancelled")
    }

    /// Sends the answer as it comes.
    nonisolated(nonsending) func stream(
        _ events: AsyncStream<GenerationEvent>, wantsUsage: Bool, _ response: consuming ResponseStart
    ) async throws(TransportError) {
        var body = try await response.stream(status: 200, fields: .events)
        var isFirst = true
        for await event in events {
            switch event {
            case .text(let text):
                try await body.write(piece(text, isFirst: isFirst))
                isFirst = false
            case .finished(let reason, let usage):
                var end = piece("", reason.rawValue)
                if wantsUsage { end += usageEvent(usage) }
                try await body.write(end + CompletionText.done)
                try await body.finish()
                return
            case .failed(let problem):
                let error = ErrorBody.event(dialect: .completions, message: problem, code: "model_unavailable")
                try await body.write(error + CompletionText.done)
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
        let body = ErrorBody.json(
            dialect: .completions, message: refusal.message, type: type, code: refusal.code, param: refusal.param)
        var fields = HTTPFields.json
        if refusal.status == 503 { fields.add("Retry-After", "1") }
        try await send(status: refusal.status, fields: fields, body: body)
    }
}

extension CompletionCall.Refusal {
    init(_ error: any Error) {
        switch error {
        case let refusal as Self: self = refusal
        case let error as ModelError:
            switch error.code {
            case .unknownVariant:
                self.init(status: 404, message: error.message, param: "model", code: "model_not_found")
            case .asleep, .overBudget: self.init(status: 503, message: error.message, code: error.code.rawValue)
            case .badState: self.init(status: 409, message: error.message, code: error.code.rawValue)
            default: self.init(status: 422, message: error.message, param: "model", code: error.code.rawValue)
            }
        case let error as SnapshotError
        where [.malformedSource, .unsupportedSource, .truncatedSource].contains(error.code):
            self.init(status: 422, message: error.detail, param: "model", code: "badAdapter")
        default: self.init(status: 500, message: "\(error)", code: "internal_error")
        }
    }
}

extension HTTPFields {
    static let events = HTTPFields(contentType: "text/event-stream")
}
