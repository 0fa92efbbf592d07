// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Restore/BandwidthFile.swift Sources/GPUServeKit/Restore/Bandwidths.swift
// with: Sources/GPUServeKit/Restore/RestoreTier.swift Sources/GPUServeKit/Restore/RestoreReport.swift
// with: Sources/GPUServeKit/Restore/RestorePlan.swift Sources/GPUServeKit/Restore/RestorePlanner.swift
// with: Sources/GPUServeKit/Restore/RestoreError.swift Sources/GPUServeKit/Restore/ResidentLayout.swift
// with: Sources/GPUServeKit/Restore/ShardCut.swift
// with: Sources/GPUServeKit/Device/DeviceInfo.swift Sources/GPUServeKit/Device/DeviceError.swift
// with: Sources/GPUServeKit/Device/CUDAResult.swift Sources/GPUServeKit/Device/HostMemory.swift
// with: Sources/GPUServeKit/Device/IdlePages.swift
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift
// with: Sources/GPUServeKit/Snapshot/Format/Memory.swift Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift
// with: Sources/GPUServeKit/Snapshot/Format/SafeName.swift Sources/GPUServeKit/Snapshot/Format/DataType.swift
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotManifest.swift Sources/GPUServeKit/Snapshot/Format/ManifestText.swift
// with: Sources/GPUServeKit/Snapshot/Format/ManifestReader.swift Sources/GPUServeKit/Snapshot/Format/ManifestRules.swift
// with: Sources/GPUServeKit/Snapshot/Store/SnapshotStore.swift
import Wire

/// Reads a file of kept bandwidths, as it is and with a right beginning and a right checksum around it, and writes it again.
/// The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzBandwidths(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    check(input, machine: "machine 2 1000")
    let body = Array("gpuservekit-bandwidths 4\nmachine 2 1000\n".utf8) + input + Array("\n".utf8)
    let checksum = body.withUnsafeBytes { Checksum.crc64(Memory($0)) }
    check(body + Array("crc64 \(Hex.text(checksum))\n".utf8), machine: "machine 2 1000")
    return 0
}

private func check(_ input: [UInt8], machine: String) {
    guard let read = BandwidthFile.decode(input, machine: machine) else { return }
    require(input.count <= BandwidthFile.byteLimit, "nothing longer than the limit is believed")
    let figures =
        Array(read.bytesPerSecond.values) + Array(read.fixed_ms.values) + [
            read.upload_bytesPerSecond, read.present_bytesPerSecond, read.step_us,
        ]
    require(figures.allSatisfy { $0 > 0 && $0 < 1e15 }, "every figure can be reckoned with")
    require(
        read.seen.allSatisfy {
            $0.key.size <= RestoreKind.largestSize && (1...RestoreKind.mostSeen).contains($0.value.count)
                && $0.value.allSatisfy { $0.byteCount >= 0 && $0.time_ms > 0 }
        },
        "what was seen can be reckoned with")
    require(RestoreTier.allCases.allSatisfy { read.bytesPerSecond[$0] != nil }, "every tier has a figure")
    require(RestoreChoice.allCases.allSatisfy { read.fixed_ms[$0] != nil }, "every choice has a figure")
    let written = BandwidthFile.encode(read, machine: machine)
    require(written.count <= BandwidthFile.byteLimit, "what is written can be read")
    require(BandwidthFile.decode(written, machine: machine) == read, "what is written reads back the same")
}

// What the file's neighbours are named in it and not reached from here.

extension Bandwidths {
    static func probe(_ store: any SnapshotStore, _ snapshot: SnapshotID) async throws(RestoreError) -> Bandwidths {
        .standard
    }
}

enum RandomName {
    static func make() -> String { "part" }
}

enum CUDADriver {
    static func text(_ version: Int) -> String { "\(version)" }
}

enum HostPages {
    static let alignment = 2 * 1024 * 1024
}
