import CCuda

/// What the driver says of another process that uses it (`CUprocessState` of cuda.h).
public enum GPUProcessState: Int32, Sendable, Hashable {
    /// It works.
    case running = 0
    /// Its calls of the driver wait.
    case locked = 1
    /// Its memory has left the devices.
    case checkpointed = 2
    /// It is lost: it can only be ended.
    case failed = 3
    /// Somebody moves its memory out (13.4 and later).
    case checkpointing = 4
    /// Somebody moves its memory back (13.4 and later).
    case restoring = 5
}

/// Where what a process had on one device goes when it comes back.
public struct GPUMove: Sendable, Hashable {
    /// The device that it left, as `DeviceInfo.uuid`.
    public var from: String
    /// The device that it comes to, of the same kind.
    public var to: String

    /// A move between devices, named as `DeviceInfo.uuid` names them.
    public init(from: String, to: String) { (self.from, self.to) = (from, to) }
}

/// The driver's calls on other processes (NVIDIA's checkpoint interface, cuda.h 12.8 and 13.0). Each blocks; any thread.
extension CUDADriver {
    /// Whether the driver has all of them: CUDA 12.8 (R570) or later.
    var hasProcessCalls: Bool {
        table.processGetState != nil && table.processLock != nil && table.processCheckpoint != nil
            && table.processRestore != nil && table.processUnlock != nil
    }

    /// Nil for a process that does not use the driver.
    func processState(_ pid: Int32) throws(DeviceError) -> GPUProcessState? {
        var state: Int32 = 0
        let result = table.processGetState(pid, &state)
        // That is what is said of a process without any state of CUDA.
        if result == CUDAResult.notInitialized.rawValue { return nil }
        try Self.checkProcess("cuCheckpointProcessGetState", pid, result)
        guard let known = GPUProcessState(rawValue: state) else {
            throw DeviceError(.notSupported, "the driver says that process \(pid) is in state \(state), unknown here")
        }
        return known
    }

    /// Running to locked. After `limit_ms` of work that does not end, it runs on.
    func lockProcess(_ pid: Int32, limit_ms: Int) throws(DeviceError) {
        var arguments = ccuda_lock_args()
        // 0 would wait without end.
        arguments.timeout_ms = UInt32(clamping: max(1, limit_ms))
        let result = table.processLock(pid, &arguments)
        if result == CUDAResult.notReady.rawValue {
            throw DeviceError(
                .driverFailed, "process \(pid) had work on its devices for \(limit_ms) ms and was left running")
        }
        try Self.checkProcess("cuCheckpointProcessLock", pid, result)
    }

    /// Locked to checkpointed: its memory goes to the host's.
    func checkpointProcess(_ pid: Int32) throws(DeviceError) {
        var arguments = ccuda_checkpoint_args()
        try Self.checkProcess("cuCheckpointProcessCheckpoint", pid, table.processCheckpoint(pid, &arguments))
    }

    /// Checkpointed to locked: its memory comes back, to the devices that `moves` name. None means to where it was; else every
    /// device that it used must be among them.
    func restoreProcess(_ pid: Int32, _ moves: [GPUMove]) throws(DeviceError) {
        guard moves.isEmpty || version >= 13_000 else {
            throw DeviceError(
                .notSupported,
                "a process can come back to other devices from CUDA 13.0 on; the driver speaks \(versionText)")
        }
        var pairs: [ccuda_gpu_pair] = []
        for move in moves {
            pairs.append(ccuda_gpu_pair(from: try Self.uuid(move.from), to: try Self.uuid(move.to)))
        }
        let result = pairs.withUnsafeMutableBufferPointer { buffer in
            var arguments = ccuda_restore_args()
            if !buffer.isEmpty {
                arguments.pairs = buffer.baseAddress
                arguments.pair_count = UInt32(buffer.count)
            }
            return table.processRestore(pid, &arguments)
        }
        try Self.checkProcess("cuCheckpointProcessRestore", pid, result)
    }

    /// Locked to running.
    func unlockProcess(_ pid: Int32) throws(DeviceError) {
        var arguments = ccuda_checkpoint_args()
        try Self.checkProcess("cuCheckpointProcessUnlock", pid, table.processUnlock(pid, &arguments))
    }

    private static func checkProcess(_ call: String, _ pid: Int32, _ result: ccuda_result) throws(DeviceError) {
        guard result != 0 else { return }
        guard result == CUDAResult.operatingSystem.rawValue else {
            throw DeviceError(result: CUDAResult(rawValue: result), call: "\(call)(\(pid))")
        }
        throw DeviceError(
            .notSupported, "\(call)(\(pid)) may not look into that process: it needs root or CAP_SYS_PTRACE")
    }

    /// The 16 bytes of "GPU-01234567-89ab-...".
    static func uuid(_ text: String) throws(DeviceError) -> ccuda_uuid {
        let digits = text.utf8.dropFirst(4).filter { $0 != UInt8(ascii: "-") }.compactMap { digit -> UInt8? in
            switch digit {
            case 0x30...0x39: digit - 0x30
            case 0x61...0x66: digit - 0x57
            case 0x41...0x46: digit - 0x37
            default: nil
            }
        }
        guard text.hasPrefix("GPU-"), text.utf8.count == 40, digits.count == 32 else {
            throw DeviceError(
                .invalidArgument, "\"\(text)\" is not the UUID of a device, such as GPU-0123...: see gpuserve devices")
        }
        var uuid = ccuda_uuid()
        withUnsafeMutableBytes(of: &uuid) { bytes in
            for index in 0..<16 { bytes[index] = digits[2 * index] << 4 | digits[2 * index + 1] }
        }
        return uuid
    }
}
