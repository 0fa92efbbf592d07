import BenchSupport
import Foundation

@main struct Command {
    static let usage = """
        usage: bench-restore [--quick] [--only PARTS] [--work DIRECTORY] [--out DIRECTORY] [--python PATH]
          Restores a snapshot of a 2 GiB safetensors file onto the host, verified, from the page cache and from disk,
          beside plain pread, dd and other loaders; then attach, clone, delta, variants, predictions and a pull over S3.
          Writes DIRECTORY/restore.json (default: Benchmarks/results). Run it from the project's root, built with
          -c release, on an idle machine. Needs about 10 GiB of disk under --work (default: .cache/bench-restore).
          --quick   256 MiB and few rounds: to see that it runs; writes restore-quick.json
          --only    of warm, peers, cold, ready, residents, deltas, predictions, objects those given, with commas
                    between them; printed, not written
          --python  a Python that has the peers (default: .venv-restore/bin/python)
        """

    static func main() async {
        let bench = RestoreBench()
        var rest = CommandLine.arguments.dropFirst()
        while let name = rest.popFirst() {
            switch name {
            case "--quick": bench.isQuick = true
            case "--only": bench.only = Set((rest.popFirst() ?? "").split(separator: ",").map { String($0) })
            case "--work": bench.work = rest.popFirst() ?? bench.work
            case "--out": bench.out = URL(fileURLWithPath: rest.popFirst() ?? "Benchmarks/results")
            case "--python": bench.python = rest.popFirst() ?? bench.python
            default:
                print("cannot use \(name)\n\(usage)")
                exit(2)
            }
        }
        do {
            try await bench.run()
        } catch {
            print("bench-restore: \(error)")
            exit(1)
        }
    }
}
