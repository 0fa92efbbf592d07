import Transport
import Wire

/// Why a prompt got its model, and what little would have given it another.
///
/// Made by ``Router/explain(_:mode:)``, which decides for the prompt and for many changed ones: milliseconds, not
/// microseconds. Holds words of the prompt.
public struct Explanation: Sendable {
    /// The receipt.
    public let decision: Decision
    /// What spoke for the stronger against the weaker of the two models that the choice was between; `nil` when the
    /// classifier cannot say, when there is no text, and when no second model can take the request.
    public let evidence: Evidence?
    /// How far the classifier trusts itself, 0...1.
    public let support: Double
    /// Support below which the policy asks the strongest tier; `nil` for policies other than ``TradePolicy``.
    public let supportThreshold: Double?
    /// Of the edits that were tried, the one that takes out least and gives another model; `nil` when none does.
    public let promptFlip: PromptFlip?
    /// Changed prompts that were tried, at most `Limits.explainEditCount`.
    public let triedEditsCount: Int
    /// Whether the bounds left out no single word, sentence or block of code that the classifier sees. They are tried from
    /// the shortest on, until one gives another model.
    public let isEveryEditTried: Bool
    /// What of the policy would have to change; empty for policies other than ``TradePolicy``.
    public let policyFlips: [PolicyFlip]

    /// A change of the prompt that gives another model.
    public struct PromptFlip: Sendable, Hashable {
        /// What is taken out.
        public let edit: PromptEdit
        /// The model that is chosen then.
        public let model: String
        /// Why.
        public let reason: Reason
    }
}

extension Router {
    /// Explains the choice for `prompt`, asked alone. Calls no model; synchronous, bounded by `Limits.explainEditCount` and
    /// `Limits.explainScanBytes`.
    ///
    /// A cascade is left out: what is explained is the choice that it begins with.
    ///
    /// - Throws: as ``route(_:)``; `invalidRequest` when the prompt cannot be read.
    public func explain(_ prompt: String, mode: RoutingMode? = nil) throws(RouterError) -> Explanation {
        let view: RequestView
        do {
            view = try RequestView(asking: prompt, limits: configuration.limits)
        } catch {
            throw RouterError(.invalidRequest, error.message)
        }
        let decision = try route(RouterCall(view, mode: mode))
        let mode = decision.mode
        let pool = configuration.pool.view(now_ns: EventLoop.clock_ns())
        let assessment = configuration.classifier.assess(view)
        let plan: Plan
        do throws(NoCandidate) {
            plan = try configuration.policy.choose(pool, for: view, given: assessment, mode: mode)
        } catch {
            throw RouterError(error, requestID: decision.requestID)
        }
        let pair = plan.explainedPair
        let evidence = pair.flatMap { pair -> Evidence? in
            guard let stronger = pool.card(named: pair.stronger), let weaker = pool.card(named: pair.weaker) else {
                return nil
            }
            return configuration.classifier.evidence(for: view, between: stronger, and: weaker)
        }
        let policy = configuration.policy as? TradePolicy
        var search = PromptSearch(Array(prompt.utf8), plan.chosen.model, limits: configuration.limits) { text in
            self.configuration.choice(for: text, pool, mode: mode)
        }
        let speaksForChoice = evidence?.weaker == plan.chosen.model ? -1.0 : 1
        search.run(evidence: evidence, sign: speaksForChoice)
        return Explanation(
            decision: decision, evidence: evidence, support: assessment.support,
            supportThreshold: policy?.supportThreshold(for: pool), promptFlip: search.flip,
            triedEditsCount: search.triedCount, isEveryEditTried: search.isComplete,
            policyFlips: policy?.flips(of: plan, pool, for: view, given: assessment, mode: mode) ?? [])
    }
}

extension Router.Configuration {
    /// What the policy chooses for another text; `nil` when it cannot be asked.
    fileprivate func choice(for text: String, _ pool: PoolView, mode: RoutingMode) -> Candidate? {
        guard let view = try? RequestView(asking: text, limits: limits) else { return nil }
        return try? policy.choose(pool, for: view, given: classifier.assess(view), mode: mode).chosen
    }
}

