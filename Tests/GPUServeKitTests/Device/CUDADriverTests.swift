import Testing

@testable import GPUServeKit

/// Opening the driver says exactly what is missing.
@Suite struct CUDADriverTests {
    @Test func `a library that is not there is named`() {
        let error = #expect(throws: DeviceError.self) { try CUDADriver(library: "libcuda-not-here.so.1") }
        #expect(error?.code == .noLibrary)
        #expect(error?.detail.contains("libcuda-not-here.so.1") == true)
    }

    @Test func `a library that is no driver is told by the first function it lacks`() {
        let error = #expect(throws: DeviceError.self) { try CUDADriver(library: "libm.so.6") }
        #expect(error?.code == .symbolMissing)
        #expect(error?.detail.contains("libm.so.6 has no cuInit") == true)
    }

    @Test func `every driver error has its name, the call and a remedy`() {
        let error = DeviceError(result: CUDAResult(rawValue: 2), call: "cuMemCreate")
        #expect(error.code == .outOfMemory)
        #expect(error.driverResult == 2)
        #expect(error.description.hasPrefix("outOfMemory: cuMemCreate returned CUDA_ERROR_OUT_OF_MEMORY (2): "))
    }

    @Test func `an error number that nobody knows is still named`() {
        let error = DeviceError(result: CUDAResult(rawValue: 4242), call: "cuInit")
        #expect(error.code == .driverFailed)
        #expect(error.detail.contains("4242"))
    }
}
