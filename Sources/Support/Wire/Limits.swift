/// Every bound of the package that protects against input from outside, in one table.
///
/// A bound belongs here when a stranger's bytes, or their number, could otherwise make the process grow or wait
/// without end. Units are in the names: `Bytes`, `Count`, `_ms`.
public struct Limits: Sendable, Hashable {
    /// The values used when nobody chose others.
    public static let standard = Limits()

    // MARK: Request head

    /// Longest request head, request line and final empty line included. More is answered with 431.
    public var requestHeadBytes = 64 * 1024
    /// Longest request target. More is answered with 414.
    public var targetBytes = 16 * 1024
    /// Most field lines in one head. More is answered with 431.
    public var fieldCount = 128

    // MARK: Bodies

    /// Longest request body, whatever its framing. More is answered with 413.
    public var bodyBytes = 32 * 1024 * 1024
    /// Longest chunk-size line, extensions included.
    public var chunkLineBytes = 256
    /// Most bytes of chunk extensions over one whole body: they carry nothing for us, so they are only a cost.
    public var chunkExtensionBytes = 16 * 1024
    /// Longest trailer section of a chunked body.
    public var trailerBytes = 8 * 1024

    // MARK: Event streams

    /// Longest single server-sent event, its blank line included.
    public var sseEventBytes = 4 * 1024 * 1024

    // MARK: JSON

    /// Deepest nesting of arrays and objects.
    public var jsonDepth = 256
    /// Most members of a document's outermost object, which are remembered one by one.
    public var jsonMemberCount = 4096

    // MARK: Upstream (each for one event loop)

    /// Longest response head, interim heads included.
    public var responseHeadBytes = 64 * 1024
    /// Most requests in flight at once, those waiting for a connection included. More fail with `tooManyTransfers`.
    public var upstreamTransferCount = 4096
    /// Most connections at once; more requests wait.
    public var upstreamConnectionCount = 2048
    /// Most connections at once to one host and port; more requests wait.
    public var upstreamConnectionPerHostCount = 1024
    /// Most connections kept open, idle ones included, for later requests.
    public var upstreamIdleConnectionCount = 256
    /// Most bytes of one response that wait for their consumer before the upstream is made to wait.
    public var upstreamBufferBytes = 128 * 1024
    /// Most bytes read from an upstream's socket at once.
    public var upstreamReadBytes = 16 * 1024

    /// The standard values.
    public init() {}
}
