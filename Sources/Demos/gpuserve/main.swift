import GPUServeKit

do {
    let driver = try CUDADriver()
    print("CUDA driver \(driver.version)")
} catch {
    print(error)
}
