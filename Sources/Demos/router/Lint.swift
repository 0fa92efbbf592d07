import DemoSupport
import Glibc
import RouterKit

/// `router lint`: behaviour of a policy that deserves a look, from its decision log.
enum Lint {
    static func run(_ arguments: Arguments) throws {
        let path = try arguments.required("log")
        let configured = try arguments[option: "config"].map { try ConfigurationFile.load($0).cards.map(\.name) } ?? []
        let lint = try PolicyLint.read(path: path)
        if lint.damagedCount > 0 { Console.warn("\(path): \(lint.damagedCount) damaged lines left out") }
        let findings = lint.findings(configured: configured)
        print(text(lint, findings))
        // As other linters do, so that a script can act on it.
        if !findings.isEmpty { exit(1) }
    }

    static func text(_ lint: PolicyLint, _ findings: [PolicyLint.Finding]) -> String {
        let seen = "\(lint.decisionsCount) decisions of the policy, \(lint.pinnedCount) requests that named their model"
        guard lint.decisionsCount >= PolicyLint.leastCount else {
            return "\(seen)\ntoo few to judge: at least \(PolicyLint.leastCount) decisions are needed"
        }
        guard !findings.isEmpty else { return "\(seen)\nnothing found" }
        return ([seen] + findings.map { "\($0.code.label): \($0.detail)" }).joined(separator: "\n")
    }
}
