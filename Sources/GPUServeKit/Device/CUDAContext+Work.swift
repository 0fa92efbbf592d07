import CCuda
import Transport
import Wire

/// A stream, and what is submitted to it and not known to have finished.
struct CUDAStream {
    struct Pending {
        let sequence: UInt64
        let event: ccuda_handle
        /// Buffers, windows and slots that the work uses.
        let keeps: [any AnyObject & Sendable]
    }

    let handle: ccuda_handle
    var submitted: UInt64 = 0
    var completed: UInt64 = 0
    /// Oldest first.
    var pending: [Pending] = []
}

/// A task that waits for a token.
struct CUDAWaiter {
    let token: CompletionToken
    let continuation: CheckedContinuation<Result<Void, DeviceError>, Never>
}

extension CUDAContext {
    /// A stream that does not wait for the default one.
    public func makeStream(priority: Int32) throws(DeviceError) -> DeviceStream {
        try checkOpen()
        guard streams.count < limits.deviceStreamCount else {
            throw DeviceError(.limitReached, "\(streams.count) streams are alive; destroy one first")
        }
        var handle: ccuda_handle = 0
        try CUDADriver.check("cuStreamCreateWithPriority", driver.table.streamCreate(&handle, 1, priority))
        nextStream += 1
        let stream = DeviceStream(context: thread.number, number: nextStream)
        streams[stream] = CUDAStream(handle: handle)
        return stream
    }

    /// Blocks the context's thread until the stream's work is done.
    public func destroy(_ stream: DeviceStream) throws(DeviceError) {
        try checkOpen()
        guard let state = streams[stream] else { throw unknownStream() }
        if let last = state.pending.last {
            try CUDADriver.check("cuEventSynchronize", driver.table.eventSynchronize(last.event))
            try reap()
        }
        streams[stream] = nil
        try CUDADriver.check("cuStreamDestroy", driver.table.streamDestroy(state.handle))
    }

    /// Copies over the bus; asynchronous when the window is a landing (pinned), through the driver's own buffer when not.
    public func copyIn(_ source: HostWindow, to range: DeviceRange, on stream: DeviceStream) throws(DeviceError)
        -> CompletionToken
    {
        try checkOpen()
        let target = try book.owner(of: range)
        try ContextRules.checkLengths(source.byteCount, range.byteCount)
        return try submit("cuMemcpyHtoDAsync", on: stream, keeping: [target, source.owner]) { table, handle in
            table.memcpyHtoDAsync(range.address, source.base, range.byteCount, handle)
        }
    }

    /// Copies over the bus.
    public func copyOut(_ range: DeviceRange, to destination: HostWindow, on stream: DeviceStream)
        throws(DeviceError) -> CompletionToken
    {
        try checkOpen()
        let source = try book.owner(of: range)
        try ContextRules.checkLengths(range.byteCount, destination.byteCount)
        return try submit("cuMemcpyDtoHAsync", on: stream, keeping: [source, destination.owner]) { table, handle in
            table.memcpyDtoHAsync(destination.base, range.address, range.byteCount, handle)
        }
    }

    /// Copies at the device's own bandwidth, or over the link between two devices, or from host memory.
    public func clone(
        _ source: DeviceRange, of peer: (any GPUContext)?, to range: DeviceRange, on stream: DeviceStream
    ) throws(DeviceError) -> CompletionToken {
        try checkOpen()
        let origin = (peer ?? self) as? CUDAContext
        guard let origin else {
            guard let window = try peer?.hostWindow(of: source) else {
                throw DeviceError(.notSupported, "\(device.id) cannot copy from \(source) directly")
            }
            return try copyIn(window, to: range, on: stream)
        }
        let keeps = [try origin.book.owner(of: source), try book.owner(of: range)]
        try ContextRules.checkLengths(source.byteCount, range.byteCount)
        let (from, to) = (origin.context, context)
        guard from != to else {
            return try submit("cuMemcpyDtoDAsync", on: stream, keeping: keeps) { table, handle in
                table.memcpyDtoDAsync(range.address, source.address, range.byteCount, handle)
            }
        }
        return try submit("cuMemcpyPeerAsync", on: stream, keeping: keeps) { table, handle in
            table.memcpyPeerAsync(range.address, to, source.address, from, range.byteCount, handle)
        }
    }

