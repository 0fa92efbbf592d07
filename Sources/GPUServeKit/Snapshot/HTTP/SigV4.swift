internal import Glibc
internal import Wire

/// The key pair with which requests to an object store are signed.
public struct S3Credentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    let accessKey: String
    let secretKey: String
    let sessionToken: String?

    /// A key pair, and the token that belongs to temporary ones.
    public init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; nil when one of the first two is not set.
    public static func fromEnvironment() -> S3Credentials? {
        func value(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        guard let accessKey = value("AWS_ACCESS_KEY_ID"), let secretKey = value("AWS_SECRET_ACCESS_KEY") else {
            return nil
        }
        return S3Credentials(accessKey: accessKey, secretKey: secretKey, sessionToken: value("AWS_SESSION_TOKEN"))
    }

    /// The access key's name only.
    public var description: String { "access key \(accessKey)" }
    /// The access key's name only.
    public var debugDescription: String { description }
}

/// AWS Signature Version 4 for S3, in the `Authorization` header (Amazon S3 API reference, "Authenticating Requests").
struct SigV4: Sendable {
    let credentials: S3Credentials
    let region: String

    /// A request as it is signed.
    struct Request {
        var method: String
        /// Without encoding; slashes stay.
        var path: String
        var query: [(String, String)] = []
        /// `host` among them; `x-amz-date` and `x-amz-content-sha256` are added by `sign`.
        var headers: [(String, String)]
        /// SHA-256 of the body, in hexadecimal.
        var payloadHash: String
    }

    /// The headers to send besides `request`'s own.
    func sign(_ request: Request, unixSeconds: Int64) -> [(String, String)] {
        let time = SigV4.timestamp(unixSeconds)
        var added = [("x-amz-content-sha256", request.payloadHash), ("x-amz-date", time)]
        if let token = credentials.sessionToken { added.append(("x-amz-security-token", token)) }
        let headers = (request.headers + added).map { (lowercased($0.0), trimmed($0.1)) }.sorted { $0.0 < $1.0 }
        let names = headers.map(\.0).joined(separator: ";")
        let canonical = [
            request.method, SigV4.encode(request.path, keepingSlashes: true), SigV4.queryString(request.query),
            headers.map { "\($0.0):\($0.1)\n" }.joined(), names, request.payloadHash,
        ].joined(separator: "\n")
        let scope = "\(time.prefix(8))/\(region)/s3/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(SHA256.hexHash(Array(canonical.utf8)))"
        var key = Array("AWS4\(credentials.secretKey)".utf8)
        for part in [String(time.prefix(8)), region, "s3", "aws4_request"] { key = HMAC.sha256(key, Array(part.utf8)) }
        let signature = SHA256.hex(HMAC.sha256(key, Array(text.utf8)))
        added.append(
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope),SignedHeaders=\(names),Signature=\(signature)"
            ))
        return added
    }

    /// `20130524T000000Z`.
    static func timestamp(_ unixSeconds: Int64) -> String {
        let (date, time) = dateAndTime(unixSeconds)
        return date.joined() + "T" + time.joined() + "Z"
    }

    /// `2013-05-24T00:00:00`: what an object store's times begin with.
    static func isoTime(_ unixSeconds: Int64) -> String {
        let (date, time) = dateAndTime(unixSeconds)
        return date.joined(separator: "-") + "T" + time.joined(separator: ":")
    }

    private static func dateAndTime(_ unixSeconds: Int64) -> (date: [String], time: [String]) {
        // From "Sun, 06 Nov 1994 08:49:37 GMT".
        let words = String(decoding: HTTPDate.format(unixSeconds: unixSeconds), as: UTF8.self).split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let month = (months.firstIndex(of: String(words[2])) ?? 0) + 1
        return (
            [String(words[3]), month < 10 ? "0\(month)" : "\(month)", String(words[1])],
            words[4].split(separator: ":").map(String.init)
        )
    }

    /// The query in canonical form, which is also how it is sent.
    static func queryString(_ query: [(String, String)]) -> String {
        query.map { (encode($0.0, keepingSlashes: false), encode($0.1, keepingSlashes: false)) }
            .sorted { $0 < $1 }.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    /// Percent-encodes all but the unreserved characters of RFC 3986.
    static func encode(_ text: String, keepingSlashes: Bool) -> String {
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: encoded.append(byte)
            case 0x2F where keepingSlashes: encoded.append(byte)
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += Array("%\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8)
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    private func lowercased(_ name: String) -> String { name.lowercased() }

    private func trimmed(_ value: String) -> String {
        value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }
}

/// HMAC (RFC 2104) with SHA-256.
enum HMAC {
    static func sha256(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var block = key.count > 64 ? SHA256.hash(key) : key
        block += [UInt8](repeating: 0, count: 64 - block.count)
        return SHA256.hash(block.map { $0 ^ 0x5C } + SHA256.hash(block.map { $0 ^ 0x36 } + message))
    }
}
