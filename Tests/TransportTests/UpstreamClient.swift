import Testing
import Transport
import Wire

/// What the shared suites need of a transport besides sending.
protocol TestedTransport: UpstreamTransport {
    var statistics: UpstreamStatistics { get }
    func shutDown() async
}

extension CurlTransport: TestedTransport {}
extension LoopTransport: TestedTransport {}

/// The two shipped ways to an upstream. One set of tests holds both to the same promises: `LoopTransport` sends the
/// `http://` URLs of these tests natively.
enum UpstreamClient: CaseIterable, CustomTestStringConvertible {
    case curl, native

    /// The standard limits, but a stale connection is told from a dying upstream by no clock: a busy machine may take
    /// longer than the standard second to notice.
    static var patient: Limits { Limits.with { $0.upstreamResend_ms = 60_000 } }

    func transport(limits: Limits = Self.patient) throws -> any TestedTransport {
        switch self {
        case .curl: try CurlTransport(limits: limits)
        case .native: try LoopTransport(limits: limits)
        }
    }

    func transport(loops: [EventLoop], limits: Limits = Self.patient) throws -> any TestedTransport {
        switch self {
        case .curl: try CurlTransport(loops: loops, limits: limits)
        case .native: try LoopTransport(loops: loops, limits: limits)
        }
    }

    var testDescription: String { "\(self)" }
}