    /// Sets bytes on the device.
    public func fill(_ range: DeviceRange, with byte: UInt8, on stream: DeviceStream) throws(DeviceError)
        -> CompletionToken
    {
        try checkOpen()
        let target = try book.owner(of: range)
        return try submit("cuMemsetD8Async", on: stream, keeping: [target]) { table, handle in
            table.memsetD8Async(range.address, byte, range.byteCount, handle)
        }
    }

    /// The device waits, not the host.
    public func wait(for token: CompletionToken, on stream: DeviceStream) throws(DeviceError) {
        try checkOpen()
        guard let waiting = streams[stream] else { throw unknownStream() }
        guard try !isComplete(token), let other = streams[token.stream],
            let entry = other.pending.first(where: { $0.sequence >= token.sequence })
        else { return }
        try CUDADriver.check("cuStreamWaitEvent", driver.table.streamWaitEvent(waiting.handle, entry.event, 0))
    }

    /// Asks the driver about work that is not yet known to have finished.
    public func isComplete(_ token: CompletionToken) throws(DeviceError) -> Bool {
        try checkOpen()
        guard token.stream.context == thread.number, token.stream.number <= nextStream else { throw unknownStream() }
        guard let state = streams[token.stream], state.completed < token.sequence else { return true }
        try reap()
        return streams[token.stream].map { $0.completed >= token.sequence } ?? true
    }

