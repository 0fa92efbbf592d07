// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift Sources/GPUServeKit/Snapshot/Format/Memory.swift
// with: Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift Sources/GPUServeKit/Snapshot/Format/SafeName.swift
// with: Sources/GPUServeKit/Serve/Metering/LedgerLine.swift Sources/GPUServeKit/Serve/Metering/LedgerRecord.swift
// with: Sources/GPUServeKit/Serve/Metering/LedgerScan.swift Sources/GPUServeKit/Serve/Metering/Price.swift Sources/GPUServeKit/Serve/Metering/Money.swift
import Wire

/// Reads a ledger's file, as it is and with right checksums put before its lines. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzLedger(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    check(input)
    var summed: [UInt8] = []
    for line in input.split(separator: 0x0A, omittingEmptySubsequences: false) {
        let sum = Array(line).withUnsafeBytes { Checksum.crc64(Memory($0)) }
        summed += Array(Hex.text(sum).utf8) + [0x20] + line + [0x0A]
    }
    check(summed)
    return 0
}

private func check(_ input: [UInt8]) {
    let scan = LedgerScan(input)
    require(scan.goodEnd + scan.tailByteCount == input.count, "every byte is before or behind the end of what is good")
    require(scan.damagedOffsets.allSatisfy { $0 < scan.goodEnd }, "damaged lines are followed by good ones")
    for found in scan.records {
        let line = LedgerLine.encode(found.record, sequence: found.sequence)
        require(
            LedgerLine.decode(line.dropLast()).map { $0.record == found.record && $0.sequence == found.sequence }
                == true,
            "what was read is written and read back the same")
    }
    let again = LedgerScan(Array(input[..<scan.goodEnd]))
    require(again.records.count == scan.records.count && again.tailByteCount == 0, "cutting the tail loses no record")
}
