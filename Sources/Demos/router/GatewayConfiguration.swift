import RouterKit
import Transport
import Wire

/// Everything that `router.json` says, checked.
struct GatewayConfiguration: Sendable {
    struct Log: Sendable, Equatable {
        var path: String
        var includesPrompts = false
        var maxBytes = 256 * 1024 * 1024
        var keptFiles = 8
    }

    var listen = ListenAddress.tcp(host: "127.0.0.1", port: 8088)
    var loopCount = 1
    var mode = RoutingMode.balanced
    var cards: [ModelCard] = []
    var clients: [ClientKeys.Client] = []
    var log: Log?
    /// The weights file's path; nil for the shipped weights.
    var weightsPath: String?
    /// The policy file's path; nil for the shipped table.
    var policyPath: String?
    /// What is lost at most, with what confidence.
    var promise: Promise?
    var guards: GuardSet?
    var cascade: Cascade?
    /// Where outcomes of one's own traffic are collected; nil for nowhere.
    var outcomesPath: String?
    var shadow: Shadow?
    var limits = Limits.standard
    /// How long streams in flight may go on after SIGTERM.
    var drain_ms = 30_000
}
