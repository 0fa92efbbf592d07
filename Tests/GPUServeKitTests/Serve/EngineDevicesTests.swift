import CFakeCuda
import Testing
import Wire

@testable import GPUServeKit

extension FakeDriverTests {
    /// Engines leave their devices and come back to them; the processes are real, the driver is the fake one.
    @Suite struct EngineDevicesTests {
        private static let bytes = 100 << 20

        private func engine(_ scratch: ScratchDirectory) async throws -> EngineProcess {
            // A leader and a child: a group, as engines with workers are.
            try await EngineProcess.start(
                program: "/bin/sh", arguments: ["-c", "sleep 600 & wait"], environment: ["PATH": "/usr/bin:/bin"],
                logPath: scratch.path + "/log", directory: scratch.path, on: try EngineHost())
        }

        private func devices(_ driver: CUDADriver) -> EngineDevices {
            EngineDevices(limits: .standard) {
                do throws(DeviceError) { return .success(try GPUProcesses(driver)) } catch { return .failure(error) }
            }
        }

        @Test func `all processes of an engine that have something there are moved`() async throws {
            let driver = try FakeDriverTests.start()
            let scratch = try ScratchDirectory()
            let process = try await engine(scratch)
            let group = await Self.group(of: process, count: 2)
            for pid in group { fake_cuda_add_process(pid, 0, Self.bytes) }
            let devices = devices(driver)
            #expect(devices.problem == nil)
            try await devices.takeOff(process)
            #expect(fake_cuda_used_bytes(0) == 0)
            try await process.freeze()
            process.thaw()
            try await devices.putBack(process)
            #expect(fake_cuda_used_bytes(0) == 2 * Self.bytes)
            // Nothing of the driver's in it: nothing to do.
            try await devices.putBack(process)
            await process.end(grace_ms: 0)
        }

        @Test func `what the driver refuses is named as the engine's sleep or wake that failed`() async throws {
            let driver = try FakeDriverTests.start()
            let scratch = try ScratchDirectory()
            let process = try await engine(scratch)
            fake_cuda_add_process(process.identity.pid, 0, Self.bytes)
            let devices = devices(driver)
            for (result, code) in [(Int32(999), ReplicaFailure.Code.sleepRefused), (304, .notPermitted)] {
                fake_cuda_fail_at(1, result)
                let failure = await #expect(throws: ReplicaFailure.self) { try await devices.takeOff(process) }
                #expect(failure?.code == code)
            }
            fake_cuda_fail_at(0, 0)
            try await devices.takeOff(process)
            fake_cuda_add_process(1, 0, 1 << 30)
            let failure = await #expect(throws: ReplicaFailure.self) { try await devices.putBack(process) }
            #expect(failure?.code == .wakeRefused && failure?.detail.contains("OUT_OF_MEMORY") == true)
            #expect(fake_cuda_process_state(process.identity.pid) == GPUProcessState.checkpointed.rawValue)
            await process.end(grace_ms: 0)
        }

        @Test func `without a driver it says so`() async throws {
            let devices = EngineDevices(limits: .standard) { .failure(DeviceError(.noLibrary, "no driver here")) }
            #expect(devices.problem == "no driver here")
        }

        /// The child may not have been made yet.
        private static func group(of process: EngineProcess, count: Int) async -> [Int32] {
            while true {
                let group = ProcessStat.group(process.identity.pid)
                if group.count >= count { return group }
                await Task.yield()
            }
        }
    }
}
