import RouterKit
import Wire

/// What a request line asks for.
enum Endpoint: Equatable {
    /// A request to a language model; `path` is what follows the deployment's base URL, query included.
    case model(Dialect, path: String)
    /// Anthropic's token counter: no answer is generated, so it goes to a model that speaks Messages, unrouted.
    case countTokens(path: String)
    case models
    case modelCard(String)
    case receipt(String)
    /// What somebody says of an answer.
    case feedback
    case health
    case readiness
    case metrics
    /// Claude Code probes `HEAD /api/hello` before anything else.
    case hello
    case wrongMethod(allowed: String)
    case unknown

    init(_ head: RequestHead) {
        // Clients configured with and without `/v1` in their base URL both work.
        let path = head.path.hasPrefix("/v1/") ? String(head.path.dropFirst(3)) : head.path
        let query = head.query.map { "?" + $0 } ?? ""
        switch path {
        case "/chat/completions": self = Endpoint.post(head, .model(.chatCompletions, path: path + query))
        case "/responses": self = Endpoint.post(head, .model(.responses, path: path + query))
        case "/messages": self = Endpoint.post(head, .model(.messages, path: path + query))
        case "/messages/count_tokens": self = Endpoint.post(head, .countTokens(path: path + query))
        case "/completions": self = Endpoint.post(head, .model(.completions, path: path + query))
        case "/embeddings": self = Endpoint.post(head, .model(.embeddings, path: path + query))
        case "/feedback": self = Endpoint.post(head, .feedback)
        case "/models": self = Endpoint.get(head, .models)
        case "/healthz": self = Endpoint.get(head, .health)
        case "/readyz": self = Endpoint.get(head, .readiness)
        case "/metrics": self = Endpoint.get(head, .metrics)
        case "/api/hello": self = Endpoint.get(head, .hello)
        default:
            if path.hasPrefix("/routes/") {
                self = Endpoint.get(head, .receipt(String(path.dropFirst("/routes/".count))))
            } else if path.hasPrefix("/models/") {
                self = Endpoint.get(head, .modelCard(String(path.dropFirst("/models/".count))))
            } else {
                self = .unknown
            }
        }
    }

    private static func post(_ head: RequestHead, _ endpoint: Endpoint) -> Endpoint {
        head.method == .post ? endpoint : .wrongMethod(allowed: "POST")
    }

    private static func get(_ head: RequestHead, _ endpoint: Endpoint) -> Endpoint {
        head.method == .get || head.method == .head ? endpoint : .wrongMethod(allowed: "GET, HEAD")
    }

    /// Every path, for the answer to an unknown one.
    static let known = [
        "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/v1/completions",
        "/v1/embeddings", "/v1/models", "/v1/routes/{id}", "/v1/feedback", "/healthz", "/readyz", "/metrics",
    ]
}
