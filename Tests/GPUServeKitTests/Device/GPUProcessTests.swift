import CFakeCuda
import Testing

@testable import GPUServeKit

extension FakeDriverTests {
    /// GPU memory of other processes, moved out and back: all of them or none, from whatever state they are in.
    @Suite struct GPUProcessTests {
        private static let pids: [Int32] = [11, 12, 13]
        private static let bytes = 300 << 20

        /// Two processes on device 0, one on device 1, and 99, which does not use the driver.
        private func start(_ change: (inout fake_cuda_options) -> Void = { _ in }) throws -> GPUProcesses {
            let processes = try GPUProcesses(FakeDriverTests.start(change))
            for (index, pid) in Self.pids.enumerated() { fake_cuda_add_process(pid, index == 2 ? 1 : 0, Self.bytes) }
            return processes
        }

        private func states() -> [GPUProcessState?] {
            Self.pids.map { GPUProcessState(rawValue: fake_cuda_process_state($0)) }
        }

        private let all: [GPUProcessState?] = [.running, .running, .running]

        @Test func `memory is really given back, and comes back`() throws {
            let processes = try start()
            #expect(fake_cuda_used_bytes(0) == 2 * Self.bytes && fake_cuda_used_bytes(1) == Self.bytes)
            #expect(try processes.suspend(Self.pids + [99], limit_ms: 100) == Self.pids)
            #expect(fake_cuda_used_bytes(0) == 0 && fake_cuda_used_bytes(1) == 0)
            #expect(states() == [.checkpointed, .checkpointed, .checkpointed])
            #expect(try processes.state(of: 99) == nil)
            try processes.resume(Self.pids + [99])
            #expect(states() == all)
            #expect(fake_cuda_used_bytes(0) == 2 * Self.bytes && fake_cuda_used_bytes(1) == Self.bytes)
        }

        @Test func `whichever call fails, the processes run on, or say that they cannot`() throws {
            var call = 0
            while true {
                call += 1
                let processes = try start()
                fake_cuda_fail_at(call, 999)
                do throws(DeviceError) {
                    try processes.suspend(Self.pids, limit_ms: 100)
                } catch {
                    #expect(error.detail.contains("UNKNOWN"), "call \(call): \(error)")
                }
                fake_cuda_fail_at(0, 0)
                if states() == [.checkpointed, .checkpointed, .checkpointed] { break }
                #expect(states() == all, "call \(call)")
                #expect(fake_cuda_used_bytes(0) == 2 * Self.bytes, "call \(call)")
            }
            #expect(call == 10, "three questions, three locks and three moves can fail")
        }

        @Test func `whichever call of a way back fails, another try brings all back`() throws {
            var call = 0
            while true {
                call += 1
                let processes = try start()
                try processes.suspend(Self.pids, limit_ms: 100)
                fake_cuda_fail_at(call, 999)
                let failed = (try? processes.resume(Self.pids)) == nil
                fake_cuda_fail_at(0, 0)
                try processes.resume(Self.pids)
                #expect(states() == all, "call \(call)")
                if !failed { break }
            }
            #expect(call == 10, "three questions, three ways back and three unlocks can fail")
        }

        @Test func `a process whose work does not end is left running, and so are the others`() throws {
            let processes = try start()
            fake_cuda_keep_busy(13, 1)
            let error = #expect(throws: DeviceError.self) { try processes.suspend(Self.pids, limit_ms: 7) }
            #expect(error?.detail.contains("process 13 had work on its devices for 7 ms") == true)
            #expect(states() == all)
            // Without a limit the driver would wait without end: 0 is never passed on.
            fake_cuda_keep_busy(13, 1)
            let again = #expect(throws: DeviceError.self) { try processes.suspend(Self.pids, limit_ms: 0) }
            #expect(again?.detail.contains("left running") == true)
            #expect(try processes.suspend(Self.pids, limit_ms: 7) == Self.pids)
        }

        @Test func `what finds no room on its device stays suspended, all of it, until there is room`() throws {
            let processes = try start()
            try processes.suspend(Self.pids, limit_ms: 100)
            // Somebody else took device 0 meanwhile, but for one process's worth.
            fake_cuda_add_process(50, 0, (1 << 30) - Self.bytes)
            let error = #expect(throws: DeviceError.self) { try processes.resume(Self.pids) }
            #expect(error?.code == .outOfMemory)
            #expect(states() == [.checkpointed, .checkpointed, .checkpointed])
            #expect(fake_cuda_used_bytes(0) == (1 << 30) - Self.bytes)
            try processes.suspend([50], limit_ms: 100)
            try processes.resume(Self.pids)
            #expect(states() == all)
        }

