/// Moves the GPU memory of other processes to the host and back, by the driver's own calls: a model server that sleeps keeps its
/// process and gives back its devices.
///
/// This process has initialised the driver already, so a wake does not pay for that. What a process had on its devices goes
/// through host memory, which must have room for it. Not for processes that use unified memory, MIG or memory shared between
/// processes; those the driver refuses.
///
/// Never ran on a GPU yet: tested against a fake driver that keeps to the states of cuda.h. Each call blocks, for seconds with
/// tens of gigabytes. Any thread.
public struct GPUProcesses: Sendable {
    private let driver: CUDADriver

    /// - Throws: `notSupported` for a driver before CUDA 12.8.
    public init(_ driver: CUDADriver) throws(DeviceError) {
        guard driver.hasProcessCalls else {
            throw DeviceError(
                .notSupported,
                "the driver speaks CUDA \(driver.versionText); 12.8 (R570) is needed to move the memory of a process")
        }
        self.driver = driver
    }

    /// Nil for a process that does not use the driver.
    public func state(of pid: Int32) throws(DeviceError) -> GPUProcessState? { try driver.processState(pid) }

    /// Moves what the processes have on their devices to the host. All of them or none: when one cannot be moved, the others
    /// run on. Those that do not use the driver are left alone; those that an earlier, interrupted call locked or moved are
    /// taken as far as the others.
    ///
    /// - Parameter limit_ms: how long each may still work on its devices.
    /// - Returns: the processes whose memory is on the host now.
    /// - Throws: what the driver said; the detail tells of a process that could not be let go on.
    @discardableResult
    public func suspend(_ pids: [Int32], limit_ms: Int) throws(DeviceError) -> [Int32] {
        var locked: [Int32] = []
        var moved: [Int32] = []
        do throws(DeviceError) {
            for pid in pids {
                switch try driver.processState(pid) {
                case nil: continue
                case .running?: try driver.lockProcess(pid, limit_ms: limit_ms)
                case .locked?: break
                case .checkpointed?:
                    moved.append(pid)
                    continue
                case .failed?: throw Self.lost(pid)
                case .checkpointing?, .restoring?: throw Self.busy(pid)
                }
                locked.append(pid)
            }
            // All stand still before the first is moved: they may talk to each other through their devices.
            while let pid = locked.first {
                try driver.checkpointProcess(pid)
                locked.removeFirst()
                moved.append(pid)
            }
            return moved
        } catch {
            throw letGo(moved: moved, locked: locked, after: error)
        }
    }

    /// Brings back what `suspend` moved, and lets the processes run on. From whatever state they are in: one that ran on
    /// already is left alone. When one does not find room, all are left suspended, and it may be tried again.
    ///
    /// - Parameter moves: other devices to come back to; none for those that they left. After a failure, processes that had
    ///   come back already are suspended on the devices that they had come to.
    /// - Throws: `outOfMemory`, or what the driver said.
    public func resume(_ pids: [Int32], moves: [GPUMove] = []) throws(DeviceError) {
        var waiting: [Int32] = []
        var locked: [Int32] = []
        for pid in pids {
            switch try driver.processState(pid) {
            case nil, .running?: continue
            case .locked?: locked.append(pid)
            case .checkpointed?: waiting.append(pid)
            case .failed?: throw Self.lost(pid)
            case .checkpointing?, .restoring?: throw Self.busy(pid)
            }
        }
        var restored: [Int32] = []
        do throws(DeviceError) {
            for pid in waiting {
                try driver.restoreProcess(pid, moves)
                restored.append(pid)
            }
        } catch {
            var stuck: [Int32] = []
            for pid in restored {
                do throws(DeviceError) { try driver.checkpointProcess(pid) } catch { stuck.append(pid) }
            }
            throw Self.told(error, stuck)
        }
        for pid in locked + restored { try driver.unlockProcess(pid) }
    }

    /// Undoes a suspension that failed.
    private func letGo(moved: [Int32], locked: [Int32], after error: DeviceError) -> DeviceError {
        var stuck: [Int32] = []
        for pid in moved + locked {
            do throws(DeviceError) {
                if try driver.processState(pid) == .checkpointed { try driver.restoreProcess(pid, []) }
                try driver.unlockProcess(pid)
            } catch {
                stuck.append(pid)
            }
        }
        return Self.told(error, stuck)
    }

    private static func told(_ error: DeviceError, _ stuck: [Int32]) -> DeviceError {
        guard !stuck.isEmpty else { return error }
        let names = stuck.map { String($0) }.joined(separator: ", ")
        return DeviceError(error.code, "\(error.detail); and these cannot run on and must be ended: \(names)")
    }

    private static func lost(_ pid: Int32) -> DeviceError {
        DeviceError(.contextLost, "process \(pid) has lost what it had on its devices: end it and start it anew")
    }

    private static func busy(_ pid: Int32) -> DeviceError {
        DeviceError(.driverFailed, "another program is moving the memory of process \(pid): wait for that to end")
    }
}
