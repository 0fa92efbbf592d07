internal import CCurl

/// Watches one of libcurl's sockets on the loop. Confined to the engine's thread.
///
/// When libcurl loses interest in a socket because its connection went idle, the registration stays: the next request on
/// that connection then costs no `epoll_ctl`. It is taken back when the idle socket has something to say (the upstream
/// closed it) and when libcurl closes it.
final class CurlSocket: EventHandler {
    private let descriptor: Int32
    private unowned let engine: CurlEngine
    private var interest: Readiness = []
    private var isRegistered = false
    /// Whether libcurl wants to hear of this socket now.
    private var isWanted = false

    init(_ descriptor: Int32, _ engine: CurlEngine) {
        self.descriptor = descriptor
        self.engine = engine
    }

    /// libcurl wants readiness of this kind. False when epoll refused.
    func want(_ wanted: Readiness) -> Bool {
        isWanted = true
        if isRegistered {
            if wanted != interest { engine.loop.modify(descriptor, for: wanted, levelTriggered: true) }
            interest = wanted
            return true
        }
        do throws(TransportError) {
            try engine.loop.register(descriptor, for: wanted, levelTriggered: true, self)
        } catch {
            return false
        }
        isRegistered = true
        interest = wanted
        return true
    }

    /// libcurl wants to hear no more of it for now.
    func idle() {
        isWanted = false
        // Writable it always is: that would wake the loop without end.
        if interest.contains(.writable) { forget() }
    }

    /// Ends the watch; before the descriptor is closed.
    func forget() {
        if isRegistered { engine.loop.deregister(descriptor) }
        isRegistered = false
    }

    func ready(_ readiness: Readiness) {
        guard isWanted else { return forget() }
        var action: Int32 = 0
        if !readiness.isDisjoint(with: [.readable, .peerClosed]) { action |= CURL_CSELECT_IN }
        if readiness.contains(.writable) { action |= CURL_CSELECT_OUT }
        // A broken socket says why when it is read or written; CURL_CSELECT_ERR would hide the reason.
        if readiness.contains(.failed) {
            action |= interest.contains(.writable) ? CURL_CSELECT_OUT | CURL_CSELECT_IN : CURL_CSELECT_IN
        }
        engine.socketReady(descriptor, action)
    }
}
