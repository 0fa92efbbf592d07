/// A provider key that never prints itself.
///
/// Every ordinary way of turning a value into text (`print`, interpolation, `dump`, a debugger's summary) gives
/// the label and `redacted`; the characters come out only through ``exposedValue``, which is easy to search for.
public struct APIKey: Sendable, Hashable {
    /// Where the key came from, for example the name of an environment variable. Not secret; shown in metrics.
    public let label: String

    /// The characters of the key. For the request's authorisation field only; never log or print it.
    public let exposedValue: String

    /// Wraps a key.
    public init(label: String, value: String) {
        self.label = label
        self.exposedValue = value
    }
}

extension APIKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The label and the word `redacted`.
    public var description: String { "APIKey(\(label): redacted)" }

    /// Same as ``description``.
    public var debugDescription: String { description }

    /// A mirror without the secret, because `dump` reads mirrors, not descriptions.
    public var customMirror: Mirror { Mirror(self, children: ["label": label, "value": "redacted"]) }
}
