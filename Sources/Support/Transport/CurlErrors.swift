internal import CCurl
import Glibc

/// libcurl's results in our words.
enum CurlErrors {
    /// The error for a failed transfer.
    ///
    /// - Parameters:
    ///   - result: what libcurl reported; not `CURLE_OK`.
    ///   - systemErrno: `CURLINFO_OS_ERRNO`, which tells connection failures apart.
    ///   - headComplete: whether the final response head had arrived.
    ///   - url: the request's URL; only scheme, host and port reach the text.
    ///   - note: libcurl's own text, shown for TLS failures only: elsewhere it may quote what the upstream sent.
    static func error(
        _ result: CURLcode, systemErrno: Int32, headComplete: Bool, url: String, note: String
    ) -> TransportError {
        // libcurl reports broken chunked framing as a failed read; only its text says which it was.
        let brokenChunk = result == CURLE_RECV_ERROR && headComplete && note.contains("chunk")
        let code =
            brokenChunk ? .protocolError : code(result, systemErrno: systemErrno, headComplete: headComplete)
        var detail = origin(url) + ": " + String(cString: curl_easy_strerror(result))
        if code == .tlsFailure, !note.isEmpty { detail += " (\(note))" }
        if systemErrno != 0, code == .connectRefused || code == .connectTimeout || code == .reset {
            detail += " (\(String(cString: strerror(systemErrno))))"
        }
        return TransportError(code, detail)
    }

    private static func code(_ result: CURLcode, systemErrno: Int32, headComplete: Bool) -> TransportError.Code {
        switch result {
        case CURLE_COULDNT_CONNECT: systemErrno == ETIMEDOUT ? .connectTimeout : .connectRefused
        // The only time limit that libcurl is given is the one for connecting.
        case CURLE_OPERATION_TIMEDOUT: .connectTimeout
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .dnsFailure
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_ENGINE_INITFAILED, CURLE_USE_SSL_FAILED,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT:
            .tlsFailure
        case CURLE_PARTIAL_FILE: headComplete ? .truncated : .reset
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_HTTP2, CURLE_HTTP2_STREAM,
            CURLE_SEND_FAIL_REWIND:
            .reset
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING,
            CURLE_HTTP_RETURNED_ERROR, CURLE_FILESIZE_EXCEEDED:
            .protocolError
        case CURLE_URL_MALFORMAT, CURLE_LOGIN_DENIED, CURLE_BAD_FUNCTION_ARGUMENT: .invalidRequest
        case CURLE_NO_CONNECTION_AVAILABLE: .tooManyTransfers
        // A single header line over libcurl's own bound is reported as a lack of memory.
        case CURLE_OUT_OF_MEMORY where !headComplete: .responseHeadTooLarge
        default: result.rawValue == tooLarge ? .responseHeadTooLarge : .system
        }
    }

    /// `CURLE_TOO_LARGE`, which the headers of libcurl before 8.6 do not name.
    private static let tooLarge: UInt32 = 100

    /// Scheme, host and port of `url`: no credentials, path or query.
    static func origin(_ url: String) -> String {
        var scheme = ""
        var rest = Substring(url)
        if let separator = url.firstRange(of: "://") {
            scheme = String(url[..<separator.upperBound])
            rest = url[separator.upperBound...]
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        return scheme + (authority.split(separator: "@", omittingEmptySubsequences: false).last ?? "")
    }
}
