import CCuda

extension CUDADriver {
    /// Numbers of `CUdevice_attribute`.
    private enum Attribute {
        static let copyEngineCount: Int32 = 40
        static let capabilityMajor: Int32 = 75
        static let capabilityMinor: Int32 = 76
        static let virtualMemory: Int32 = 102
    }

    /// What the driver says of every device it sees.
    ///
    /// - Throws: what the driver says when asked.
    public func devices() throws(DeviceError) -> [DeviceInfo] {
        var count: Int32 = 0
        try Self.check("cuDeviceGetCount", table.deviceGetCount(&count))
        var found: [DeviceInfo] = []
        for ordinal in 0..<Int(count) { found.append(try device(ordinal)) }
        return found
    }

    /// What the driver says of one device.
    ///
    /// - Throws: `noDevice` when there is none of that number.
    public func device(_ ordinal: Int) throws(DeviceError) -> DeviceInfo {
        let device = try handle(ordinal)
        var bytes = 0
        try Self.check("cuDeviceTotalMem", table.deviceTotalMem(&bytes, device))
        let name = try text("cuDeviceGetName") { table.deviceGetName($0, $1, device) }
        let bus = try text("cuDeviceGetPCIBusId") { table.deviceGetPCIBusId($0, $1, device) }
        return DeviceInfo(
            id: DeviceID(.cuda, ordinal), name: name, totalBytes: bytes, uuid: try uuid(device), pciBusID: bus,
            computeCapability: .init(
                major: try attribute(Attribute.capabilityMajor, device),
                minor: try attribute(Attribute.capabilityMinor, device)),
            copyEngineCount: try attribute(Attribute.copyEngineCount, device),
            hasFixedAddresses: try attribute(Attribute.virtualMemory, device) != 0)
    }

    /// Ordinals of the devices whose memory `ordinal` can use directly.
    func peers(of ordinal: Int) throws(DeviceError) -> Set<Int> {
        var count: Int32 = 0
        try Self.check("cuDeviceGetCount", table.deviceGetCount(&count))
        let device = try handle(ordinal)
        var reachable: Set<Int> = []
        for other in 0..<Int(count) where other != ordinal {
            var can: Int32 = 0
            try Self.check("cuDeviceCanAccessPeer", table.deviceCanAccessPeer(&can, device, try handle(other)))
            if can != 0 { reachable.insert(other) }
        }
        return reachable
    }

    func handle(_ ordinal: Int) throws(DeviceError) -> ccuda_device {
        guard let number = Int32(exactly: ordinal), number >= 0 else {
            throw DeviceError(.noDevice, "there is no device number \(ordinal)")
        }
        var device: ccuda_device = 0
        try Self.check("cuDeviceGet", table.deviceGet(&device, number))
        return device
    }

    private func attribute(_ attribute: Int32, _ device: ccuda_device) throws(DeviceError) -> Int {
        var value: Int32 = 0
        try Self.check("cuDeviceGetAttribute", table.deviceGetAttribute(&value, attribute, device))
        return Int(value)
    }

    /// nil when the driver is older than CUDA 11.4.
    private func uuid(_ device: ccuda_device) throws(DeviceError) -> String? {
        guard let ask = table.deviceGetUuid else { return nil }
        var uuid = ccuda_uuid()
        try Self.check("cuDeviceGetUuid", ask(&uuid, device))
        let digits = withUnsafeBytes(of: &uuid) { bytes in
            bytes.enumerated().map { index, byte in
                ([4, 6, 8, 10].contains(index) ? "-" : "") + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return "GPU-" + digits.joined()
    }

    private func text(
        _ call: StaticString, _ ask: (UnsafeMutablePointer<CChar>?, Int32) -> ccuda_result
    ) throws(DeviceError) -> String {
        var result: ccuda_result = 0
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            buffer.initialize(repeating: 0)
            result = ask(buffer.baseAddress, 255)
            return String(cString: buffer.baseAddress!)
        }
        try Self.check(call, result)
        return text
    }
}
