import DemoSupport
import GPUServeKit
import Glibc
import ModelFiles
import Transport
import Wire

/// What an operator asks of the server, on a Unix socket that only its user can open: `GET /state`, `POST /sleep`, `/wake`,
/// `/snapshot`, and `/resume` of a saved generation.
final class AdminHandler: HTTPHandler {
    private let host: ModelHost
    private let name: String
    private let limits: Limits

    init(_ host: ModelHost, name: String, limits: Limits) {
        (self.host, self.name, self.limits) = (host, name, limits)
    }

    nonisolated(nonsending) func handle(
        _ request: ServerRequest, _ response: consuming ResponseStart
    ) async throws(HandlerError) {
        do throws(TransportError) {
            var answer = ""
            var resumed: (events: AsyncStream<GenerationEvent>, text: CompletionText)?
            do {
                switch (request.head.method, request.head.path) {
                case (.get, "/state"): answer = await state()
                case (.post, "/sleep"): answer = "{\"asleep\":true,\"took_ms\":\(try await host.sleep())}"
                case (.post, "/wake"): answer = "{\"asleep\":false,\"took_ms\":\(try await host.wake())}"
                case (.post, "/snapshot"):
                    answer = try await snapshot(try await request.body.collect(limitBytes: limits.bodyBytes))
                case (.post, "/resume"):
                    resumed = try await resume(try await request.body.collect(limitBytes: limits.bodyBytes))
                default:
                    let message = "\(request.head.method) \(request.head.path) is not served here."
                    throw CompletionCall.Refusal(status: 404, message: message, code: "unknown_path")
                }
            } catch {
                try await response.send(CompletionCall.Refusal(error))
                return
            }
            if let resumed {
                try await resumed.text.answer(resumed.events, response)
            } else {
                try await response.send(status: 200, fields: .json, body: Array(answer.utf8))
            }
        } catch {
            throw HandlerError(error)
        }
    }

    private func state() async -> String {
        let (counters, settings) = (host.engine.counters, host.settings.variants)
        let use = await host.variants?.use ?? (count: 0, bytes: 0)
        let listed = VariantShelf.names(in: settings.directory).count
        let waiting = host.engine.waitingCount
        let weights = await host.weights.map { "\"\($0)\"" } ?? "null"
        return #"{"asleep":\#(await !host.isAwake),"weights":\#(weights),"running":\#(counters.activeCount),"#
            + #""waiting":\#(waiting.generations),"visitors":\#(waiting.visitors),"switches":\#(counters.switchCount),"#
            + #""last_switch_ms":\#(counters.lastSwitch_ms),"variants":{"listed":\#(listed),"loaded":\#(use.count),"#
            + #""bytes":\#(use.bytes),"budget_bytes":\#(settings.budgetBytes)}}"#
    }

    /// Saves what is being generated, at once or when one of them has made `after` tokens; it goes on here as well.
    private func snapshot(_ body: [UInt8]) async throws -> String {
        let after = body.isEmpty ? 0 : (try? JSONValue.parse(body, limits: limits))?["after"]?.int ?? -1
        guard after >= 0 else {
            throw CompletionCall.Refusal(message: "the body must be {\"after\": TOKENS}, or nothing")
        }
        guard let disk = host.store.disk else {
            throw ModelError(.badState, "without --snapshot-store there is no place for a snapshot")
        }
        let saved = try await host.engine.visit(after: after) { model, sequences in
            (shape: model.shape, generations: try sequences.map { try $0.saved(model) })
        }
        guard let saved else {
            throw ModelError(
                .badState,
                "the model is asleep, or fell asleep before, or \(Engine.visitorLimit) wait for the same already")
        }
        let made = try await disk.create(
            from: SavedGenerations.source(saved.generations, saved.shape), SnapshotOptions(name: "\(name).generations"))
        let list = saved.generations.map {
            #"{"id":\#(CompletionText.quoted($0.id)),"tokens":\#(($0.saved?.tokens.count ?? 0) - $0.prompt.count)}"#
        }
        return #"{"snapshot":"\#(made.id)","generations":[\#(list.joined(separator: ","))]}"#
    }

    private func resume(
        _ body: [UInt8]
    ) async throws -> (events: AsyncStream<GenerationEvent>, text: CompletionText) {
        let json = try? JSONValue.parse(body, limits: limits)
        guard let id = (json?["snapshot"]?.string).flatMap({ ContentHash(hex: $0) }), let disk = host.store.disk else {
            throw CompletionCall.Refusal(
                message: "the body must be {\"snapshot\": ID, \"id\": GENERATION}, with a store")
        }
        let found = try await SavedGenerations.Found(
            json?["id"]?.string, in: try await disk.manifest(SnapshotID(id)), of: disk)
        let events = try await host.generate(found.model) { model, weights in try found.request(model, weights) }
        return (events, CompletionText(id: found.id, model: found.model, created_s: Int64(time(nil))))
    }
}
