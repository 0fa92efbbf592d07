import DemoSupport
import RouterKit

/// `router explain`: which features spoke for a choice, and what little would have changed it.
enum Explain {
    static let options = ["config", "mode", "weights", "policy"]

    static func run(_ arguments: Arguments) throws {
        let explanation = try explain(arguments)
        if arguments.has("json") {
            print(String(decoding: explanation.json(), as: UTF8.self))
        } else {
            print(text(explanation))
        }
    }

    static func explain(_ arguments: Arguments) throws -> Explanation {
        var configuration = try ConfigurationFile.load(try arguments.required("config"))
        guard arguments.words.count == 1 else { throw UsageError(message: "give one prompt, in quotes") }
        configuration.weightsPath = arguments[option: "weights"] ?? configuration.weightsPath
        configuration.policyPath = arguments[option: "policy"] ?? configuration.policyPath
        let router = try Assembly(transport: NoTransport(), metrics: nil).router(configuration, withLog: false)
        do {
            return try router.explain(arguments.words[0], mode: try RouteOnce.mode(arguments))
        } catch let error as RouterError {
            throw UsageError(message: error.message)
        }
    }

    /// The most parts that a person wants to read.
    private static let shownParts = 12

    static func text(_ explanation: Explanation) -> String {
        let decision = explanation.decision
        var lines = ["model    \(decision.chosenModel)", "why      \(decision.reason)"]
        lines.append("support  \(support(explanation))")
        if let cascade = decision.cascade {
            lines.append("cascade  \(cascade.calls.map(\.model).joined(separator: " and ")) are asked first")
        }
        lines.append("")
        if let evidence = explanation.evidence {
            lines += table(evidence)
        } else {
            lines.append(
                "There is nothing to weigh: no text, no second model, or a classifier that does not explain itself.")
        }
        lines += ["", flip(explanation), ""]
        if explanation.policyFlips.isEmpty {
            lines.append("No single change of the policy gives another model.")
        } else {
            lines.append("In the policy, each of these alone gives another model:")
            lines += explanation.policyFlips.map { "  \(text($0))" }
        }
        return lines.joined(separator: "\n")
    }

    private static func support(_ explanation: Explanation) -> String {
        let value = explanation.support.fixed(2)
        guard let threshold = explanation.supportThreshold else { return value }
        return explanation.support < threshold
            ? "\(value), below \(threshold.fixed(2)): unlike what was learned, so the predictions decide nothing"
            : "\(value), at least \(threshold.fixed(2)): like what was learned, so the predictions decide"
    }

    private static func table(_ evidence: Evidence) -> [String] {
        let gap = evidence.gap * 100
        let weaker = evidence.weaker.printable
        var table = TextTable(["points", "kind", "what", "seen"])
        for part in evidence.parts.prefix(shownParts) {
            table.add([signed(part.weight), part.kind.rawValue, part.name.printable, part.value.fixed(2)])
        }
        let rest = evidence.parts.dropFirst(shownParts)
        if !rest.isEmpty {
            table.add([signed(rest.reduce(0) { $0 + $1.weight }), "", "\(rest.count) more", ""])
        }
        table.add([signed(evidence.baseline), "", "an average prompt", ""])
        if abs(evidence.clamped) > 5e-5 { table.add([signed(evidence.clamped), "", "held within range", ""]) }
        return [
            "\(evidence.stronger.printable) is predicted \(abs(gap).fixed(2)) points \(gap < 0 ? "worse" : "better") than "
                + "\(weaker); what speaks for it (+) and for \(weaker) (-):",
            table.text,
        ]
    }

    private static func signed(_ weight: Double) -> String { (weight < 0 ? "" : "+") + (weight * 100).fixed(2) }

    private static func flip(_ explanation: Explanation) -> String {
        let tried = "\(explanation.triedEditsCount) edits tried\(explanation.isEveryEditTried ? "" : ", not all")"
        guard let flip = explanation.promptFlip else {
            return "No word, sentence or block of code makes the difference (\(tried))."
        }
        let what =
            switch flip.edit.kind {
            case .word: "the word"
            case .words: "the words"
            case .sentence: "the sentence"
            case .code: "the block"
            }
        let bytes = "\(flip.edit.removedBytes) \(flip.edit.removedBytes == 1 ? "byte" : "bytes")"
        return "Without \(what) \"\(flip.edit.text.printable)\" (\(bytes); \(tried)): "
            + "\(flip.model.printable), \(flip.reason)"
    }

    private static func text(_ flip: PolicyFlip) -> String {
        let parts = flip.parts
        let then = ": \(flip.model.printable)"
        switch flip.change {
        case .mode: return "mode \(parts.subject ?? "")\(then)"
        case .withoutPromise: return "no guarantee\(then)"
        case .withoutGuards: return "no guards\(then)"
        default:
            let name = parts.name.replacing("_", with: " ")
            let of = parts.subject.map { " of \($0.printable)" } ?? ""
            return "\(name)\(of) \((parts.from ?? 0).plainText) -> \((parts.to ?? 0).plainText)\(then)"
        }
    }
}

extension Double {
    /// Six decimals, nine for small numbers such as the cost of a request, without zeros at the end.
    fileprivate var plainText: String {
        var text = fixed(abs(self) < 0.001 ? 9 : 6)
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }
}
