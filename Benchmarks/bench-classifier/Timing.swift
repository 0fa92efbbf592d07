import BenchSupport
import CAllocations
import RouterKit
import Wire

/// Times of one set of prompts, in microseconds a call.
struct Timing {
    /// Reading the body: validation, facts, the last ask.
    let view: Percentiles
    /// The classifier alone.
    let assess: Percentiles
    /// Both, as a request pays it.
    let both: Percentiles

    /// The quietest of `rounds` rounds over all prompts, by the 99th percentile of both.
    ///
    /// The machine may be shared. What somebody else's process adds differs from round to round; what the code costs
    /// does not, and every round times each prompt once, cold caches between two calls included.
    init(_ prompts: [String], rounds: Int, _ classifier: some ComplexityClassifier) throws {
        let bodies = prompts.map(Self.body)
        for body in bodies.prefix(200) { keep(classifier.assess(try RequestView(body, dialect: .chatCompletions))) }
        var best: (view: [Double], assess: [Double], both: [Double])?
        var bestTail = Double.infinity
        for _ in 0..<rounds {
            let round = try Self.round(bodies, classifier)
            let tail = Percentiles(round.both)[0.99]
            if tail < bestTail { (best, bestTail) = (round, tail) }
        }
        guard let best else { preconditionFailure("no rounds") }
        view = Percentiles(best.view)
        assess = Percentiles(best.assess)
        both = Percentiles(best.both)
    }

    /// Allocations of one classification after the first ones.
    static func allocationsPerCall(_ prompts: [String], _ classifier: some ComplexityClassifier) throws -> Double {
        let requests = try prompts.prefix(500).map { try RequestView(body($0), dialect: .chatCompletions) }
        for request in requests.prefix(50) { keep(classifier.assess(request)) }
        let before = callocations_count()
        for request in requests { keep(classifier.assess(request)) }
        return Double(callocations_count() - before) / Double(max(1, requests.count))
    }

    private static func round(
        _ bodies: [[UInt8]], _ classifier: some ComplexityClassifier
    ) throws -> (view: [Double], assess: [Double], both: [Double]) {
        var view: [Double] = []
        var assess: [Double] = []
        var both: [Double] = []
        view.reserveCapacity(bodies.count)
        assess.reserveCapacity(bodies.count)
        both.reserveCapacity(bodies.count)
        for body in bodies {
            let started = monotonicNanoseconds()
            let request = try RequestView(body, dialect: .chatCompletions)
            let read = monotonicNanoseconds()
            let assessment = classifier.assess(request)
            let ended = monotonicNanoseconds()
            keep(assessment)
            view.append(Double(read - started) / 1_000)
            assess.append(Double(ended - read) / 1_000)
            both.append(Double(ended - started) / 1_000)
        }
        return (view, assess, both)
    }

    /// A body as an SDK sends it, with a system message and a few parameters.
    private static func body(_ prompt: String) -> [UInt8] {
        var body = Array(#"{"model":"auto","messages":[{"role":"system","content":"You are helpful."},"#.utf8)
        body.append(contentsOf: #"{"role":"user","content":"#.utf8)
        JSONText.appendQuoted(prompt, to: &body)
        body.append(contentsOf: #"}],"temperature":0.7,"max_tokens":512,"stream":true}"#.utf8)
        return body
    }
}
