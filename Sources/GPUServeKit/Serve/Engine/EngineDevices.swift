internal import Synchronization
internal import Transport
internal import Wire

/// Takes engines off their devices and puts them back, so that a frozen one holds no GPU memory. The driver was initialised when
/// the daemon looked at the machine, so a wake does not wait for that. Any thread; never ran on a GPU yet.
final class EngineDevices: Sendable {
    private let limits: Limits
    private let open: @Sendable () -> Result<GPUProcesses, DeviceError>
    private let opened = Lock<Result<GPUProcesses, DeviceError>?>(nil)

    /// - Parameter open: makes the way to the driver, when an engine first has devices.
    init(
        limits: Limits,
        open: @escaping @Sendable () -> Result<GPUProcesses, DeviceError> = {
            do throws(DeviceError) {
                return .success(try GPUProcesses(try CUDADriver()))
            } catch {
                return .failure(error)
            }
        }
    ) {
        self.limits = limits
        self.open = open
    }

    private var processes: Result<GPUProcesses, DeviceError> {
        opened.withLock { opened in
            if let opened { return opened }
            let result = open()
            opened = result
            return result
        }
    }

    /// Why an engine cannot be taken off its devices here; nil when it can.
    var problem: String? {
        if case .failure(let error) = processes { return error.detail }
        return nil
    }

    /// Moves what an engine and all that it started have on devices to the host's memory. It must be running: the driver works
    /// through a thread of its own in it.
    func takeOff(_ process: EngineProcess) async throws(ReplicaFailure) {
        let limit_ms = limits.deviceLock_ms
        try await perform(.sleepRefused) { processes throws(DeviceError) in
            try processes.suspend(ProcessStat.group(process.identity.pid), limit_ms: limit_ms)
        }
    }

    /// Brings it back, from wherever an interrupted call left it.
    func putBack(_ process: EngineProcess) async throws(ReplicaFailure) {
        try await perform(.wakeRefused) { processes throws(DeviceError) in
            try processes.resume(ProcessStat.group(process.identity.pid))
        }
    }

    private func perform(
        _ code: ReplicaFailure.Code, _ work: @escaping @Sendable (GPUProcesses) throws(DeviceError) -> Void
    ) async throws(ReplicaFailure) {
        // Seconds with tens of gigabytes, so not on a thread that others need.
        let error = await withUnsafeContinuation { (continuation: UnsafeContinuation<DeviceError?, Never>) in
            BlockingThreads.shared.start { [self] in
                do throws(DeviceError) {
                    try work(try processes.get())
                    continuation.resume(returning: nil)
                } catch {
                    continuation.resume(returning: error)
                }
            }
        }
        if let error { throw ReplicaFailure(error.code == .notSupported ? .notPermitted : code, error.detail) }
    }
}
