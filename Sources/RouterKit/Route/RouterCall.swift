public import Transport
public import Wire

/// Which model a client asked for.
public enum ModelChoice: Sendable, Hashable {
    /// `auto`, `auto:cost`, ...: the router decides; nil means the router's own mode.
    case auto(RoutingMode?)
    /// A model of the pool by name.
    case named(String)

    /// Reads the `model` of a request body. Nil for `auto:` with an unknown mode.
    public init?(model: String) {
        guard model == "auto" || model.hasPrefix("auto:") else {
            self = .named(model)
            return
        }
        guard model != "auto" else {
            self = .auto(nil)
            return
        }
        guard let mode = RoutingMode(rawValue: String(model.dropFirst("auto:".count))) else { return nil }
        self = .auto(mode)
    }
}

/// One request as the router takes it, from a gateway or from an embedding program.
public struct RouterCall: Sendable {
    /// The body, read.
    public var view: RequestView
    /// What follows a deployment's base URL: `/chat/completions`, with the client's query if there was one.
    public var path: String
    /// The client's header fields; `ForwardedFields` says which go on.
    public var fields: HTTPFields
    /// Overrides the mode of the body's model and of the router, as the header `x-router-mode` does.
    public var mode: RoutingMode?
    /// The name of the client, for the decision log; nil when clients are not told apart.
    public var clientName: String?
    /// The loop that serves the request. The log's line and what else the client need not wait for are then made there once
    /// the answer has left; nil for before `respond` returns.
    public var loop: EventLoop?

    /// A call with the dialect's usual path.
    public init(
        _ view: RequestView, path: String? = nil, fields: HTTPFields = HTTPFields(), mode: RoutingMode? = nil,
        clientName: String? = nil
    ) {
        self.view = view
        self.path = path ?? view.dialect.path
        self.fields = fields
        self.mode = mode
        self.clientName = clientName
    }
}

extension Dialect {
    /// The path after a base URL that ends in `/v1`.
    public var path: String {
        switch self {
        case .chatCompletions: "/chat/completions"
        case .responses: "/responses"
        case .messages: "/messages"
        case .completions: "/completions"
        case .embeddings: "/embeddings"
        }
    }
}
