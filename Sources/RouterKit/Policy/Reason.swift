public import Wire

/// Why a model stands where it stands in a plan: chosen, kept for failover, or rejected.
public enum Reason: Sendable, Hashable {
    // MARK: Chosen

    /// Best predicted quality.
    case bestQuality
    /// Cheapest of the models within `band` of the best predicted quality.
    case cheapestInBand(band: Double)
    /// The best trade of quality against cost, calibrated to lose at most `allowedLoss` (0.01 is one point).
    case bestTrade(allowedLoss: Double)
    /// The best trade that was proven to keep this promise.
    case guaranteed(Promise)
    /// A promise is asked for and no trade was proven to keep it, so the strongest eligible tier answers.
    case noGuarantee(PolicyTable.Gap)
    /// Answers if the cheap models of the ``Cascade`` do not convince; predicted to be better by `gain` than they are.
    case cascadeTop(gain: Double)
    /// The best cheap model of the ``Cascade`` answers alone: the strongest is predicted to be better by `gain` only.
    case cascadeGate(gain: Double)
    /// The request set off the guard of this name, so the strongest tier that can take it answers.
    case guarded(String)
    /// The classifier does not trust itself (`support` is low), so the strongest eligible tier answers.
    case strongestForLowSupport(support: Double)
    /// The client named this model.
    case pinned

    // MARK: Kept for failover

    /// Predicted quality is short of the band by this much.
    case belowBand(shortBy: Double)
    /// Good enough, but dearer than the chosen model by this many USD.
    case dearer(by_usd: Double)
    /// As good and as dear as the chosen model, which comes first in the pool.
    case tied
    /// Good enough, but its price is unknown, which counts as dearest.
    case priceUnknown
    /// Predicted quality less its cost is short of the chosen model's by this much, 0...1 and more.
    case worseTrade(shortBy: Double)
    /// Below the strongest eligible tier while nothing vouches for it.
    case weakerTier

    // MARK: Rejected

    /// Not in the list of models that this request may use.
    case notAllowed
    /// The client named another model.
    case notRequested
    /// The request set off the guard of this name, and no tier below this one may answer it.
    case belowFloor(guard: String, CapabilityTier)
    /// Does not speak the client's API.
    case dialectNotSpoken(Dialect)
    /// Does not take some kind of input that the request holds.
    case modalityNotTaken(Modalities)
    /// Does not take tools.
    case toolsNotSupported
    /// Does not follow schemas.
    case jsonSchemaNotSupported
    /// Has no JSON mode.
    case jsonModeNotSupported
    /// Prompt and answer do not fit its window.
    case contextTooSmall(neededTokens: Int, windowTokens: Int)
    /// The client allows a longer answer than the model gives.
    case outputTooLong(askedTokens: Int, boundTokens: Int)
    /// Has as many requests in flight as it may have.
    case saturated
    /// Cools down after failures.
    case coolingDown(retryAfter_ms: Int)

    /// Stable and bounded, for metrics and for programs that read receipts.
    public var label: StaticString {
        switch self {
        case .bestQuality: "best_quality"
        case .cheapestInBand: "cheapest_in_band"
        case .bestTrade: "best_trade"
        case .guaranteed: "guaranteed"
        case .noGuarantee: "no_guarantee"
        case .guarded: "guarded"
        case .cascadeTop: "cascade_top"
        case .cascadeGate: "cascade_gate"
        case .strongestForLowSupport: "low_support"
        case .pinned: "pinned"
        case .belowBand: "below_band"
        case .dearer: "dearer"
        case .tied: "tied"
        case .worseTrade: "worse_trade"
        case .priceUnknown: "price_unknown"
        case .weakerTier: "weaker_tier"
        case .notAllowed: "not_allowed"
        case .notRequested: "not_requested"
        case .belowFloor: "below_floor"
        case .dialectNotSpoken: "dialect"
        case .modalityNotTaken: "modality"
        case .toolsNotSupported: "no_tools"
        case .jsonSchemaNotSupported: "no_json_schema"
        case .jsonModeNotSupported: "no_json_mode"
        case .contextTooSmall: "context_too_small"
        case .outputTooLong: "output_too_long"
        case .saturated: "saturated"
        case .coolingDown: "cooling_down"
        }
    }

    /// Whether the model cannot take the request at all.
    public var isRejection: Bool {
        switch self {
        case .bestQuality, .cheapestInBand, .bestTrade, .guaranteed, .noGuarantee, .guarded, .cascadeTop, .cascadeGate,
            .strongestForLowSupport,
            .pinned,
            .belowBand, .dearer, .tied, .priceUnknown, .worseTrade, .weakerTier:
            false
        case .notAllowed, .notRequested, .belowFloor, .dialectNotSpoken, .modalityNotTaken, .toolsNotSupported,
            .jsonSchemaNotSupported, .jsonModeNotSupported, .contextTooSmall, .outputTooLong, .saturated, .coolingDown:
            true
        }
    }

    /// Whether only the pool's present state speaks against the model: the same request may pass later.
    public var isTemporary: Bool {
        switch self {
        case .saturated, .coolingDown: true
        default: false
        }
    }
}
