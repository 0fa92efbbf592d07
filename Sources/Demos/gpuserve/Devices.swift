import DemoSupport
import GPUServeKit

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
