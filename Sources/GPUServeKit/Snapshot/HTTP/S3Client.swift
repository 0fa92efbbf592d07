internal import Glibc
internal import Transport
internal import Wire

/// Requests to one bucket, or to one plain web server: signed, retried, their failures named.
struct S3Client: Sendable {
    /// `http` or `https`, host and port, no path.
    let endpoint: String
    /// What comes before every key: `/bucket/prefix/`.
    let basePath: String
    /// Nil for a plain web server.
    let signer: SigV4?
    let transport: any UpstreamTransport
    let limits: Limits
    /// Seconds since 1970; a test brings its own.
    var now: @Sendable () -> Int64 = { Int64(time(nil)) }
    /// Waits before another try; a test does not.
    var pause: @Sendable (_ time_ms: Int) async -> Void = { try? await Task.sleep(for: .milliseconds($0)) }

    struct Call: Sendable {
        var method: HTTPMethod
        var key: String
        var query: [(String, String)] = []
        var headers: [(String, String)] = []
        var body: [UInt8] = []
        /// SHA-256 of the body, when it is known.
        var bodyHash: ContentHash?
    }

    struct Answer: Sendable {
        var status: Int
        var fields: HTTPFields
        var body: [UInt8]
    }

    /// Sends `call` and reads an answer of at most `limitBytes`; again, after a pause, when the fault may pass.
    ///
    /// Answers 2xx and 404. Everything else is thrown.
    func perform(_ call: Call, limitBytes: Int = 1024 * 1024) async throws(SnapshotError) -> Answer {
        var attempt = 0
        while true {
            do throws(Failure) {
                var answer = try await once(call, limitBytes)
                if call.method == .head, (400...499).contains(answer.status), answer.status != 404 {
                    answer = try await withReason(answer, call)
                }
                let isBucket =
                    answer.status == 404 && S3Text.elements("Code", in: text(answer)).contains("NoSuchBucket")
                if (200...299).contains(answer.status) || answer.status == 404 && !isBucket { return answer }
                throw Failure(of: failure(answer, call), status: answer.status, fields: answer.fields)
            } catch {
                try await retry(&attempt, after: error)
            }
        }
    }

    private func once(_ call: Call, _ limitBytes: Int) async throws(Failure) -> Answer {
        let response = try await send(call)
        do throws(TransportError) {
            let body = try await response.body.collect(limitBytes: limitBytes)
            return Answer(status: response.status, fields: response.fields, body: body)
        } catch {
            throw Failure(transport: error, url: url(call))
        }
    }

    /// An answer to HEAD has no body, so it cannot say why it is a refusal; what a GET of one byte is refused with can.
    private func withReason(_ answer: Answer, _ head: Call) async throws(Failure) -> Answer {
        var get = head
        get.method = .get
        get.headers.append(("range", "bytes=0-0"))
        let reason = try await once(get, 64 * 1024)
        return reason.status == answer.status ? reason : answer
    }

    private func text(_ answer: Answer) -> String { String(decoding: answer.body, as: UTF8.self) }

    /// Fills `memory` with `range` of an object, of which `isWhole` says that it is all. A broken connection is taken up
    /// where it broke, and only if the object is still the same. False when there is no such object.
    func download(
        _ key: String, range: Range<Int>, isWhole: Bool, into memory: MutableMemory
    ) async throws(SnapshotError) -> Bool {
        var attempt = 0
        var done = 0
        var tag: String?
        while done < range.count {
            do throws(Failure) {
                var call = Call(method: .get, key: key)
                // Servers hand out whole objects with less work than parts of them.
                if !isWhole || done > 0 {
                    call.headers = [("range", "bytes=\(range.lowerBound + done)-\(range.upperBound - 1)")]
                }
                if let tag { call.headers.append(("if-match", tag)) }
                let response = try await send(call)
                if response.status == 404 { return false }
                try await check(response, call, &tag, from: range.lowerBound + done)
                try await fill(
                    memory, &done, from: response, call, skip: response.status == 200 ? range.lowerBound + done : 0)
            } catch {
                // Progress begins the count anew: a bad line is no reason to give up a long way in.
                if error.hasProgressed { attempt = 0 }
                try await retry(&attempt, after: error)
            }
        }
        return true
    }

    private func check(
        _ response: UpstreamResponse, _ call: Call, _ tag: inout String?, from offset: Int
    ) async throws(Failure) {
        guard response.status == 206 || response.status == 200 else {
            var body: [UInt8] = []
            do throws(TransportError) { body = try await response.body.collect(limitBytes: 64 * 1024) } catch {
                body = []
            }
            let answer = Answer(status: response.status, fields: response.fields, body: body)
            throw Failure(of: failure(answer, call), status: response.status, fields: response.fields)
        }
        let found = response.fields["etag"]
        if let tag, found != tag {
            throw Failure(
                final: SnapshotError(.integrity, "the object changed while it was read (another ETag)", file: url(call))
            )
        }
        tag = found
        if response.status == 206, response.fields["content-range"]?.hasPrefix("bytes \(offset)-") != true {
            throw Failure(
                final: SnapshotError(.integrity, "the server sent another range than asked for", file: url(call)))
        }
    }

