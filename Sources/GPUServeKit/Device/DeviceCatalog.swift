import Wire

/// What devices there are, and why there is no GPU when there is none.
public struct DeviceCatalog: Sendable {
    /// The driver when it works, or exactly why not.
    public let cuda: Result<CUDADriver, DeviceError>
    /// The host first, then the GPUs in the driver's order.
    public let devices: [DeviceInfo]

    /// Asks the CUDA driver (`cuInit` takes 0.1 s to seconds where there are GPUs) and the host.
    ///
    /// - Parameter library: what the dynamic linker is asked for.
    public static func discover(library: String = "libcuda.so.1") -> DeviceCatalog {
        discover { () throws(DeviceError) in try CUDADriver(library: library) }
    }

    static func discover(_ open: () throws(DeviceError) -> CUDADriver) -> DeviceCatalog {
        let host = HostContext.info(ordinal: 0)
        do throws(DeviceError) {
            let driver = try open()
            return DeviceCatalog(cuda: .success(driver), devices: [host] + (try driver.devices()))
        } catch {
            return DeviceCatalog(cuda: .failure(error), devices: [host])
        }
    }

    /// One line on huge pages of the host, for people.
    public static var hugePages: String {
        "transparent huge pages: \(HostMemory.transparentHugePages); reserved huge pages free:"
            + " \(HostMemory.freeReservedHugePages)"
    }

    /// `{"cuda":{"available":...},"devices":[...]}`; absent facts are null.
    public func json() -> [UInt8] {
        var output = Array("{\"cuda\":{\"available\":".utf8)
        switch cuda {
        case .success(let driver): output += Array("true,\"version\":\(driver.version)".utf8)
        case .failure(let error):
            output += Array("false,\"code\":\"\(error.code.label)\",\"reason\":".utf8)
            JSONText.appendQuoted(error.detail, to: &output)
        }
        output += Array("},\"devices\":[".utf8)
        for (index, device) in devices.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            Self.append(device, to: &output)
        }
        output += Array("]}".utf8)
        return output
    }

    private static func append(_ device: DeviceInfo, to output: inout [UInt8]) {
        output += Array("{\"id\":\"\(device.id)\",\"name\":".utf8)
        JSONText.appendQuoted(device.name, to: &output)
        output += Array(",\"total_bytes\":\(device.totalBytes)".utf8)
        let texts = [
            ("uuid", device.uuid), ("pci_bus_id", device.pciBusID),
            ("compute_capability", device.computeCapability?.description),
        ]
        for (name, text) in texts {
            output += Array(",\"\(name)\":".utf8)
            if let text { JSONText.appendQuoted(text, to: &output) } else { output += Array("null".utf8) }
        }
        output += Array(
            ",\"copy_engine_count\":\(device.copyEngineCount),\"has_fixed_addresses\":\(device.hasFixedAddresses)}".utf8
        )
    }
}
