public import Transport
public import Wire

/// Chooses a model for each request, asks it, fails over, and keeps the receipt.
///
/// Safe to use from any task and thread. `route` only decides; `respond` also calls the model.
public final class Router: Sendable {
    /// What a router is made of. Everything but the pool and the transport has a default.
    public struct Configuration: Sendable {
        /// The models and where they are served.
        public var pool: ModelPool
        /// Sends requests upstream.
        public var transport: any UpstreamTransport
        /// Judges requests.
        public var classifier: any ComplexityClassifier = StandardClassifier()
        /// Chooses by the judgement.
        public var policy: any RoutingPolicy = TradePolicy(table: .shipped)
        /// Asks cheap models first, where it applies; nil for never.
        public var cascade: Cascade?
        /// The mode of requests that name none.
        public var mode = RoutingMode.balanced
        /// Bounds.
        public var limits = Limits.standard
        /// Where receipts can be looked up afterwards.
        public var receipts = DecisionStore()
        /// One line a request, or nil for no log.
        public var log: DecisionLog?
        /// Whether log lines hold the prompt's text.
        public var logsPrompts = false
        /// Keeps what can be learned from one's own traffic, or nil.
        public var learner: TrafficLearner?
        /// Which answers are compared with those of the other models; needs `learner`.
        public var shadow: Shadow?
        /// Told of every finished request.
        public var observer: (any RouterObserver)?

        /// A configuration with the defaults.
        public init(pool: ModelPool, transport: any UpstreamTransport) {
            self.pool = pool
            self.transport = transport
        }

        /// A configuration with the defaults and a transport of its own: one background thread for all upstream traffic.
        ///
        /// - Throws: `system` when the process is out of descriptors or threads.
        public init(pool: ModelPool) throws(TransportError) {
            self.init(pool: pool, transport: try LoopTransport())
        }
    }

    /// What the router was made of.
    public let configuration: Configuration
    let pins: ResponsePins
    let policyHash: String
    /// The pool's cards when this router was made: one request sees one configuration.
    let cards: [ModelCard]

    /// A router over `configuration`. Cheap; make a new one to change the configuration.
    public convenience init(_ configuration: Configuration) {
        self.init(configuration, pins: ResponsePins(capacity: configuration.limits.responsePinCount))
    }

    private init(_ configuration: Configuration, pins: ResponsePins) {
        var configuration = configuration
        cards = configuration.pool.cards
        configuration.classifier = configuration.classifier.bound(to: cards)
        configuration.policy = configuration.policy.bound(
            to: cards, classifierVersion: configuration.classifier.version)
        self.configuration = configuration
        self.pins = pins
        policyHash = PolicyHash.hex(policy: configuration.policy, cards: cards, cascade: configuration.cascade)
    }

    /// A router with another configuration that still knows which deployment made which Responses answer.
    public func reconfigured(_ configuration: Configuration) -> Router { Router(configuration, pins: pins) }

    /// Decides without calling any model. Synchronous; takes tens of microseconds.
    ///
    /// - Throws: `notFound`, `contextTooLong`, `unsupported` or `unavailable` when no model can take the request.
    public func route(_ call: borrowing RouterCall) throws(RouterError) -> Decision {
        try decide(call, requestID: RequestID.make()).decision
    }

    /// Decides for `call` under a given name.
    func decide(_ call: borrowing RouterCall, requestID: String) throws(RouterError) -> Routed {
        let started_ns = EventLoop.clock_ns()
        guard let choice = ModelChoice(model: call.view.model) else {
            let modes = RoutingMode.allCases.map { "auto:\($0.rawValue)" }.joined(separator: ", ")
            throw RouterError(
                .notFound, "The model \"\(call.view.model)\" does not exist here. Modes are: auto, \(modes).",
                param: "model", requestID: requestID)
        }
        let view = configuration.pool.view(now_ns: started_ns)
        do {
            switch choice {
            case .named(let name):
                let plan = try pin(name, view, call.view)
                return routed(call, requestID, started_ns, plan, nil, call.mode)
            case .auto(let bodyMode):
                if let id = call.view.previousResponseID, let pin = pins[id], view.card(named: pin.model) != nil {
                    let plan = try self.pin(pin.model, view, call.view)
                    var routed = routed(call, requestID, started_ns, plan, nil, call.mode)
                    routed.pinnedDeployment = pin.deployment
                    return routed
                }
                let assessment = configuration.classifier.assess(call.view)
                let mode = call.mode ?? bodyMode ?? configuration.mode
                let plan = try configuration.policy.choose(view, for: call.view, given: assessment, mode: mode)
                let start = configuration.cascade?.start(plan, for: call.view, mode: mode)
                var routed = routed(call, requestID, started_ns, start?.plan ?? plan, assessment, mode)
                if let start, !start.asked.isEmpty {
                    routed.cascade = start
                    routed.decision.cascade = CascadeRecord(
                        verdict: .planned, calls: start.asked.map { .init(model: $0, usage: nil, cost_usd: nil) },
                        evidence: nil)
                }
                return routed
            }
        } catch {
            throw RouterError(error, requestID: requestID)
        }
    }

    private func pin(_ name: String, _ view: PoolView, _ request: RequestView) throws(NoCandidate) -> Plan {
        try Plan.pinned(to: name, view, for: Requirements(request))
    }

    private func routed(
        _ call: borrowing RouterCall, _ requestID: String, _ started_ns: UInt64, _ plan: Plan,
        _ assessment: Assessment?, _ mode: RoutingMode?
    ) -> Routed {
        Routed(
            decision: Decision(
                requestID: requestID, time_unix_ms: WallClock.now_ms(), dialect: call.view.dialect,
                mode: mode ?? configuration.mode, requestedModel: call.view.model, plan: plan, assessment: assessment,
                policyHash: policyHash, classifierVersion: configuration.classifier.version,
                decisionTime_ns: EventLoop.clock_ns() - started_ns))
    }
}

/// A decision and what binds its execution.
struct Routed {
    var decision: Decision
    /// The only deployment that may answer, because it holds the state that `previous_response_id` names.
    var pinnedDeployment: String?
    /// Cheap models to ask first.
    var cascade: Cascade.Start?
}