    /// Takes the body as it comes. A server without ranges sends the whole, of which the first `skip` bytes are dropped.
    private func fill(
        _ memory: MutableMemory, _ done: inout Int, from response: UpstreamResponse, _ call: Call, skip: Int
    ) async throws(Failure) {
        var skip = skip
        let before = done
        do throws(TransportError) {
            while done < memory.count, let piece = try await response.body.next() {
                let dropped = min(skip, piece.count)
                skip -= dropped
                let taken = min(piece.count - dropped, memory.count - done)
                piece.withUnsafeBytes {
                    memory[done..<done + taken].buffer.copyMemory(from: .init(rebasing: $0[dropped..<dropped + taken]))
                }
                done += taken
            }
        } catch {
            throw Failure(transport: error, url: url(call), hasProgressed: done > before)
        }
        guard done == memory.count else {
            let error = SnapshotError(
                .network, "the body ended \(memory.count - done) bytes early", file: url(call), offset: done)
            throw Failure(passing: error, hasProgressed: done > before)
        }
    }

    // MARK: One request

    private func send(_ call: Call) async throws(Failure) -> UpstreamResponse {
        let host = endpoint.split(separator: "/").last.map { String($0) } ?? ""
        var fields = HTTPFields()
        var headers = call.headers
        headers.append(("host", host))
        if let signer {
            headers += signer.sign(
                SigV4.Request(
                    method: call.method.name, path: basePath + call.key, query: call.query, headers: headers,
                    payloadHash: (call.bodyHash ?? ContentHash(of: call.body)).hex), unixSeconds: now())
        }
        for (name, value) in headers {
            do throws(WireError) {
                try fields.append(name, value)
            } catch {
                throw Failure(
                    final: SnapshotError(
                        .invalidArgument, "the field \(name) cannot be sent: \(error.detail)", file: endpoint))
            }
        }
        let timeouts = UpstreamTimeouts(connect_ms: 5_000, firstByte_ms: 60_000, idle_ms: 30_000)
        do throws(TransportError) {
            return try await transport.send(
                UpstreamRequest(
                    method: call.method, url: url(call), fields: fields, body: call.body, timeouts: timeouts))
        } catch {
            throw Failure(transport: error, url: url(call))
        }
    }

    private func url(_ call: Call) -> String {
        let path = endpoint + SigV4.encode(basePath + call.key, keepingSlashes: true)
        return call.query.isEmpty ? path : path + "?" + SigV4.queryString(call.query)
    }

    /// What an answer that is neither success nor absence means.
    private func failure(_ answer: Answer, _ call: Call) -> SnapshotError {
        let text = text(answer)
        // Only the store's own short code is shown; the rest may echo what was signed.
        let code = S3Text.elements("Code", in: text).first.map { SafeName.show($0) } ?? "no code"
        let what = "the object store answered \(answer.status) (\(code)) to \(call.method)"
        switch S3Text.elements("Code", in: text).first {
        case "RequestTimeTooSkewed":
            let ahead_s = answer.fields["date"].flatMap { HTTPDate.parse($0) }.map { now() - $0 }
            let note = ahead_s.map { "; this machine's clock is \(abs($0)) s \($0 < 0 ? "behind" : "ahead")" } ?? ""
            return SnapshotError(.clockSkew, what + note + ": set the clock", file: url(call))
        case "BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest", "InvalidPart", "InvalidPartOrder":
            return SnapshotError(.integrity, what + ": the bytes changed on their way", file: url(call))
        case "NoSuchBucket": return SnapshotError(.invalidArgument, what + ": make the bucket first", file: url(call))
        default: break
        }
        switch answer.status {
        case 401, 403:
            return SnapshotError(.accessDenied, what + ": check the key, its secret and its rights", file: url(call))
        case 507: return SnapshotError(.storeFull, what, file: url(call))
        default: return SnapshotError(.network, what, file: url(call))
        }
    }

    // MARK: Trying again

    /// A failed try, and whether another makes sense.
    private struct Failure: Error {
        var error: SnapshotError
        var mayPass: Bool
        var hasProgressed = false
        var wait_ms: Int?

        init(final error: SnapshotError) {
            self.error = error
            mayPass = false
        }

        init(passing error: SnapshotError, hasProgressed: Bool) {
            self.error = error
            mayPass = true
            self.hasProgressed = hasProgressed
        }

        init(transport error: TransportError, url: String, hasProgressed: Bool = false) {
            self.error = SnapshotError(error.code == .cancelled ? .cancelled : .network, error.description, file: url)
            mayPass = ![.cancelled, .invalidRequest, .shuttingDown, .bodyTooLarge, .tlsFailure].contains(error.code)
            self.hasProgressed = hasProgressed
        }

        init(of error: SnapshotError, status: Int, fields: HTTPFields) {
            self.error = error
            mayPass = status == 408 || status == 429 || status >= 500 && status != 501 && status != 507
            wait_ms = fields["retry-after"].flatMap { Int($0) }.map { $0 < 3600 ? $0 * 1000 : 3_600_000 }
        }
    }

    private func retry(_ attempt: inout Int, after failure: Failure) async throws(SnapshotError) {
        attempt += 1
        guard failure.mayPass, attempt < limits.objectAttemptCount, !Task.isCancelled else {
            guard attempt > 1 else { throw failure.error }
            throw SnapshotError(
                failure.error.code, "\(failure.error.detail) (after \(attempt) tries)", file: failure.error.file,
                offset: failure.error.offset)
        }
        // Twice as long each time, and by chance somewhat less, so that many clients do not come back together.
        let longest_ms = min(limits.objectRetry_ms, 100 << (attempt - 1))
        let wait_ms =
            failure.wait_ms.map { min($0, limits.objectRetry_ms) } ?? Int.random(in: longest_ms / 2...longest_ms)
        await pause(wait_ms)
    }
}
