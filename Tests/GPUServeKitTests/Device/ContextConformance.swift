import Testing

@testable import GPUServeKit

/// What every `GPUContext` must do, whatever it is made of. Each check opens a context of its own through `make`.
enum ContextConformance {
    typealias Maker = @Sendable () async throws -> any GPUContext

    struct Check: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let run: @Sendable (any GPUContext) async throws -> Void

        init(_ name: String, _ run: @escaping @Sendable (any GPUContext) async throws -> Void) {
            testDescription = name
            self.run = run
        }
    }

    static let mebibyte = 1 << 20

    static let checks = [
        Check("bytes come back after a copy in, a clone and a copy out") { context in
            let count = mebibyte + 5
            let source = try await context.makeArena(byteCount: count)
            let copy = try await context.allocate(byteCount: count)
            let stream = try await context.makeStream()
            let sent = try pattern(count, seed: 1)
            _ = try await context.copyIn(sent, to: source.range, on: stream)
            _ = try await context.clone(source.range, to: copy.range, on: stream)
            let back = try HostMemoryPool.shared.window(byteCount: count)
            let token = try await context.copyOut(copy.range, to: back, on: stream)
            try await context.completed(token)
            #expect(try await context.isComplete(token))
            #expect(bytes(back) == bytes(sent))
        },
        Check("large copies arrive whole") { context in
            let count = 17 * mebibyte + 1
            let arena = try await context.makeArena(byteCount: count)
            let copy = try await context.makeArena(byteCount: count)
            let stream = try await context.makeStream()
            let sent = try pattern(count, seed: 2)
            _ = try await context.copyIn(sent, to: arena.range, on: stream)
            _ = try await context.clone(arena.range, to: copy.range, on: stream)
            let found = try await context.checksum(of: copy.range, on: stream)
            #expect(found == sent.withBytes { DeviceChecksum.of(UnsafeRawBufferPointer($0)) })
        },
        Check("a landing is where the bytes end up") { context in
            try await context.prepareStaging(slotBytes: mebibyte, count: 2)
            let arena = try await context.makeArena(byteCount: 8 * mebibyte)
            let stream = try await context.makeStream()
            var last: CompletionToken?
            for index in 0..<8 {
                let range = try arena.range.slice(index * mebibyte, mebibyte)
                let window = try await context.landing(for: range)
                window.withBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: UInt8(index + 1)) }
                last = try await context.copyIn(window, to: range, on: stream)
            }
            try await context.completed(try #require(last))
            let back = try HostMemoryPool.shared.window(byteCount: 8 * mebibyte)
            try await context.completed(context.copyOut(arena.range, to: back, on: stream))
            #expect((0..<8).allSatisfy { back.base.load(fromByteOffset: $0 * mebibyte + 7, as: UInt8.self) == $0 + 1 })
        },
        Check("a fill and its checksum agree") { context in
            let buffer = try await context.allocate(byteCount: 4099)
            let stream = try await context.makeStream()
            _ = try await context.fill(buffer.range, with: 0xA5, on: stream)
            let expected = [UInt8](repeating: 0xA5, count: 4099).withUnsafeBytes { DeviceChecksum.of($0) }
            #expect(try await context.checksum(of: buffer.range, on: stream) == expected)
        },
        Check("an arena can be made again at its old address") { context in
            let anywhere = try await context.makeArena(byteCount: 5 * mebibyte)
            #expect(anywhere.range.address % UInt64(2 * mebibyte) == 0)
            let address = FarAddress.take()
            let first = try await context.makeArena(byteCount: 5 * mebibyte, at: address)
            #expect(first.range.address == address)
            await refuses(.addressTaken) { _ = try await context.makeArena(byteCount: mebibyte, at: address) }
            try await context.free(first)
            let second = try await context.makeArena(byteCount: 5 * mebibyte, at: address)
            #expect(second.range.address == address)
        },
        Check("an address that is no multiple of 2 MiB is refused") { context in
            await refuses(.invalidArgument) { _ = try await context.makeArena(byteCount: 1, at: 0x7000_0000_1000) }
            await refuses(.invalidArgument) { _ = try await context.makeArena(byteCount: 1, at: 0) }
        },
        Check("sizes below one byte and beyond all memory are refused") { context in
            for count in [0, -1, Int.min] {
                await refuses(.invalidArgument) { _ = try await context.allocate(byteCount: count) }
                await refuses(.invalidArgument) { _ = try await context.makeArena(byteCount: count) }
            }
            await refuses(.outOfMemory) { _ = try await context.makeArena(byteCount: 4 << 40) }
        },
        Check("ranges outside of live memory are refused, whatever they are used for") { context in
            let buffer = try await context.allocate(byteCount: 4096)
            let stream = try await context.makeStream()
            let window = try HostMemoryPool.shared.window(byteCount: 4096)
            let wild = DeviceRange(device: buffer.range.device, address: 0x10, byteCount: 4096)
            let elsewhere = DeviceRange(
                device: DeviceID(.cuda, 99), address: buffer.range.address, byteCount: 4096)
            for range in [wild, elsewhere] {
                await refuses(.outOfBounds) { _ = try await context.copyIn(window, to: range, on: stream) }
                await refuses(.outOfBounds) { _ = try await context.copyOut(range, to: window, on: stream) }
                await refuses(.outOfBounds) { _ = try await context.fill(range, with: 0, on: stream) }
                await refuses(.outOfBounds) { _ = try await context.clone(range, to: buffer.range, on: stream) }
                await refuses(.outOfBounds) { _ = try await context.clone(buffer.range, to: range, on: stream) }
                await refuses(.outOfBounds) { _ = try await context.checksum(of: range, on: stream) }
                await refuses(.outOfBounds) { _ = try context.hostWindow(of: range) }
            }
            let stale = buffer.range
            try await context.free(buffer)
            await refuses(.outOfBounds) { _ = try await context.fill(stale, with: 0, on: stream) }
        },
        Check("a copy of unequal lengths is refused") { context in
            let buffer = try await context.allocate(byteCount: 4096)
            let stream = try await context.makeStream()
            let window = try HostMemoryPool.shared.window(byteCount: 4095)
            await refuses(.invalidArgument) { _ = try await context.copyIn(window, to: buffer.range, on: stream) }
            await refuses(.invalidArgument) { _ = try await context.copyOut(buffer.range, to: window, on: stream) }
        },
        Check("streams of nobody and too many streams are refused") { context in
            let buffer = try await context.allocate(byteCount: 4096)
            let gone = try await context.makeStream()
            try await context.destroy(gone)
            await refuses(.invalidArgument) { _ = try await context.fill(buffer.range, with: 0, on: gone) }
            await refuses(.invalidArgument) { try await context.destroy(gone) }
            let stranger = CompletionToken(stream: DeviceStream(context: 0, number: 1), sequence: 1)
            await refuses(.invalidArgument) { _ = try await context.isComplete(stranger) }
            for _ in 0..<64 { _ = try await context.makeStream() }
            await refuses(.limitReached) { _ = try await context.makeStream() }
        },
        Check("one stream can wait for another") { context in
            let buffer = try await context.allocate(byteCount: 4096)
            let first = try await context.makeStream()
            let second = try await context.makeStream()
            let filled = try await context.fill(buffer.range, with: 7, on: first)
            try await context.wait(for: filled, on: second)
            let back = try HostMemoryPool.shared.window(byteCount: 4096)
            try await context.completed(context.copyOut(buffer.range, to: back, on: second))
            #expect(bytes(back) == [UInt8](repeating: 7, count: 4096))
        },
        Check("tokens stay complete after their stream is gone") { context in
            let buffer = try await context.allocate(byteCount: 4096)
            let stream = try await context.makeStream()
            let token = try await context.fill(buffer.range, with: 7, on: stream)
            try await context.destroy(stream)
            #expect(try await context.isComplete(token))
            try await context.completed(token)
        },
        Check("memory in use is accounted for") { context in
            let before = try await context.memoryUse()
            let buffer = try await context.makeArena(byteCount: 8 * mebibyte)
            let during = try await context.memoryUse()
            #expect(during.heldBytes == before.heldBytes + 8 * mebibyte)
            #expect(during.totalBytes == context.device.totalBytes)
            try await context.free(buffer)
            #expect(try await context.memoryUse().heldBytes == before.heldBytes)
        },
        Check("dropping a buffer frees it") { context in
            do { _ = try await context.makeArena(byteCount: 8 * mebibyte) }
            // The next call on the context comes after what the buffer's end asked it to do.
            #expect(try await context.memoryUse().heldBytes == 0)
        },
        Check("launches of no threads, or too many, are refused") { context in
            let stream = try await context.makeStream()
            let module = try await context.load(doubler(for: context.device.id.kind))
            let kernel = try await context.kernel("double_bytes", in: module)
            for shape in [
                LaunchShape(blocks: 0, threads: 1), LaunchShape(blocks: 1, threads: 0),
                LaunchShape(blocks: 1, threads: 1025),
            ] {
                await refuses(.invalidArgument) { _ = try await context.launch(kernel, shape, [], on: stream) }
            }
        },
        Check("a kernel is loaded, found, launched and unloaded") { context in
            let buffer = try await context.allocate(byteCount: 64)
            let stream = try await context.makeStream()
            let module = try await context.load(doubler(for: context.device.id.kind))
            await refuses(.functionMissing) { _ = try await context.kernel("triple_bytes", in: module) }
            let kernel = try await context.kernel("double_bytes", in: module)
            _ = try await context.fill(buffer.range, with: 21, on: stream)
            _ = try await context.launch(
                kernel, LaunchShape(blocks: 1, threads: 64), [.range(buffer.range), .uint64(64)], on: stream)
            let back = try HostMemoryPool.shared.window(byteCount: 64)
            try await context.completed(context.copyOut(buffer.range, to: back, on: stream))
            #expect(bytes(back) == [UInt8](repeating: 42, count: 64))
            try await context.unload(module)
            await refuses(.functionMissing) {
                _ = try await context.launch(kernel, LaunchShape(blocks: 1, threads: 1), [], on: stream)
            }
            await refuses(.invalidArgument) { try await context.unload(module) }
        },
        Check("code of the wrong kind is refused by name") { context in
            let wrong: ModuleImage =
                switch context.device.id.kind {
                case .host: ModuleImage(name: "wrong.ptx", code: .ptx(Array("// nothing".utf8)))
                case .cuda: ModuleImage(name: "wrong.ptx", code: .host([:]))
                }
            let error = await refuses(.moduleRejected) { _ = try await context.load(wrong) }
            #expect(error?.detail.contains("wrong.ptx") == true)
        },
        Check("a closed context refuses everything and closes again") { context in
            let stream = try await context.makeStream()
            let buffer = try await context.allocate(byteCount: 16)
            try await context.close()
            try await context.close()
            await refuses(.closed) { _ = try await context.allocate(byteCount: 16) }
            await refuses(.closed) { _ = try await context.makeStream() }
            await refuses(.closed) { _ = try await context.fill(buffer.range, with: 0, on: stream) }
            await refuses(.closed) { _ = try await context.memoryUse() }
            await refuses(.closed) { _ = try await context.load(doubler(for: context.device.id.kind)) }
        },
    ]

    // MARK: Parts

    /// Doubles every byte of a range; the fake driver knows it by its name.
    private static let doublerPTX = """
        .version 6.0
        .target sm_50
        .address_size 64

        .visible .entry double_bytes(.param .u64 p_data, .param .u64 p_count)
        {
            .reg .pred %p;
            .reg .b32 %block, %threads, %thread, %value;
            .reg .b64 %data, %count, %index, %part;

            ld.param.u64 %data, [p_data];
            ld.param.u64 %count, [p_count];
            cvta.to.global.u64 %data, %data;
            mov.u32 %block, %ctaid.x;
            mov.u32 %threads, %ntid.x;
            mov.u32 %thread, %tid.x;
            mul.wide.u32 %index, %block, %threads;
            cvt.u64.u32 %part, %thread;
            add.u64 %index, %index, %part;
            setp.ge.u64 %p, %index, %count;
            @%p bra DONE;
            add.u64 %data, %data, %index;
            ld.global.u8 %value, [%data];
            add.u32 %value, %value, %value;
            st.global.u8 [%data], %value;
        DONE:
            ret;
        }
        """

    /// The same kernel for each kind.
    static func doubler(for kind: DeviceID.Kind) -> ModuleImage {
        switch kind {
        case .cuda: ModuleImage(name: "doubler", code: .ptx(Array(doublerPTX.utf8)))
        case .host:
            ModuleImage(
                name: "doubler",
                code: .host([
                    "double_bytes": { _, arguments in
                        guard case .memory(let window)? = arguments.first else { return }
                        window.withBytes { for index in $0.indices { $0[index] &*= 2 } }
                    }
                ]))
        }
    }

    static func pattern(_ byteCount: Int, seed: UInt64) throws -> HostWindow {
        let window = try HostMemoryPool.shared.window(byteCount: byteCount)
        window.withBytes { bytes in
            for index in stride(from: 0, to: bytes.count, by: 61) {
                bytes[index] = UInt8(truncatingIfNeeded: DeviceChecksum.mix(UInt64(index) ^ seed))
            }
        }
        return window
    }

    static func bytes(_ window: HostWindow) -> [UInt8] { window.withBytes { Array($0) } }

    /// Expects `body` to throw a `DeviceError` of this kind, and gives it back.
    @discardableResult
    static func refuses(
        _ code: DeviceError.Code, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () async throws -> Void
    ) async -> DeviceError? {
        do {
            try await body()
            Issue.record("nothing was thrown, \(code.label) was expected", sourceLocation: sourceLocation)
            return nil
        } catch let error as DeviceError {
            #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
            return error
        } catch {
            Issue.record(error, sourceLocation: sourceLocation)
            return nil
        }
    }
}
