internal import CCurl
import Glibc
import Synchronization
import Wire

/// libcurl's multi interface driven by one event loop: its sockets and its timer are the loop's.
///
/// `@unchecked Sendable`: everything but `loop`, `home`, `limits` and the counters is touched only on the loop's thread,
/// which `Settlement`, `onLoop` and `assertCurrent` see to.
final class CurlEngine: @unchecked Sendable, DeadlineHandler {
    let loop: EventLoop
    let home: LoopActor
    let limits: Limits
    let counters = UpstreamCounters()

    // Confined to the loop's thread.
    private let proxy: String?
    private let multi: UnsafeMutableRawPointer
    /// By descriptor.
    private var sockets: [CurlSocket?] = []
    /// Every handle; `idleHandles` are those without a transfer.
    private var handles: [CurlHandle] = []
    private var idleHandles: [CurlHandle] = []
    private var timer: DeadlineID?
    /// What the timer callback asked for during the call into libcurl that is in progress; -1 is "none".
    private var askedTimer_ms: Int?
    private var isInsideCurl = false
    private var isShutDown = false

    /// Handles kept for reuse; those of a burst beyond it are freed, some 20 KiB each.
    private static let idleHandleCount = 256

    /// libcurl's process-wide state, made once.
    private static let globalInit: CURLcode = curl_global_init(Int(CURL_GLOBAL_ALL))

