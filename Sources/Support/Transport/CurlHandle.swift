internal import CCurl
import Wire

/// One reusable libcurl easy handle with everything that never changes set once.
///
/// Not `curl_easy_reset` between requests: setting two dozen options again costs more than the request's own. The
/// engine owns every handle and frees none while libcurl may call back, so callbacks hold it unretained. Confined to
/// the engine's thread.
final class CurlHandle {
    /// What the handle was last set to, to skip equal settings.
    private enum Shape: Equatable {
        case get, head, post
        case other(String, withBody: Bool)
    }

    let easy: UnsafeMutableRawPointer
    /// The transfer in progress; strong, so that a transfer lives until libcurl is done with it.
    var transfer: CurlTransfer?

    private var lines = CurlHeaderLines()
    private let errorText: UnsafeMutablePointer<CChar>
    private var shape: Shape?
    private(set) var url = ""
    private let parsedURL: OpaquePointer
    private var connect_ms = -1
    private var unixSocketPath: String?
    private var trustFile: String?
    private var http2: Bool?
    private let systemTrustFile: String?
    private let systemTrustFolder: String?
    private var bodyIsSet = false

    /// Makes a handle; nil when libcurl is out of memory.
    init?(
        proxy: String?, bufferBytes: Int, closeSocket: curl_closesocket_callback,
        closeSocketData: UnsafeMutableRawPointer
    ) {
        guard let easy = curl_easy_init() else { return nil }
        guard let parsedURL = curl_url() else {
            curl_easy_cleanup(easy)
            return nil
        }
        self.easy = easy
        self.parsedURL = parsedURL
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        systemTrustFile = ccurl_get_string(easy, CURLINFO_CAINFO).map { String(cString: $0) }
        systemTrustFolder = ccurl_get_string(easy, CURLINFO_CAPATH).map { String(cString: $0) }
        let me = Unmanaged.passUnretained(self).toOpaque()
        _ = ccurl_set_pointer(easy, CURLOPT_PRIVATE, me)
        _ = ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
        _ = ccurl_set_pointer(easy, CURLOPT_CURLU, UnsafeMutableRawPointer(parsedURL))
        _ = ccurl_set_write(easy, curlWriteCallback, me)
        _ = ccurl_set_header(easy, curlHeaderCallback, me)
        _ = ccurl_set_prerequest(easy, curlPrerequestCallback, me)
        _ = ccurl_set_close_socket(easy, closeSocket, closeSocketData)
        _ = ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        _ = ccurl_set_long(easy, CURLOPT_NOPROGRESS, 1)
        _ = ccurl_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        _ = ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        // An empty proxy keeps libcurl from reading http_proxy and its kin from the environment.
        _ = ccurl_set_string(easy, CURLOPT_PROXY, proxy ?? "")
        _ = ccurl_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        _ = ccurl_set_long(easy, CURLOPT_TCP_NODELAY, 1)
        _ = ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        _ = ccurl_set_long(easy, CURLOPT_PIPEWAIT, 1)
        _ = ccurl_set_long(easy, CURLOPT_BUFFERSIZE, bufferBytes)
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_url_cleanup(parsedURL)
        errorText.deallocate()
    }

    /// libcurl's own words on the last failure.
    var errorNote: String { String(cString: errorText) }

