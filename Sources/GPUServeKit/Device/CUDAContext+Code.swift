import CCuda
import Wire

/// A loaded module and the functions that were asked for.
struct CUDAModule {
    let handle: ccuda_handle
    var functions: [ccuda_handle] = []
}

extension CUDAContext {
    /// Loads PTX (the driver compiles it, and says what is wrong with it), a cubin or a fatbin.
    public func load(_ image: ModuleImage) throws(DeviceError) -> DeviceModule {
        try checkOpen()
        guard modules.count < limits.deviceModuleCount else {
            throw DeviceError(.limitReached, "\(modules.count) modules are loaded; unload one first")
        }
        var bytes: [UInt8]
        switch image.code {
        case .ptx(let text): bytes = text
        case .binary(let binary): bytes = binary
        case .host:
            throw DeviceError(.moduleRejected, "\(image.name) is host functions; a GPU needs PTX or a cubin")
        }
        guard !bytes.isEmpty, bytes.count <= limits.deviceModuleBytes else {
            throw DeviceError(
                .limitReached,
                "\(image.name) has \(bytes.count) bytes; 1 to \(limits.deviceModuleBytes) are a module")
        }
        bytes.append(0)  // the driver reads PTX up to its zero byte
        let (result, handle, log) = compile(bytes)
        guard result == .success else {
            throw DeviceError(result: result, call: "cuModuleLoadDataEx of \(image.name)", log: log)
        }
        nextModule += 1
        let module = DeviceModule(context: thread.number, number: nextModule)
        modules[module] = CUDAModule(handle: handle)
        return module
    }

    /// Numbers of `CUjit_option`.
    private enum Option {
        static let errorLog: Int32 = 5
        static let errorLogBytes: Int32 = 6
    }

    private func compile(_ image: [UInt8]) -> (CUDAResult, ccuda_handle, String) {
        var handle: ccuda_handle = 0
        let logBytes = 4096
        let (result, log) = withUnsafeTemporaryAllocation(byteCount: logBytes, alignment: 8) { log in
            log.initializeMemory(as: UInt8.self, repeating: 0)
            var options = [Option.errorLog, Option.errorLogBytes]
            var values = [log.baseAddress, UnsafeMutableRawPointer(bitPattern: logBytes - 1)]
            let result = image.withUnsafeBytes {
                driver.table.moduleLoadDataEx(&handle, $0.baseAddress, 2, &options, &values)
            }
            return (result, String(decoding: log.prefix { $0 != 0 }, as: UTF8.self))
        }
        return (CUDAResult(rawValue: result), handle, log)
    }

    /// Waits for the context's work, then unloads.
    public func unload(_ module: DeviceModule) throws(DeviceError) {
        try checkOpen()
        guard let loaded = modules[module] else {
            throw DeviceError(.invalidArgument, "this module is not loaded here")
        }
        try synchronize()
        modules[module] = nil
        try CUDADriver.check("cuModuleUnload", driver.table.moduleUnload(loaded.handle))
    }

    /// Finds a function and, from CUDA 12.4 on, has the driver load its code now rather than at the first launch.
    public func kernel(_ name: String, in module: DeviceModule) throws(DeviceError) -> DeviceKernel {
        try checkOpen()
        guard let loaded = modules[module] else {
            throw DeviceError(.functionMissing, "the module is not loaded here, so it has no function \(name)")
        }
        var function: ccuda_handle = 0
        let result = CUDAResult(rawValue: driver.table.moduleGetFunction(&function, loaded.handle, name))
        guard result == .success else { throw DeviceError(result: result, call: "cuModuleGetFunction of \(name)") }
        if let loadNow = driver.table.funcLoad { try CUDADriver.check("cuFuncLoad", loadNow(function)) }
        modules[module]?.functions.append(function)
        return DeviceKernel(name: name, module: module, number: UInt32(loaded.functions.count))
    }

    /// Launches with every argument in eight bytes; the driver takes as many of them as the kernel declares.
    public func launch(
        _ kernel: DeviceKernel, _ shape: LaunchShape, _ arguments: [KernelArgument], on stream: DeviceStream
    ) throws(DeviceError) -> CompletionToken {
        try checkOpen()
        try ContextRules.check(shape)
        guard let functions = modules[kernel.module]?.functions, kernel.number < functions.count else {
            throw DeviceError(.functionMissing, "the module of \(kernel.name) is unloaded")
        }
        var keeps: [any AnyObject & Sendable] = []
        var words: [UInt64] = []
        for argument in arguments {
            switch argument {
            case .range(let range):
                keeps.append(try book.owner(of: range))
                words.append(range.address)
            case .uint32(let value): words.append(UInt64(value))
            case .uint64(let value): words.append(value)
            case .float(let value): words.append(UInt64(value.bitPattern))
            }
        }
        let function = functions[Int(kernel.number)]
        return try submit("cuLaunchKernel", on: stream, keeping: keeps) { table, handle in
            words.withUnsafeMutableBufferPointer { words in
                var pointers = words.indices.map { UnsafeMutableRawPointer?(words.baseAddress! + $0) }
                return table.launchKernel(
                    function, shape.grid.x, shape.grid.y, shape.grid.z, shape.block.x, shape.block.y, shape.block.z,
                    shape.sharedBytes, handle, &pointers, nil)
            }
        }
    }

    /// Unloads everything; the first thing that went wrong.
    func endCode() -> DeviceError? {
        checksums = nil
        var first: DeviceError?
        for module in modules.values {
            // Not tried twice: what the driver refuses to unload goes with the context.
            let result = CUDAResult(rawValue: driver.table.moduleUnload(module.handle))
            if result != .success { first = first ?? DeviceError(result: result, call: "cuModuleUnload") }
        }
        modules = [:]
        return first
    }
}
