import Glibc
import Wire

extension PlainEngine {
    /// Finds the addresses of a transfer that holds a slot.
    func dial(_ transfer: PlainTransfer) {
        guard let host = transfer.route?.host else { preconditionFailure("a transfer without a route") }
        transfer.phase = .resolving
        transfer.watchTime()
        if let known = host.knownAddresses() { return connect(transfer, .success(known)) }
        guard case .tcp(let name, _) = host.endpoint else { preconditionFailure("only names are looked up") }
        let remembered = resolver.addresses(of: name) { answer in
            self.loop.execute { self.connect(transfer, answer) }
        }
        if let remembered { connect(transfer, .success(remembered)) }
    }

    private func connect(_ transfer: PlainTransfer, _ answer: PlainResolver.Answer) {
        // It may have been given up while the name was looked up.
        guard case .resolving = transfer.phase, let host = transfer.route?.host else { return }
        switch answer {
        case .failure(let error): abort(transfer, error)
        case .success(let addresses):
            transfer.addresses = addresses.reversed()
            if case .tcp(_, let port) = host.endpoint {
                for index in transfer.addresses.indices { transfer.addresses[index].setPort(port) }
            }
            connectNext(transfer, host, failure: ENOENT)
        }
    }

    /// Tries the addresses left, the first of them first. `failure`: why the one before failed.
    private func connectNext(_ transfer: PlainTransfer, _ host: PlainHost, failure: Int32) {
        var failure = failure
        while let address = transfer.addresses.popLast() {
            let (descriptor, isConnected) = address.startConnecting()
            guard descriptor >= 0 else {
                failure = -descriptor
                continue
            }
            let connection = PlainConnection(self, host, descriptor: descriptor, isConnected: isConnected)
            guard connection.register() else {
                Glibc.close(descriptor)
                failure = ENOMEM
                continue
            }
            transfer.phase = .connecting(connection)
            guard !isConnected else { return connected(connection, transfer) }
            // The time that is left, shared among the addresses that are left.
            let now_ns = loop.now_ns
            let left_ns = transfer.connectDeadline_ns > now_ns ? transfer.connectDeadline_ns - now_ns : 0
            connection.awaitConnect(
                for: transfer, until: now_ns + left_ns / UInt64(transfer.addresses.count + 1))
            return
        }
        let text = String(cString: strerror(failure))
        let code: TransportError.Code =
            switch failure {
            case ETIMEDOUT: .connectTimeout
            case EMFILE, ENFILE, ENOMEM, ENOBUFS: .system
            default: .connectRefused
            }
        abort(transfer, TransportError(code, "\(transfer.origin): could not connect (\(text))"))
    }

    func connected(_ connection: PlainConnection, _ transfer: PlainTransfer) {
        counters.connectionsOpened(1)
        transfer.addresses = []
        transfer.stopWatchingTime()
        activate(transfer, on: connection)
    }

    func connectFailed(_ connection: PlainConnection, _ transfer: PlainTransfer, _ code: Int32) {
        connection.close()
        transfer.phase = .resolving
        connectNext(transfer, connection.host, failure: code)
    }

    /// Sends the request again on a connection of its own, in the slot of the one that died under it.
    func repeatRequest(_ transfer: PlainTransfer, _ connection: PlainConnection) {
        connection.close()
        transfer.isRepeat = true
        dial(transfer)
    }
}
