import CCuda

/// What the checksum needs on a device: the kernel, and a cell for each sum that is being computed.
struct CUDAChecksums {
    static let cellCount = 64

    let kernel: DeviceKernel
    let cells: DeviceRange
    /// Keeps `cells` alive.
    let owner: any DeviceAllocation
    var freeCells: [Int]
}

extension CUDAContext {
    /// Computed by a kernel, so that only eight bytes cross the bus. The range must begin on a multiple of 8.
    ///
    /// The kernel's text is assembled by NVIDIA's assembler in the tests; it has not run on a GPU yet.
    public func checksum(of range: DeviceRange, on stream: DeviceStream) async throws(DeviceError) -> UInt64 {
        try checkOpen()
        _ = try book.owner(of: range)
        guard range.address % 8 == 0 else {
            throw DeviceError(.invalidArgument, "a checksum of \(range), which does not begin on a multiple of 8")
        }
        if checksums == nil { checksums = try prepareChecksums() }
        guard let ready = checksums, let cell = checksums?.freeCells.popLast() else {
            throw DeviceError(.limitReached, "\(CUDAChecksums.cellCount) checksums are being computed; wait for one")
        }
        let result = ResultCell()
        let sum = try ready.cells.slice(cell * 8, 8)
        do throws(DeviceError) {
            _ = try fill(sum, with: 0, on: stream)
            let words = UInt64(range.byteCount / 8)
            let blocks = UInt32(max(1, min(512, (words + 255) / 256)))
            _ = try launch(
                ready.kernel, LaunchShape(blocks: blocks, threads: 256),
                [.range(range), .uint64(UInt64(range.byteCount)), .range(sum)], on: stream)
            try await completed(try copyOut(sum, to: result.window, on: stream))
        } catch {
            // What was queued still writes to the cell; it may be handed out again only after that.
            try synchronize()
            checksums?.freeCells.append(cell)
            throw error
        }
        checksums?.freeCells.append(cell)
        return DeviceChecksum.finish(result.value, byteCount: range.byteCount)
    }

    private func prepareChecksums() throws(DeviceError) -> CUDAChecksums {
        let cells = try allocate(byteCount: CUDAChecksums.cellCount * 8)
        let module = try load(ModuleImage(name: "checksum", code: .ptx(Array(ChecksumKernel.ptx.utf8))))
        let kernel: DeviceKernel
        do throws(DeviceError) {
            kernel = try self.kernel(ChecksumKernel.name, in: module)
        } catch {
            try unload(module)
            throw error
        }
        return CUDAChecksums(
            kernel: kernel, cells: cells.range, owner: cells.owner, freeCells: Array(0..<CUDAChecksums.cellCount))
    }
}

/// Eight bytes of the host that a copy may write to later.
///
/// `@unchecked Sendable`: written by one copy, read once that copy is complete.
private final class ResultCell: @unchecked Sendable {
    private let cell = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

    init() { cell.initialize(to: 0) }
    deinit { cell.deallocate() }

    var value: UInt64 { cell.pointee }
    var window: HostWindow { HostWindow(base: UnsafeMutableRawPointer(cell), byteCount: 8, owner: self) }
}

/// `DeviceChecksum` for GPUs from Maxwell (2014) on: each thread takes every n-th word and adds its sum to the result.
enum ChecksumKernel {
    static let name = "gpuserve_checksum"

    /// Parameters: address of the bytes (a multiple of 8), their count, address of the 64-bit sum to add to.
    static let ptx = """
        .version 6.0
        .target sm_50
        .address_size 64

        .visible .entry gpuserve_checksum(.param .u64 p_data, .param .u64 p_count, .param .u64 p_sum)
        {
            .reg .pred %p;
            .reg .b32 %block, %threads, %thread, %blocks, %shift, %byte;
            .reg .b64 %data, %count, %out, %index, %step, %words, %total, %at, %word, %salt, %high, %rest, %part;

            ld.param.u64 %data, [p_data];
            ld.param.u64 %count, [p_count];
            ld.param.u64 %out, [p_sum];
            cvta.to.global.u64 %data, %data;
            cvta.to.global.u64 %out, %out;
            mov.u32 %block, %ctaid.x;
            mov.u32 %threads, %ntid.x;
            mov.u32 %thread, %tid.x;
            mov.u32 %blocks, %nctaid.x;
            mul.wide.u32 %index, %block, %threads;
            cvt.u64.u32 %part, %thread;
            add.u64 %index, %index, %part;
            mul.wide.u32 %step, %blocks, %threads;
            shr.u64 %words, %count, 3;
            mov.u64 %total, 0;

        NEXT:
            setp.ge.u64 %p, %index, %words;
            @%p bra LAST;
            shl.b64 %at, %index, 3;
            add.u64 %at, %data, %at;
            ld.global.u64 %word, [%at];
            add.u64 %salt, %index, 1;
            mul.lo.u64 %salt, %salt, 0x9E3779B97F4A7C15;
            xor.b64 %word, %word, %salt;
            shr.u64 %high, %word, 30;
            xor.b64 %word, %word, %high;
            mul.lo.u64 %word, %word, 0xBF58476D1CE4E5B9;
            shr.u64 %high, %word, 27;
            xor.b64 %word, %word, %high;
            mul.lo.u64 %word, %word, 0x94D049BB133111EB;
            shr.u64 %high, %word, 31;
            xor.b64 %word, %word, %high;
            add.u64 %total, %total, %word;
            add.u64 %index, %index, %step;
            bra NEXT;

        // Of all threads exactly one stops at the word after the last whole one: it takes the bytes that are left.
        LAST:
            setp.ne.u64 %p, %index, %words;
            @%p bra ADD;
            and.b64 %rest, %count, 7;
            setp.eq.u64 %p, %rest, 0;
            @%p bra ADD;
            shl.b64 %at, %words, 3;
            add.u64 %at, %data, %at;
            mov.u64 %word, 0;
            mov.u32 %shift, 0;
        BYTE:
            ld.global.u8 %byte, [%at];
            cvt.u64.u32 %part, %byte;
            shl.b64 %part, %part, %shift;
            or.b64 %word, %word, %part;
            add.u32 %shift, %shift, 8;
            add.u64 %at, %at, 1;
            sub.u64 %rest, %rest, 1;
            setp.ne.u64 %p, %rest, 0;
            @%p bra BYTE;
            add.u64 %salt, %words, 1;
            mul.lo.u64 %salt, %salt, 0x9E3779B97F4A7C15;
            xor.b64 %word, %word, %salt;
            shr.u64 %high, %word, 30;
            xor.b64 %word, %word, %high;
            mul.lo.u64 %word, %word, 0xBF58476D1CE4E5B9;
            shr.u64 %high, %word, 27;
            xor.b64 %word, %word, %high;
            mul.lo.u64 %word, %word, 0x94D049BB133111EB;
            shr.u64 %high, %word, 31;
            xor.b64 %word, %word, %high;
            add.u64 %total, %total, %word;
        ADD:
            red.global.add.u64 [%out], %total;
            ret;
        }
        """
}
