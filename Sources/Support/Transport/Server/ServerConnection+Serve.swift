import Wire

extension ServerConnection {
    /// Serves requests one after the other until the connection ends. The body of the connection's one task: a task for
    /// every request would cost 2 us each.
    func serve(_ handler: any HTTPHandler, isolation: isolated LoopActor) async {
        while let head = await nextHead() {
            // The client sent a whole request and closed: it will not read an answer, or cannot be told from one that
            // will not (see HTTPHandler).
            if peerClosed {
                server.counters.add(.clientsGone)
                break
            }
            await handle(head, handler)
            guard await conclude() else { break }
            await yieldIfOverBudget()
        }
        if failure == nil, needsLinger { await lingerAndClose() }
        // In this order a client that sees the end can count on the place.
        server.ended(self)
        closeDescriptor()
    }

    private nonisolated(nonsending) func handle(_ head: RequestHead, _ handler: any HTTPHandler) async {
        exchange &+= 1
        served += 1
        budget.spendRequest()
        timer.clearRead()
        activity = .handling
        let limit = server.limits.requestsPerConnectionCount
        inbound = InboundBody(head.framing, limits: server.limits)
        owesContinue = head.expectsContinue && !inbound.isComplete
        bodyFault = nil
        bodyWindow = BodyWindow()
        readTimedOut = false
        response = ResponseState(
            isHead: head.method == .head, minorVersion: head.minorVersion,
            keepAlive: head.keepAlive && (limit == 0 || served < limit))
        let request = ServerRequest(
            head: head, id: server.nextRequestID(), arrival_ns: server.loop.now_ns, connection: self, exchange: exchange
        )
        server.counters.add(.requests)
        do {
            try await handler.handle(request, ResponseStart(connection: self, exchange: exchange))
        } catch {
            server.counters.add(.handlerFailures)
        }
    }

    /// Brings the exchange to its end; true when another request may follow.
    private nonisolated(nonsending) func conclude() async -> Bool {
        defer { exchange &+= 1 }
        guard failure == nil else { return false }
        if response.phase == .headDue {
            let status = bodyFault?.status ?? 500
            let message = bodyFault?.error.detail ?? "the server could not answer this request"
            await answer(
                status: status, message: message, code: bodyFault?.code ?? "internal", omitsBody: response.isHead)
            return false
        }
        // A body dropped in the middle has failed the connection already.
        guard response.phase == .finished else { return false }
        if server.isDraining { server.finishedDuringDrain += 1 }
        guard response.keepAlive, !owesContinue else { return false }
        return await dropUnreadBody()
    }

    /// Whether closing at once could cost the client its answer: unread input turns a close into a reset.
    private var needsLinger: Bool {
        hasAnswered || !inbound.isComplete || !input.isEmpty || (mayRead && served > 0)
    }

    /// Answers for the server itself, in the error shape of OpenAI's API, and ends the connection.
    nonisolated(nonsending) func answer(
        status: Int, message: String, code: String, omitsBody: Bool = false
    ) async {
        guard failure == nil else { return }
        hasAnswered = true
        server.beginOutput()
        ErrorAnswer.append(
            status: status, message: message, code: code, omitsBody: omitsBody, date: server.date(), to: &server.output)
        push()
        // A client that does not even read this is closed on.
        try? await drainQueue(to: 0)
    }
}