    /// Another thread waits for the driver, so that this one serves others.
    public func completed(_ token: CompletionToken) async throws(DeviceError) {
        if try isComplete(token) { return }
        guard waiters.count < limits.deviceWaiterCount else {
            throw DeviceError(.limitReached, "\(waiters.count) tasks are waiting already")
        }
        nextWaiter += 1
        let id = nextWaiter
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, DeviceError>, Never>) in
                // Asked again: on the way here the executor may have run others, who found the work finished and had
                // nobody to tell, or the task may have been cancelled before there was a waiter to take away.
                if let outcome = outcome(of: token) {
                    continuation.resume(returning: outcome)
                } else {
                    waiters[id] = CUDAWaiter(token: token, continuation: continuation)
                    watch()
                }
            }
        } onCancel: {
            onThread { context in
                let waiter = context.waiters.removeValue(forKey: id)
                waiter?.continuation.resume(returning: .failure(ContextRules.cancelled))
            }
        }
        try result.get()
    }

    /// What a wait for `token` has come to; nil when it has to be waited for.
    private func outcome(of token: CompletionToken) -> Result<Void, DeviceError>? {
        do throws(DeviceError) {
            if try isComplete(token) { return .success(()) }
        } catch {
            return .failure(error)
        }
        return Task.isCancelled ? .failure(ContextRules.cancelled) : nil
    }

    // MARK: Submitting

    /// Queues work and marks its end with an event. `keeping` lives until then.
    func submit(
        _ call: StaticString, on stream: DeviceStream, keeping keeps: [any AnyObject & Sendable],
        _ body: (ccuda_table, ccuda_handle) -> ccuda_result
    ) throws(DeviceError) -> CompletionToken {
        try reap()
        guard let state = streams[stream] else { throw unknownStream() }
        guard state.pending.count < limits.deviceInFlightCount else {
            throw DeviceError(.limitReached, "\(state.pending.count) pieces of work are in flight; wait for some first")
        }
        let event = try takeEvent()
        do throws(DeviceError) {
            try CUDADriver.check(call, body(driver.table, state.handle))
        } catch {
            freeEvents.append(event)
            throw error
        }
        do throws(DeviceError) {
            try CUDADriver.check("cuEventRecord", driver.table.eventRecord(event, state.handle))
        } catch {
            // The work runs and nothing says when it ends: wait here, so that what it uses is not given back too early.
            freeEvents.append(event)
            try synchronize()
            throw error
        }
        let sequence = state.submitted + 1
        streams[stream]?.submitted = sequence
        streams[stream]?.pending.append(CUDAStream.Pending(sequence: sequence, event: event, keeps: keeps))
        // Who waits for a staging slot may have found nothing to watch until now.
        if staging?.queue.waiters.isEmpty == false { watch() }
        return CompletionToken(stream: stream, sequence: sequence)
    }

    private func takeEvent() throws(DeviceError) -> ccuda_handle {
        if let event = freeEvents.popLast() { return event }
        var event: ccuda_handle = 0
        // Waiters sleep instead of spinning (1), and nobody asks for times (2).
        try CUDADriver.check("cuEventCreate", driver.table.eventCreate(&event, 1 | 2))
        return event
    }

    // MARK: Finding out what has finished

    /// Forgets finished work, lets go of what it kept and wakes who waited for it.
    func reap() throws(DeviceError) {
        for stream in streams.keys { try reap(stream) }
        wakeCompleted()
    }

    private func reap(_ stream: DeviceStream) throws(DeviceError) {
        guard let pending = streams[stream]?.pending, !pending.isEmpty else { return }
        var done = 0
        var failure: DeviceError?
        for entry in pending {
            let result = CUDAResult(rawValue: driver.table.eventQuery(entry.event))
            if result == .notReady { break }
            guard result == .success else {
                failure = DeviceError(result: result, call: "cuEventQuery")
                break
            }
            // The watcher's event must not be recorded anew while it waits for it.
            if entry.event != watched { freeEvents.append(entry.event) }
            done += 1
        }
        if done > 0 {
            streams[stream]?.completed = pending[done - 1].sequence
            streams[stream]?.pending.removeFirst(done)
        }
        if let failure { throw failure }
    }

    private func wakeCompleted() {
        for (id, waiter) in waiters where streams[waiter.token.stream]?.completed ?? .max >= waiter.token.sequence {
            waiters[id] = nil
            waiter.continuation.resume(returning: .success(()))
        }
    }

    /// Waits, on the watcher's thread, for what somebody waits for: the first waiter's work, or with only staging slots
    /// wanted, for the oldest work of all.
    func watch() {
        guard watched == nil, let entry = nextToWatch() else { return }
        watched = entry
        let (driver, context) = (driver, context)
        watcher.execute {
            var failure: DeviceError?
            do throws(DeviceError) {
                try CUDADriver.check("cuCtxSetCurrent", driver.table.ctxSetCurrent(context))
                try CUDADriver.check("cuEventSynchronize", driver.table.eventSynchronize(entry))
            } catch { failure = error }
            self.onThread { [failure] in $0.watchEnded(entry, failure) }
        }
    }

    private func nextToWatch() -> ccuda_handle? {
        if staging?.queue.waiters.isEmpty == false {
            let oldest = streams.values.compactMap(\.pending.first).min { $0.sequence < $1.sequence }
            if let oldest { return oldest.event }
        }
        guard let first = waiters.min(by: { $0.key < $1.key })?.value.token else { return nil }
        return streams[first.stream]?.pending.first { $0.sequence >= first.sequence }?.event
    }

    private func watchEnded(_ event: ccuda_handle, _ failure: DeviceError?) {
        watched = nil
        guard isOpen else {
            _ = driver.table.eventDestroy(event)
            letGo()
            return
        }
        // Reaped meanwhile, it could not go back to the free ones; see `reap`.
        let isPending = streams.values.contains { $0.pending.contains { $0.event == event } }
        if !isPending { freeEvents.append(event) }
        // Before what has finished is looked for: else a failure of this wait could find nobody left to be told.
        if let failure { wakeAll(failure) }
        do throws(DeviceError) { try reap() } catch { wakeAll(error) }
        watch()
    }

    /// Tells everyone who waits that it went wrong.
    private func wakeAll(_ error: DeviceError) {
        let waiting = waiters
        waiters = [:]
        for waiter in waiting.values { waiter.continuation.resume(returning: .failure(error)) }
        staging?.failWaiters(error)
    }

    /// Waits on this thread for all work of the context.
    func synchronize() throws(DeviceError) {
        try CUDADriver.check("cuCtxSynchronize", driver.table.ctxSynchronize())
        try reap()
    }

    /// Ends streams and events; the first thing that went wrong.
    func endWork() -> DeviceError? {
        var first: DeviceError?
        do throws(DeviceError) { try synchronize() } catch { first = error }
        wakeAll(DeviceError(.closed, "the context on \(device.id) was closed meanwhile"))
        let handles = streams.values.map(\.handle)
        let events = streams.values.flatMap { $0.pending.map(\.event) } + freeEvents
        streams = [:]
        freeEvents = []
        // A stream or event that the driver refuses to destroy goes with the context: destroying one twice is undefined.
        for stream in handles {
            let result = CUDAResult(rawValue: driver.table.streamDestroy(stream))
            if result != .success { first = first ?? DeviceError(result: result, call: "cuStreamDestroy") }
        }
        for event in events where event != watched {
            let result = CUDAResult(rawValue: driver.table.eventDestroy(event))
            if result != .success { first = first ?? DeviceError(result: result, call: "cuEventDestroy") }
        }
        return first
    }

    private func unknownStream() -> DeviceError {
        DeviceError(.invalidArgument, "the stream is destroyed, or of another context than the one on \(device.id)")
    }
}
