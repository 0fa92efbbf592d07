import GPUServeKit
import Glibc
import Wire

/// Adds requests to a ledger from several tasks until it is killed, and prints the id of each that was acknowledged.
///
///     ledger-torture DIRECTORY PREFIX
@main struct LedgerTorture {
    static func main() async {
        do {
            var limits = Limits.standard
            limits.ledgerFileBytes = 64 * 1024
            let ledger = try await Ledger.open(path: CommandLine.arguments[1], limits: limits)
            let prefix = CommandLine.arguments[2]
            await withTaskGroup { group in
                for task in 0..<4 {
                    group.addTask {
                        for number in 0... {
                            let request = MeteredRequest(
                                id: "\(prefix)-\(task)-\(number)", ended_ms: number, deployment: "chat",
                                outcome: .complete, tokens: MeteredTokens(promptCount: 3, answerCount: 2))
                            do {
                                try await ledger.append(.request(request))
                            } catch {
                                print("ledger-torture failed: \(error)")
                                exit(1)
                            }
                            say(request.id + "\n")
                        }
                    }
                }
            }
        } catch {
            print("ledger-torture failed: \(error)")
            exit(1)
        }
    }

    /// One write, so that lines of different tasks do not mix and none is cut.
    private static func say(_ line: String) {
        var line = line
        line.withUTF8 { _ = write(1, $0.baseAddress, $0.count) }
    }
}
