// with: Sources/Support/CWeights/kernels.c
// with: Sources/RouterKit/Classify/Learned/LearnedWeights.swift
// with: Sources/RouterKit/Classify/Learned/LearnedWeights+File.swift
// with: Sources/RouterKit/Classify/Learned/LearnedWeights+Predict.swift
// with: Sources/RouterKit/Classify/Learned/WeightsCoding.swift
// with: Sources/RouterKit/Classify/Learned/PromptScan.swift
// with: Sources/RouterKit/Classify/Learned/StructureCounts.swift
// with: Sources/RouterKit/Learn/WholeFile.swift Sources/RouterKit/Learn/LearnFileError.swift
import Wire

/// Reads a weights file, and lays the input over the contents of a whole one, as if somebody had signed it anew.
/// The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzWeights(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    _ = try? LearnedWeights.parse(input)
    // The shared part is a block of fixed size, of zeros; what follows is the input.
    let sharedBytes = PromptScan.bucketCount * 32 + 4 * (32 + 32 + 64 * 32 + 64 + 64 + 88 * 63)
    let contents = [UInt8](repeating: 0, count: sharedBytes) + input
    if let weights = try? LearnedWeights.contents(contents, from: 0, to: contents.count, version: "fuzz") {
        let scan = PromptScan(Array("How many of the 12 are left?\nA. 3\nB. none".utf8).span)
        let view = weights.shared.view(scan)
        for (expert, trees) in zip(weights.experts, weights.trees) {
            _ = expert.heads(scan, view, trees)
            require(!(expert.support(scan, view) < 0), "support is not below 0")
        }
    }
    let scan = PromptScan(input.span)
    require(scan.bucketsCount <= PromptScan.mostBuckets, "buckets are bounded")
    for index in 0..<64 { require(scan.counts[index].isFinite, "counts are finite") }
    return 0
}
