/// A top-level member that a model's owner wants set in every request to that model, whatever the client sent.
///
/// For example `reasoning_effort` = `"low"`, or `chat_template_kwargs` = `{"enable_thinking": false}`.
public struct ParameterOverride: Sendable, Hashable {
    /// The member's name, not escaped.
    public let key: String
    /// The member's value: one JSON text, passed on as it stands.
    public let json: [UInt8]

    /// Makes an override. `model` and `stream` cannot be overridden: the gateway decides by them.
    ///
    /// - Parameter json: must be one valid JSON value; whoever reads the configuration has checked that.
    public init(key: String, json: [UInt8]) {
        precondition(key != "model" && key != "stream", "\(key) cannot be overridden")
        precondition(!json.isEmpty, "an override needs a value")
        self.key = key
        self.json = json
    }
}
