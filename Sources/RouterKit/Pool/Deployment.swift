public import Transport

/// One place that serves a model: an address, the model's name there, and the keys to it.
public struct Deployment: Sendable, Hashable {
    /// How the key is presented upstream.
    public enum Authentication: String, Sendable, Hashable, CaseIterable {
        /// `Authorization: Bearer KEY`.
        case bearer
        /// `x-api-key: KEY` (Anthropic) .
        case xAPIKey = "x-api-key"
        /// No key is sent.
        case none
    }

    /// A field added to every request to this deployment.
    public struct Header: Sendable, Hashable {
        /// The field's name.
        public var name: String
        /// The field's value. May hold secrets, so it is kept out of canonical texts and snapshots.
        public var value: String

        /// A field to add.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Unique inside its model; appears in receipts and metrics.
    public var id: String
    /// `http://` or `https://` address to which `/chat/completions` and the like are appended, without a final slash.
    public var baseURL: String
    /// Connect here instead of the address's host; `nil` for TCP.
    public var unixSocketPath: String?
    /// The value of `model` that this deployment expects.
    public var upstreamModel: String
    /// Share of the traffic relative to the model's other deployments, 1 or more.
    public var weight: Int
    /// Keys used in rotation; may be empty when `authentication` is `.none`.
    public var keys: [APIKey]
    /// How a key is presented.
    public var authentication: Authentication
    /// Fields added to every request.
    public var extraHeaders: [Header]
    /// Requests in flight at once, 1 or more; `nil` means no cap.
    public var maxConcurrent: Int?
    /// Bounds of one exchange.
    public var timeouts: UpstreamTimeouts

    /// A deployment; see the properties for ranges, which ``ModelCard/validate()`` checks.
    public init(
        id: String, baseURL: String, unixSocketPath: String? = nil, upstreamModel: String, weight: Int = 1,
        keys: [APIKey] = [], authentication: Authentication = .none, extraHeaders: [Header] = [],
        maxConcurrent: Int? = nil, timeouts: UpstreamTimeouts = UpstreamTimeouts()
    ) {
        self.id = id
        self.baseURL = baseURL
        self.unixSocketPath = unixSocketPath
        self.upstreamModel = upstreamModel
        self.weight = weight
        self.keys = keys
        self.authentication = authentication
        self.extraHeaders = extraHeaders
        self.maxConcurrent = maxConcurrent
        self.timeouts = timeouts
    }
}
