// with: Sources/RouterKit/Learn/TierTable.swift Sources/RouterKit/Learn/WholeFile.swift
// with: Sources/RouterKit/Learn/LearnFileError.swift
// with: Sources/RouterKit/Learn/OutcomeFault.swift Sources/RouterKit/Learn/OutcomeLine.swift
// with: Sources/RouterKit/Learn/OutcomeRow.swift Sources/RouterKit/Learn/OutcomePool.swift
// with: Sources/RouterKit/Classify/CapabilityTier.swift Sources/RouterKit/Pool/Price.swift
// with: Sources/RouterKit/Ledger/String+Printable.swift
import Wire

/// Reads a table of tiers. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTiers(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    do throws(LearnFileError) {
        let table = try TierTable.parse(input, path: "t")
        require(Set(table.pools.map(\.source)).count == table.pools.count, "each source is there once")
        for pool in table.pools {
            require((2...3).contains(pool.members.count), "a pool has two or three models")
            require(pool.members.first?.tier == .cheap && pool.strongest.tier == .strong, "weakest first")
            require(Set(pool.members.map(\.name)).count == pool.members.count, "its models differ")
            for case let price? in pool.members.map(\.price) {
                require(price.inputPerMTok >= 0 && price.outputPerMTok >= 0, "prices are not below 0")
            }
            require(table[pool.source] == pool, "a pool is found by its source")
        }
    } catch {
        let lineCount = input.count { $0 == 0x0A } + 1
        require(error.place.map { (1...lineCount).contains($0.line) } == true, "the error says where")
        require(!error.description.unicodeScalars.contains { $0.value < 0x20 }, "and is safe to print")
    }
    return 0
}
