import DemoSupport
import GPUServeKit

/// Where a restore goes: devices that are closed at the end.
struct RestoreTarget {
    static let options = ["into", "devices"]
    let devices: [any GPUContext]

    /// Runs `body` with `--into host`, `--into cuda` or `--into cuda:N`, and `--devices COUNT` of them from there on.
    ///
    /// Without a GPU, `--into cuda` fails with what keeps the driver from being used.
    static func with<Result>(
        _ arguments: Arguments, _ body: (RestoreTarget) async throws -> Result
    ) async throws -> Result {
        let kind = try arguments.required("into")
        let text = arguments[option: "devices"] ?? "1"
        guard let count = Int(text), (1...64).contains(count) else {
            throw UsageError(message: "--devices takes a whole number from 1 to 64, not \(text)")
        }
        let target = RestoreTarget(devices: try await devices(kind, count))
        let outcome: Swift.Result<Result, any Error>
        do { outcome = .success(try await body(target)) } catch { outcome = .failure(error) }
        let endError = await close(target.devices)
        let result = try outcome.get()
        if let endError { throw endError }
        return result
    }

    private static func devices(_ kind: String, _ count: Int) async throws -> [any GPUContext] {
        if kind == "host" { return try (0..<count).map { try HostContext(ordinal: $0) } }
        let parts = kind.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.first == "cuda", let first = parts.count == 1 ? 0 : Int(parts[1]), first >= 0
        else {
            throw UsageError(message: "--into takes host, cuda or cuda:N, not \(kind)")
        }
        let driver = try CUDADriver()
        var contexts: [any GPUContext] = []
        for ordinal in first..<first + count {
            do throws(DeviceError) {
                contexts.append(try await CUDAContext.make(driver: driver, ordinal: ordinal))
            } catch {
                _ = await close(contexts)
                throw error
            }
        }
        return contexts
    }

    private static func close(_ devices: [any GPUContext]) async -> DeviceError? {
        var first: DeviceError?
        for device in devices {
            do throws(DeviceError) { try await device.close() } catch { first = first ?? error }
        }
        return first
    }

    /// The SHA-256 of a region, or of the part that device number `index` holds, as it lies in the device's memory.
    func digest(of region: String, of resident: Resident, on index: Int) async throws -> ContentHash {
        let range = try resident.range(of: region, on: index)
        guard range.byteCount > 0 else { return ContentHash(of: []) }
        let context = devices[index]
        if let window = try context.hostWindow(of: range) { return hash(window) }
        let copy = try HostMemoryPool.shared.window(byteCount: range.byteCount)
        let stream = try await context.makeStream()
        try await context.completed(try await context.copyOut(range, to: copy, on: stream))
        try await context.destroy(stream)
        return hash(copy)
    }

    private func hash(_ window: HostWindow) -> ContentHash {
        window.withBytes { ContentHash(of: Memory(UnsafeRawBufferPointer($0))) }
    }
}
