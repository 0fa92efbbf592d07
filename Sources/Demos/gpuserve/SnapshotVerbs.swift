import DemoSupport
import GPUServeKit

/// `gpuserve snapshot VERB`.
enum SnapshotVerbs {
    static let usage = """
          gpuserve snapshot create NAME --from FILE [--from FILE...] --store DIR [--chunk-mib 4]
          gpuserve snapshot list --store DIR
          gpuserve snapshot inspect SNAPSHOT --store DIR
          gpuserve snapshot verify [SNAPSHOT...] --store DIR [--repair PLACE]   hash every chunk again; PLACE heals
          gpuserve snapshot diff SNAPSHOT OTHER --store DIR                     which chunks and bytes two of them share
          gpuserve snapshot push SNAPSHOT --store DIR --to PLACE                what is there already is not sent again
          gpuserve snapshot pull SNAPSHOT --store DIR --from PLACE
          gpuserve snapshot restore SNAPSHOT --store DIR --into DEVICE [--devices N] [--digests] [--probe]
          gpuserve snapshot predict SNAPSHOT --store DIR --into DEVICE [--devices N] [--probe]
          gpuserve snapshot bench SNAPSHOT --store DIR --into DEVICE [--devices N] [--rounds 5] [--probe]
          gpuserve snapshot delete SNAPSHOT --store DIR
          gpuserve snapshot gc --store DIR [--dry-run]                          remove what nothing refers to

          DEVICE is host, cuda or cuda:N. How fast this host is gets measured once, is kept in ~/.cache/gpuserve and learned from
          each restore; --probe measures anew.
          SNAPSHOT is a name, an identifier or the first 6 or more digits of one. PLACE is s3://BUCKET/PREFIX, a directory,
          or http(s)://... to be read only. s3:// takes AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
          AWS_REGION and AWS_ENDPOINT_URL from the environment. Every verb takes --json.
        """

    private static let verbs = [
        "create", "list", "inspect", "verify", "diff", "push", "pull", "restore", "predict", "bench", "delete", "gc",
    ]

    static func run(_ words: [String]) async throws {
        guard let verb = words.first else {
            throw UsageError(message: "say what to do: \(verbs.joined(separator: ", "))")
        }
        if !verbs.contains(verb), isDeployment(verb, words) { return try await DeploymentVerbs.snapshot(words) }
        func arguments(_ options: [String] = [], flags: [String] = []) throws -> Arguments {
            try Arguments(Array(words.dropFirst()), options: options + ["store"], flags: flags + ["json"])
        }
        switch verb {
        case "create": try await CreateSnapshot.run(try arguments(["from", "chunk-mib"]))
        case "list": try await ListSnapshots.run(try arguments())
        case "inspect": try await InspectSnapshot.run(try arguments())
        case "verify": try await VerifySnapshots.run(try arguments(["repair"]))
        case "diff": try await DiffSnapshots.run(try arguments())
        case "push": try await CopySnapshot.push(try arguments(["to"]))
        case "pull": try await CopySnapshot.pull(try arguments(["from"]))
        case "restore":
            try await RestoreSnapshot.run(try arguments(RestoreTarget.options, flags: ["digests", "probe"]))
        case "predict": try await PredictRestore.run(try arguments(RestoreTarget.options, flags: ["probe"]))
        case "bench": try await BenchRestore.run(try arguments(RestoreTarget.options + ["rounds"], flags: ["probe"]))
        case "delete": try await DeleteSnapshot.run(try arguments())
        case "gc": try await CollectGarbage.run(try arguments(flags: ["dry-run"]))
        default:
            let hint = Suggestion.nearest(to: verb, in: verbs).map { "; did you mean \($0)?" } ?? ""
            throw UsageError(message: "unknown verb snapshot \(verb)\(hint)")
        }
    }

    /// Whether a word that is no verb is the name of a deployment: when a daemon is named that may have it.
    private static func isDeployment(_ word: String, _ words: [String]) -> Bool {
        let given = try? Arguments(words, options: DaemonClient.options, flags: ["json"])
        return DeploymentSpec.problem(withName: word) == nil && given.map { DaemonClient.isNamed($0) } ?? false
    }
}

extension Arguments {
    /// Exactly these words, named in the error.
    func expect(_ names: String...) throws(UsageError) {
        guard words.count != names.count else { return }
        let wanted = names.isEmpty ? "no words" : names.joined(separator: " ")
        throw UsageError(message: "expected \(wanted), got \(words.isEmpty ? "nothing" : words.joined(separator: " "))")
    }
}
