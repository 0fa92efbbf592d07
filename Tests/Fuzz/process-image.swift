// with: Sources/GPUServeKit/Serve/Engine/Image/PageMap.swift Sources/GPUServeKit/Serve/Engine/Image/ImageFields.swift
import Wire

/// Reads files of process images, as they are and behind the magic numbers of each kind, and trims what was understood. The name
/// is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzProcessImage(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    let pageMap: UInt32 = 0x5608_4025
    let memory: UInt32 = 0x5749_2820
    check(input)
    check(ImageFields.file([[8, 7], input[...]], magic: pageMap))
    // Each line is a message.
    let lines = input.split(separator: 0x0A)
    check(ImageFields.file([[8, 7]] + lines, magic: pageMap))
    if let anonymous = PageMap.anonymousRanges(ImageFields.file([input[...]], magic: memory)) {
        for (one, next) in zip(anonymous, anonymous.dropFirst()) {
            require(one.upperBound <= next.lowerBound, "areas are in order and do not overlap")
        }
    }
    return 0
}

private func check(_ input: [UInt8]) {
    guard var map = PageMap(input) else { return }
    require(PageMap(map.file) == map, "what was read is written and read back the same")
    // A run may name more pages than anybody can look at one by one.
    guard map.runs.allSatisfy({ $0.pageCount <= 4096 }), map.runs.count <= 64 else { return }
    let before = map
    let areas = before.runs.enumerated().filter { $0.offset % 2 == 0 }.map { $0.element }.map { run in
        run.address..<run.address + run.pageCount * UInt64(PageMap.pageBytes)
    }
    let kept = map.leaveOutZeroes(in: areas) { $0 % 3 == 0 }
    require(kept.reduce(0) { $0 + $1.count } == map.presentCount, "the map names as many pages as are kept")
    require(map.presentCount <= before.presentCount, "no page is added")
    require(kept.allSatisfy { $0.upperBound <= before.presentCount }, "only pages that were there are kept")
    require(PageMap(map.file) == map, "a trimmed map is written and read back the same")
}