extension Plan {
    /// The two models that the choice was between: the one that always-strong would ask and the one chosen; where these
    /// are the same, the one that came nearest.
    fileprivate var explainedPair: (stronger: String, weaker: String)? {
        let strong = alwaysStrong
        if strong.model != chosen.model { return (strong.model, chosen.model) }
        let short = { (candidate: Candidate) -> Double in
            switch candidate.reason {
            case .worseTrade(let shortBy), .belowBand(let shortBy): shortBy
            default: 2 - (candidate.quality ?? 0)
            }
        }
        guard let next = candidates.dropFirst().min(by: { short($0) < short($1) }) else { return nil }
        return (strong.model, next.model)
    }
}

/// Looks for the smallest edit that gives another model.
struct PromptSearch {
    private let prompt: [UInt8]
    private let chosen: String
    private let edits: PromptEdits
    private let choose: (String) -> Candidate?
    private let mostCount: Int
    private(set) var flip: Explanation.PromptFlip?
    private(set) var triedCount = 0
    private(set) var isComplete = false

    /// However long the prompt is.
    private static let fewestTries = 4
    /// Most words that are taken out together.
    private static let mostWords = 16

    init(_ prompt: [UInt8], _ chosen: String, limits: Limits, choose: @escaping (String) -> Candidate?) {
        self.prompt = prompt
        self.chosen = chosen
        self.choose = choose
        edits = PromptEdits(prompt, windowBytes: limits.classifiedTextBytes)
        mostCount = max(
            Self.fewestTries, min(limits.explainEditCount, limits.explainScanBytes / max(1, prompt.count)))
    }

    /// - Parameter sign: 1 when weights above 0 speak for the choice, -1 when those below do.
    mutating func run(evidence: Evidence?, sign: Double) {
        let ranked = ranked(evidence, sign)
        // What the evidence points at is tried first if not everything can be.
        let singles = Array((edits.code + interleaved(ranked, edits.sentences)).prefix(mostCount * 3 / 4))
        isComplete = singles.count == edits.words.count + edits.sentences.count + edits.code.count
        for edit in singles.sorted(by: { $0.removedBytes < $1.removedBytes }) where flip == nil { attempt(edit) }
        if flip == nil { searchTogether(ranked) }
    }

    /// Words, the one whose absence should help most first.
    private func ranked(_ evidence: Evidence?, _ sign: Double) -> [PromptEdit] {
        var weights: [String: Double] = [:]
        for part in evidence?.parts ?? [] where part.kind == .word { weights[part.name.lowercased()] = part.weight }
        let keyed = edits.words.map { (edit: $0, weight: sign * (weights[$0.text.lowercased()] ?? 0)) }
        return keyed.enumerated().sorted { ($1.element.weight, $0.offset) < ($0.element.weight, $1.offset) }
            .map(\.element.edit)
    }

    private func interleaved(_ first: [PromptEdit], _ second: [PromptEdit]) -> [PromptEdit] {
        var all: [PromptEdit] = []
        for index in 0..<max(first.count, second.count) {
            if index < first.count { all.append(first[index]) }
            if index < second.count { all.append(second[index]) }
        }
        return all
    }

    /// The words that speak loudest, one more each time; then each of them is put back that is not needed.
    private mutating func searchTogether(_ ranked: [PromptEdit]) {
        guard ranked.count > 2 else { return }
        for count in 2...min(Self.mostWords, ranked.count - 1) {
            attempt(Self.together(ranked[..<count]))
            guard flip != nil else { continue }
            var needed = Array(ranked[..<count])
            for edit in ranked[..<count].reversed() where needed.count > 2 {
                let fewer = needed.filter { $0 != edit }
                if attempt(Self.together(fewer[...])) { needed = fewer }
            }
            return
        }
    }

    private static func together(_ edits: ArraySlice<PromptEdit>) -> PromptEdit {
        PromptEdit(
            kind: .words, ranges: edits.flatMap(\.ranges).sorted { $0.lowerBound < $1.lowerBound },
            text: edits.map(\.text).joined(separator: ", "))
    }

    /// Whether `edit` gives another model; then it is the answer until a smaller one is found.
    @discardableResult
    private mutating func attempt(_ edit: PromptEdit) -> Bool {
        guard triedCount < mostCount else { return false }
        triedCount += 1
        guard let found = choose(String(decoding: edit.applied(to: prompt), as: UTF8.self)), found.model != chosen
        else { return false }
        flip = Explanation.PromptFlip(edit: edit, model: found.model, reason: found.reason)
        return true
    }
}