    /// Sets what this request needs. False when the request cannot be sent as it is.
    func prepare(_ transfer: CurlTransfer) -> Bool {
        let request = transfer.request
        errorText[0] = 0
        if request.url != url, !setURL(request.url) { return false }
        guard setMethodAndBody(request) else { return false }
        guard ccurl_set_headers(easy, lines.build(request.fields)) == CURLE_OK else { return false }
        if request.timeouts.connect_ms != connect_ms {
            connect_ms = request.timeouts.connect_ms
            // Zero would mean libcurl's default of five minutes.
            _ = ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, max(1, connect_ms))
        }
        if request.http2 != http2 {
            http2 = request.http2
            // "2TLS" offers HTTP/2 by ALPN and stays with 1.1 on plain http.
            let version = request.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1
            _ = ccurl_set_long(easy, CURLOPT_HTTP_VERSION, version)
        }
        if request.unixSocketPath != unixSocketPath {
            unixSocketPath = request.unixSocketPath
            guard set(CURLOPT_UNIX_SOCKET_PATH, unixSocketPath) == CURLE_OK else { return false }
        }
        if request.trustFile != trustFile {
            trustFile = request.trustFile
            // The system's certificates come from a file and from a folder; one's own file replaces both.
            guard set(CURLOPT_CAINFO, trustFile ?? systemTrustFile) == CURLE_OK,
                set(CURLOPT_CAPATH, trustFile == nil ? systemTrustFolder : nil) == CURLE_OK
            else { return false }
        }
        return true
    }

    /// Lets go of the transfer's bytes, so that no pointer to them outlives it.
    func release() {
        transfer = nil
        guard bodyIsSet else { return }
        bodyIsSet = false
        _ = ccurl_set_body(easy, nil, 0)
    }

    /// Parses the URL once for all requests that share it: libcurl would do so for each, at a tenth of a request's cost.
    private func setURL(_ text: String) -> Bool {
        url = ""
        guard text.hasHTTPScheme else { return false }
        return text.withCString { text in
            let flags = UInt32(CURLU_PATH_AS_IS | CURLU_DISALLOW_USER)
            guard curl_url_set(parsedURL, CURLUPART_URL, text, flags) == CURLUE_OK,
                // The text too: libcurl takes it to repeat a request, and would still have the one before.
                ccurl_set_string(easy, CURLOPT_URL, text) == CURLE_OK
            else { return false }
            url = String(cString: text)
            return true
        }
    }

    private func set(_ option: CURLoption, _ value: String?) -> CURLcode {
        guard let value else { return ccurl_set_string(easy, option, nil) }
        return value.withCString { ccurl_set_string(easy, option, $0) }
    }

    private func setMethodAndBody(_ request: UpstreamRequest) -> Bool {
        let wanted: Shape =
            switch request.method {
            case .get where request.body.isEmpty: .get
            case .head: .head
            case .post: .post
            default:
                .other(
                    request.method.name,
                    withBody: !request.body.isEmpty || request.method == .put || request.method == .patch)
            }
        if wanted == .head, !request.body.isEmpty { return false }
        if wanted != shape {
            switch wanted {
            case .get, .head, .post: _ = ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, nil)
            case .other(let name, _):
                guard name.withCString({ ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, $0) }) == CURLE_OK
                else { return false }
            }
            // These also undo what an earlier method had set.
            switch wanted {
            case .get, .other(_, withBody: false): _ = ccurl_set_long(easy, CURLOPT_HTTPGET, 1)
            case .head: _ = ccurl_set_long(easy, CURLOPT_NOBODY, 1)
            case .post, .other(_, withBody: true): _ = ccurl_set_long(easy, CURLOPT_POST, 1)
            }
            shape = wanted
        }
        switch wanted {
        case .get, .head, .other(_, withBody: false): return true
        case .post, .other(_, withBody: true):
            // The array is native (no bridging here), lives in `transfer.request` until `release`, and is never
            // mutated, so its storage does not move while libcurl reads it.
            bodyIsSet = true
            return request.body.withUnsafeBytes { bytes in
                ccurl_set_body(easy, bytes.baseAddress, curl_off_t(bytes.count)) == CURLE_OK
            }
        }
    }
}

extension String {
    /// Whether this starts with `http://` or `https://`, letter case aside.
    fileprivate var hasHTTPScheme: Bool {
        let scheme = utf8.prefix { $0 != 0x3A }.map { $0 | 0x20 }
        return (scheme == Array("http".utf8) || scheme == Array("https".utf8))
            && utf8.dropFirst(scheme.count).starts(with: "://".utf8)
    }
}

// Global functions, so that they are isolated to nothing: a closure written in main-actor code would trap here.

private func curlHeaderCallback(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ handle: UnsafeMutableRawPointer?
) -> Int {
    let handle = Unmanaged<CurlHandle>.fromOpaque(handle!).takeUnretainedValue()
    let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
    guard let transfer = handle.transfer, transfer.receive(headerLine: line.bindMemory(to: UInt8.self).span) else {
        return 0
    }
    return size * count
}

private func curlPrerequestCallback(
    _ handle: UnsafeMutableRawPointer?, _ remoteAddress: UnsafeMutablePointer<CChar>?,
    _ localAddress: UnsafeMutablePointer<CChar>?, _ remotePort: Int32, _ localPort: Int32
) -> Int32 {
    let handle = Unmanaged<CurlHandle>.fromOpaque(handle!).takeUnretainedValue()
    return handle.transfer?.maySend() == true ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}

private func curlWriteCallback(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ handle: UnsafeMutableRawPointer?
) -> Int {
    let handle = Unmanaged<CurlHandle>.fromOpaque(handle!).takeUnretainedValue()
    guard let transfer = handle.transfer else { return 0 }
    let piece = UnsafeRawBufferPointer(start: bytes, count: size * count)
    switch transfer.receive(body: piece.bindMemory(to: UInt8.self).span) {
    case .taken: return size * count
    case .full: return Int(CURL_WRITEFUNC_PAUSE)
    case .closed: return size * count == 0 ? 1 : 0
    }
}
