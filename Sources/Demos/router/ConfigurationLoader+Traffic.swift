import RouterKit
import Wire

/// The parts of a configuration that say what is learned from one's own traffic.
extension GatewayConfiguration {
    /// `"outcomes": {"file": "outcomes.jsonl", "prompts": true}`
    static func outcomesPath(_ root: inout ConfigurationObject) throws(ConfigurationError) -> String? {
        guard var entry = try root.object("outcomes") else { return nil }
        let path = try entry.requiredString("file")
        let keepsPrompts = try entry.bool("prompts") ?? false
        try entry.finish()
        guard keepsPrompts else {
            throw entry.error(
                "outcomes.prompts must be true: a row holds what somebody asked, and nothing can be learned without it")
        }
        return path
    }

    /// `"shadow": {"share": 0.05, "judge": "auto", "traffic": "cheap"}`, or `"judge": {"model": "large"}`
    static func shadow(
        _ root: inout ConfigurationObject, collects: Bool
    ) throws(ConfigurationError) -> Shadow? {
        guard var entry = try root.object("shadow") else { return nil }
        let share = try entry.amount("share")
        guard let share, share <= 1 else {
            throw entry.error(
                "shadow.share is missing or above 1: which share of the answers is compared, 0.05 for 5 %")
        }
        var shadow = Shadow(share: share)
        if entry.value("judge")?.members != nil, var judge = try entry.object("judge") {
            shadow.judge = .model(try judge.requiredString("model"))
            try judge.finish()
        } else if let rule = try entry.choice("judge", AnswerMatch.Rule.allCases.map { ($0.rawValue, $0) }) {
            shadow.judge = .rule(rule)
        }
        shadow.includesStrong = try entry.choice("traffic", [("cheap", false), ("all", true)]) ?? false
        try entry.finish()
        guard collects else {
            throw entry.error(
                "shadow needs \"outcomes\": {\"file\": \"outcomes.jsonl\", \"prompts\": true} to write to")
        }
        return shadow
    }
}
