import RouterKit
import Synchronization
import Transport
import Wire

/// What `/metrics` shows. One lock; a request takes it once, when it ends.
final class GatewayMetrics: RouterObserver {
    private struct Counts {
        var requests = CounterFamily(
            "router_requests_total", labels: ["model", "outcome"], help: "Requests that got a model, by outcome.")
        var refused = CounterFamily(
            "router_refused_total", labels: ["reason"], help: "Requests refused before any model was asked.")
        var attempts = CounterFamily(
            "router_attempts_total", labels: ["model", "deployment", "result"], help: "Tries at deployments.")
        var choices = CounterFamily(
            "router_choices_total", labels: ["model", "mode", "reason"], help: "Models chosen first, and why.")
        var cascades = CounterFamily(
            "router_cascades_total", labels: ["verdict"], help: "Requests for which cheap models were asked first.")
        var tokens = CounterFamily(
            "router_tokens_total", labels: ["model", "kind"], help: "Tokens as the upstreams counted them.")
        var cost = CounterFamily(
            "router_cost_usd_total", labels: ["model"], help: "Cost of answers whose price is known.")
        var saved = CounterFamily("router_saved_usd_total", help: "Cost of always-strong less the actual cost.")
        var reloads = CounterFamily(
            "router_config_reloads_total", labels: ["result"], help: "Reloads of the configuration.")
        var feedback = CounterFamily(
            "router_feedback_total", labels: ["model"], help: "Feedback taken, by the model that had answered.")
        var shadows = CounterFamily(
            "router_shadow_total", labels: ["outcome"], help: "Shadow comparisons, by what became of them.")
        var shadowCost = CounterFamily(
            "router_shadow_cost_usd_total", labels: ["model"],
            help: "Cost of calls for shadow comparisons whose price is known, beside router_cost_usd_total.")
        var decision = Histogram(bounds: [0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.01])
        var duration = Histogram(bounds: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300])
        var firstByte = Histogram(bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60])
    }

    private let counts = Lock(Counts())

    func finished(_ record: LogRecord) {
        let decision = record.decision
        let model = decision.servedModel ?? "none"
        counts.withLock { counts in
            counts.requests.add(model, record.outcome)
            counts.choices.add(
                decision.chosenModel, decision.mode.rawValue, decision.plan.chosen.reason.label.description)
            for attempt in decision.attempts {
                counts.attempts.add(attempt.model, attempt.deployment, attempt.errorLabel ?? "ok")
            }
            if let cascade = decision.cascade { counts.cascades.add(cascade.verdict.label) }
            if let usage = record.usage {
                counts.tokens.add(model, "prompt", amount: Double(usage.promptTokens))
                counts.tokens.add(model, "completion", amount: Double(usage.completionTokens))
                if usage.cachedTokens > 0 { counts.tokens.add(model, "cached", amount: Double(usage.cachedTokens)) }
            }
            if let cost = record.cost_usd {
                counts.cost.add(model, amount: cost)
                if let baseline = record.baseline_usd { counts.saved.add(amount: baseline - cost) }
            }
            counts.decision.observe(Double(decision.decisionTime_ns) / 1e9)
            counts.duration.observe(record.latency_ms / 1000)
            if let ttft = record.firstByte_ms { counts.firstByte.observe(ttft / 1000) }
        }
    }

    func refused(_ error: RouterError) { refused(error.code.rawValue) }

    func refused(_ label: String) { counts.withLock { $0.refused.add(label) } }

    func compared(_ record: ShadowRecord) {
        counts.withLock { counts in
            counts.shadows.add(record.outcome.label)
            for call in record.calls {
                if let cost = call.cost_usd { counts.shadowCost.add(call.model, amount: cost) }
            }
        }
    }

    func tookFeedback(_ model: String) { counts.withLock { $0.feedback.add(model) } }

    func reloaded(_ result: String) { counts.withLock { $0.reloads.add(result) } }

    /// The page in Prometheus's text format, version 0.0.4.
    func text(_ router: Router) -> String {
        let counts = counts.withLock { $0 }
        var out = ""
        for family in [
            counts.requests, counts.refused, counts.attempts, counts.choices, counts.cascades, counts.tokens,
            counts.cost, counts.saved,
            counts.reloads, counts.feedback, counts.shadows, counts.shadowCost,
        ] {
            family.write(to: &out)
        }
        let histograms = [
            ("router_decision_seconds", "Time to classify and choose.", counts.decision),
            ("router_request_seconds", "From the request to the end of its answer.", counts.duration),
            ("router_first_byte_seconds", "From the request to the first byte of its answer.", counts.firstByte),
        ]
        for (name, help, histogram) in histograms {
            out += "# HELP \(name) \(help)\n# TYPE \(name) histogram\n"
            histogram.write(name, labels: "", to: &out)
        }
        writePool(router, to: &out)
        if let log = router.configuration.log {
            let status = log.status
            out += "# HELP router_log_dropped_total Decision log lines lost: disk or queue full.\n"
            out += "# TYPE router_log_dropped_total counter\nrouter_log_dropped_total \(status.droppedCount)\n"
            out += "# HELP router_log_failing Whether the last write of the decision log failed.\n"
            out += "# TYPE router_log_failing gauge\nrouter_log_failing \(status.isFailing ? 1 : 0)\n"
        }
        if let learner = router.configuration.learner { write(learner, to: &out) }
        return out
    }

    private func write(_ learner: TrafficLearner, to out: inout String) {
        let status = learner.store.status
        out += "# HELP router_outcomes_written_total Rows written to the file of outcomes.\n"
        out += "# TYPE router_outcomes_written_total counter\nrouter_outcomes_written_total \(status.writtenCount)\n"
        out += "# HELP router_outcomes_dropped_total Rows of outcomes lost: disk or queue full.\n"
        out += "# TYPE router_outcomes_dropped_total counter\nrouter_outcomes_dropped_total \(status.droppedCount)\n"
        out += "# HELP router_outcomes_failing Whether the last write of outcomes failed.\n"
        out += "# TYPE router_outcomes_failing gauge\nrouter_outcomes_failing \(status.isFailing ? 1 : 0)\n"
        out += "# HELP router_shadow_in_flight Shadow comparisons that run or wait.\n"
        out += "# TYPE router_shadow_in_flight gauge\nrouter_shadow_in_flight \(learner.shadowsInFlightCount)\n"
    }

    private func writePool(_ router: Router, to out: inout String) {
        out += "# HELP router_deployment_available Whether a deployment would be asked now.\n"
        out += "# TYPE router_deployment_available gauge\n"
        var inFlight = "# HELP router_deployment_in_flight Requests a deployment is answering.\n"
        inFlight += "# TYPE router_deployment_in_flight gauge\n"
        for model in router.configuration.pool.snapshot(now_ns: EventLoop.clock_ns()).models {
            for deployment in model.deployments {
                let labels = CounterFamily.text([("model", model.name), ("deployment", deployment.id)])
                out += "router_deployment_available{\(labels)} \(deployment.isAvailable ? 1 : 0)\n"
                inFlight += "router_deployment_in_flight{\(labels)} \(deployment.inFlightCount)\n"
            }
        }
        out += inFlight
    }
}