    /// Makes an engine for `loop`, which need not run yet.
    ///
    /// Throws `system` when libcurl cannot be set up.
    init(_ loop: EventLoop, limits: Limits, proxy: String?) throws(TransportError) {
        guard CurlEngine.globalInit == CURLE_OK, let multi = curl_multi_init() else {
            throw TransportError(.system, "libcurl could not be initialised")
        }
        self.loop = loop
        home = LoopActor(loop)
        self.limits = limits
        self.proxy = proxy
        self.multi = multi
        let me = Unmanaged.passUnretained(self).toOpaque()
        _ = ccurl_multi_set_socket(multi, curlSocketCallback, me)
        _ = ccurl_multi_set_timer(multi, curlTimerCallback, me)
        _ = ccurl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, limits.upstreamIdleConnectionCount)
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, limits.upstreamConnectionCount)
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, limits.upstreamConnectionPerHostCount)
    }

    deinit {
        // One that ever had a request is shut down on its loop; then nothing is left to do here.
        if !isShutDown, handles.isEmpty { curl_multi_cleanup(multi) }
    }

    // MARK: Any thread

    /// Runs `body` on the loop's thread, later and never inside one of libcurl's callbacks.
    func onLoop(_ body: @escaping @Sendable (CurlEngine) -> Void) { loop.execute { body(self) } }

    // MARK: Loop thread

    /// Starts a transfer; its outcome reaches it through `CurlTransfer.completed` or `failed`.
    func start(_ transfer: CurlTransfer) {
        loop.assertCurrent()
        precondition(!isInsideCurl, "libcurl must not be called from its callbacks")
        guard !isShutDown else {
            return transfer.failed(TransportError(.shuttingDown, "the upstream engine is shut down"))
        }
        guard handles.count - idleHandles.count < limits.upstreamTransferCount else {
            return transfer.failed(
                TransportError(
                    .tooManyTransfers, "more than \(limits.upstreamTransferCount) simultaneous upstream requests"))
        }
        guard let handle = idleHandle(for: transfer.request.url) ?? makeHandle() else {
            return transfer.failed(TransportError(.system, "libcurl is out of memory"))
        }
        guard handle.prepare(transfer) else {
            discard(handle)
            return transfer.failed(
                TransportError(
                    .invalidRequest,
                    "\(CurlErrors.origin(transfer.request.url)): not an http or https URL, a HEAD with a body, or a "
                        + "setting that libcurl refuses"))
        }
        handle.transfer = transfer
        transfer.handle = handle
        counters.transferStarted()
        transfer.started()
        enterCurl { curl_multi_add_handle(multi, handle.easy) }
    }

    /// Ends a transfer before libcurl did; harmless when it is over.
    func abort(_ transfer: CurlTransfer, _ error: TransportError) {
        loop.assertCurrent()
        guard let handle = transfer.handle else { return }
        detach(handle, transfer)
        discard(handle)
        transfer.failed(error)
        settleTimer()
    }

    /// Lets a paused transfer go on; harmless when it is over.
    func unpause(_ transfer: CurlTransfer) {
        loop.assertCurrent()
        guard let handle = transfer.handle, transfer.isPaused else { return }
        transfer.unpaused()
        enterCurl { curl_easy_pause(handle.easy, CURLPAUSE_CONT) == CURLE_OK ? CURLM_OK : CURLM_INTERNAL_ERROR }
    }

    /// Fails every transfer with `shuttingDown` and frees everything. Later submissions fail at once.
    func shutDown() {
        loop.assertCurrent()
        guard !isShutDown else { return }
        isShutDown = true
        for handle in handles {
            guard let transfer = handle.transfer else { continue }
            detach(handle, transfer)
            transfer.failed(TransportError(.shuttingDown, "the upstream engine was shut down"))
        }
        // Easy handles first, then the multi handle, which closes the idle connections through `closeSocket`.
        idleHandles = []
        handles = []
        isInsideCurl = true
        curl_multi_cleanup(multi)
        isInsideCurl = false
        for socket in sockets { socket?.forget() }
        sockets = []
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    func socketReady(_ descriptor: Int32, _ action: Int32) {
        var running: Int32 = 0
        enterCurl { curl_multi_socket_action(multi, descriptor, action, &running) }
    }

    func deadlineReached(_ id: DeadlineID) {
        timer = nil
        askedTimer_ms = 0
        settle()
    }

    // MARK: Inside libcurl

    /// Makes one call into libcurl, then does what it asked for: the timer, and taking finished transfers.
    private func enterCurl(_ call: () -> CURLMcode) {
        precondition(!isInsideCurl, "libcurl must not be called from its callbacks")
        isInsideCurl = true
        let status = call()
        isInsideCurl = false
        precondition(status != CURLM_BAD_HANDLE && status != CURLM_BAD_EASY_HANDLE, "libcurl lost a handle")
        settle()
    }

    private func settle() {
        takeFinished()
        // "At once" is the usual wish after a handle was added. Bounded, so that the loop's other work is not starved.
        var rounds = 0
        while askedTimer_ms == 0, rounds < 4 {
            rounds += 1
            askedTimer_ms = nil
            isInsideCurl = true
            var running: Int32 = 0
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running)
            isInsideCurl = false
            takeFinished()
        }
        settleTimer()
    }

    private func settleTimer() {
        guard let asked_ms = askedTimer_ms else { return }
        askedTimer_ms = nil
        if let timer { loop.cancel(timer) }
        timer = asked_ms < 0 ? nil : loop.schedule(after_ms: asked_ms, self)
    }

    private func takeFinished() {
        var result = CURLE_OK
        while let easy = ccurl_multi_next_done(multi, &result) {
            guard let pointer = ccurl_get_private(easy) else { preconditionFailure("an easy handle of unknown origin") }
            let handle = Unmanaged<CurlHandle>.fromOpaque(pointer).takeUnretainedValue()
            guard let transfer = handle.transfer else { preconditionFailure("a finished handle has no transfer") }
            counters.connectionsOpened(ccurl_get_long(easy, CURLINFO_NUM_CONNECTS))
            guard result != CURLE_OK else {
                detach(handle, transfer)
                if idleHandles.count < CurlEngine.idleHandleCount {
                    idleHandles.append(handle)
                } else {
                    discard(handle)
                }
                transfer.completed(CURLE_OK, systemErrno: 0, note: "")
                continue
            }
            let systemErrno = Int32(truncatingIfNeeded: ccurl_get_long(easy, CURLINFO_OS_ERRNO))
            let note = handle.errorNote
            detach(handle, transfer)
            discard(handle)
            transfer.completed(result, systemErrno: systemErrno, note: note)
        }
    }

    /// Takes the handle out of libcurl's hands. A connection in the middle of a response is closed by that.
    private func detach(_ handle: CurlHandle, _ transfer: CurlTransfer) {
        precondition(!isInsideCurl, "libcurl must not be called from its callbacks")
        isInsideCurl = true
        curl_multi_remove_handle(multi, handle.easy)
        isInsideCurl = false
        transfer.handle = nil
        handle.release()
        counters.transferEnded()
    }

    /// A handle last used for the same URL, which it has parsed, if one is near; else the one used last.
    private func idleHandle(for url: String) -> CurlHandle? {
        if let index = idleHandles.indices.suffix(8).last(where: { idleHandles[$0].url == url }) {
            idleHandles.swapAt(index, idleHandles.count - 1)
        }
        return idleHandles.popLast()
    }

    private func makeHandle() -> CurlHandle? {
        guard
            let handle = CurlHandle(
                proxy: proxy, bufferBytes: limits.upstreamReadBytes, closeSocket: curlCloseSocketCallback,
                closeSocketData: Unmanaged.passUnretained(self).toOpaque())
        else { return nil }
        handles.append(handle)
        return handle
    }

    /// After a failure a handle may hold a paused or half-read state: freed, not reused.
    private func discard(_ handle: CurlHandle) {
        guard let index = handles.firstIndex(where: { $0 === handle }) else { return }
        handles.swapAt(index, handles.count - 1)
        handles.removeLast()
    }

    // MARK: libcurl's callbacks

    fileprivate func watch(_ descriptor: Int32, _ what: Int32) -> Int32 {
        let index = Int(descriptor)
        while sockets.count <= index { sockets.append(nil) }
        if what == CURL_POLL_REMOVE {
            sockets[index]?.idle()
            return 0
        }
        var wanted: Readiness = []
        if what & CURL_POLL_IN != 0 { wanted.insert(.readable) }
        if what & CURL_POLL_OUT != 0 { wanted.insert(.writable) }
        let socket = sockets[index] ?? CurlSocket(descriptor, self)
        sockets[index] = socket
        return socket.want(wanted) ? 0 : -1
    }

    fileprivate func closeSocket(_ descriptor: Int32) -> Int32 {
        let index = Int(descriptor)
        if index < sockets.count {
            sockets[index]?.forget()
            sockets[index] = nil
        }
        return close(descriptor)
    }

    fileprivate func askTimer(_ after_ms: Int) { askedTimer_ms = after_ms }
}

// Global functions, so that they are isolated to nothing: a closure written in main-actor code would trap here.

private func curlSocketCallback(
    _ easy: UnsafeMutableRawPointer?, _ descriptor: curl_socket_t, _ what: Int32, _ engine: UnsafeMutableRawPointer?,
    _ socket: UnsafeMutableRawPointer?
) -> Int32 {
    Unmanaged<CurlEngine>.fromOpaque(engine!).takeUnretainedValue().watch(descriptor, what)
}

private func curlTimerCallback(
    _ multi: UnsafeMutableRawPointer?, _ after_ms: Int, _ engine: UnsafeMutableRawPointer?
) -> Int32 {
    Unmanaged<CurlEngine>.fromOpaque(engine!).takeUnretainedValue().askTimer(after_ms)
    return 0
}

private func curlCloseSocketCallback(_ engine: UnsafeMutableRawPointer?, _ descriptor: curl_socket_t) -> Int32 {
    Unmanaged<CurlEngine>.fromOpaque(engine!).takeUnretainedValue().closeSocket(descriptor)
}