        @Test func `a process that was left half way is taken up from there`() throws {
            let processes = try start()
            try processes.suspend([12], limit_ms: 100)
            fake_cuda_set_process_state(13, GPUProcessState.locked.rawValue)
            #expect(Set(try processes.suspend(Self.pids, limit_ms: 100)) == Set(Self.pids))
            try processes.resume([11])
            fake_cuda_set_process_state(13, GPUProcessState.checkpointed.rawValue)
            try processes.resume(Self.pids)
            #expect(states() == all)
        }

        @Test(arguments: [GPUProcessState.failed, .checkpointing, .restoring])
        func `a process that is lost or in other hands is named, and the others run on`(state: GPUProcessState) throws {
            let processes = try start()
            fake_cuda_set_process_state(12, state.rawValue)
            for attempt in [
                { _ = try processes.suspend(Self.pids, limit_ms: 100) }, { try processes.resume(Self.pids) },
            ] {
                let error = #expect(throws: DeviceError.self, performing: attempt)
                #expect(error?.code == (state == .failed ? .contextLost : .driverFailed))
                #expect(error?.detail.contains("process 12") == true)
            }
            #expect(states() == [.running, state, .running])
        }

        @Test func `processes come back to other devices, all of which must be named`() throws {
            let processes = try start { $0.driver_version = 13_000 }
            let uuids = try FakeDriverTests.open().devices().compactMap(\.uuid)
            try processes.suspend(Self.pids, limit_ms: 100)
            let there = GPUMove(from: uuids[0], to: uuids[1])
            try processes.resume(Self.pids, moves: [there, GPUMove(from: uuids[1], to: uuids[0])])
            #expect(Self.pids.map { fake_cuda_process_device($0) } == [1, 1, 0])
            #expect(states() == all)
            // Device 1 is named, device 0, on which 13 is, is not: those that came back first stay where they came to.
            try processes.suspend(Self.pids, limit_ms: 100)
            let back = GPUMove(from: uuids[1], to: uuids[0])
            #expect(throws: DeviceError.self) { try processes.resume(Self.pids, moves: [back]) }
            #expect(states() == [.checkpointed, .checkpointed, .checkpointed])
            try processes.resume(Self.pids)
            #expect(Self.pids.map { fake_cuda_process_device($0) } == [0, 0, 0])
        }

        @Test func `an older driver cannot move between devices, and a still older one not at all`() throws {
            let processes = try start()
            try processes.suspend(Self.pids, limit_ms: 100)
            let move = GPUMove(from: "GPU-00000000-0000-0000-0000-000000000000", to: "GPU-x")
            let error = #expect(throws: DeviceError.self) { try processes.resume(Self.pids, moves: [move]) }
            #expect(error?.code == .notSupported && error?.detail.contains("12.8") == true)
            let old = #expect(throws: DeviceError.self) { try self.start { $0.driver_version = 12_040 } }
            #expect(old?.code == .notSupported && old?.detail.contains("R570") == true)
        }

        @Test func `a device's name that is none is refused`() throws {
            for text in [
                "", "GPU-", "MIG-00010203-0405-0607-0809-0a0b0c0d0e0f", "GPU-00010203-0405-0607-0809-0a0b0c0d0e0",
            ] {
                let error = #expect(throws: DeviceError.self) { try CUDADriver.uuid(text) }
                #expect(error?.code == .invalidArgument)
            }
            let uuid = try CUDADriver.uuid("GPU-00010203-0405-0607-0809-0a0B0c0d0e0f")
            #expect(withUnsafeBytes(of: uuid) { Array($0) } == Array(0...15))
        }

        @Test func `a driver that may not look into the process says what it needs`() throws {
            let processes = try start()
            fake_cuda_fail_at(1, 304)
            let error = #expect(throws: DeviceError.self) { try processes.suspend(Self.pids, limit_ms: 100) }
            #expect(error?.detail.contains("CAP_SYS_PTRACE") == true)
            fake_cuda_fail_at(0, 0)
        }
    }
}
