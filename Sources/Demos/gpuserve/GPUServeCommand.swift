import DemoSupport
import GPUServeKit
import Glibc

/// The `gpuserve` program: GPUServeKit from the command line.
@main
struct GPUServeCommand {
    static let usage = """
        gpuserve: model snapshots, restored at the speed of the link

          gpuserve devices [--json]   what devices there are and, without a GPU, exactly why not
        """

    static func main() {
        var words = Array(CommandLine.arguments.dropFirst())
        let verb = words.isEmpty ? "help" : words.removeFirst()
        do {
            try run(verb, words)
        } catch let error as UsageError {
            fail("\(error)\nTry: gpuserve help", status: 2)
        } catch {
            fail("\(error)", status: 1)
        }
    }

    private static func run(_ verb: String, _ words: [String]) throws {
        switch verb {
        case "devices": try Devices.run(try Arguments(words, options: [], flags: ["json"]))
        case "help", "--help", "-h": print(usage)
        default:
            let hint = Suggestion.nearest(to: verb, in: ["devices", "help"]).map { "; did you mean \($0)?" } ?? ""
            throw UsageError(message: "unknown verb \(verb)\(hint)")
        }
    }

    private static func fail(_ text: String, status: Int32) -> Never {
        var text = "gpuserve: \(text)\n"
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(status)
    }
}

/// `gpuserve devices`. Having no GPU is an answer and no failure.
enum Devices {
    static func run(_ arguments: Arguments) throws {
        guard arguments.words.isEmpty else { throw UsageError(message: "devices takes no words, only --json") }
        let catalog = DeviceCatalog.discover()
        if arguments.has("json") {
            print(String(decoding: catalog.json(), as: UTF8.self))
        } else {
            print(text(catalog))
        }
    }

    private static func text(_ catalog: DeviceCatalog) -> String {
        var table = TextTable(["device", "name", "memory", "arch", "pci bus", "fixed addresses", "uuid"])
        for device in catalog.devices {
            table.add([
                "\(device.id)", device.name, (Double(device.totalBytes) / 1e9).fixed(1) + " GB",
                device.computeCapability?.description ?? "-", device.pciBusID ?? "-",
                device.hasFixedAddresses ? "yes" : "no", device.uuid ?? "-",
            ])
        }
        var lines = [table.text, "", "host pages  \(DeviceCatalog.hugePages)"]
        switch catalog.cuda {
        case .success(let driver): lines.append("CUDA        driver of CUDA \(driver.versionText)")
        case .failure(let error): lines.append("CUDA        none: \(error)")
        }
        return lines.joined(separator: "\n")
    }
}
