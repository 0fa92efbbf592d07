/// A request method: a token, with case (RFC 9110 section 9.1).
public struct HTTPMethod: Sendable, Hashable, CustomStringConvertible {
    /// The method as it stands in the request line.
    public let name: String

    /// A method named `name`, or nil when it is not a token (RFC 9110 section 5.6.2).
    public init?(_ name: String) {
        guard !name.isEmpty, name.utf8.allSatisfy(ASCII.isToken) else { return nil }
        self.name = name
    }

    init(unchecked name: String) { self.name = name }

    /// GET.
    public static let get = HTTPMethod(unchecked: "GET")
    /// HEAD.
    public static let head = HTTPMethod(unchecked: "HEAD")
    /// POST.
    public static let post = HTTPMethod(unchecked: "POST")
    /// PUT.
    public static let put = HTTPMethod(unchecked: "PUT")
    /// DELETE.
    public static let delete = HTTPMethod(unchecked: "DELETE")
    /// PATCH.
    public static let patch = HTTPMethod(unchecked: "PATCH")
    /// OPTIONS.
    public static let options = HTTPMethod(unchecked: "OPTIONS")

    /// Same as `name`.
    public var description: String { name }
}
