// with: Sources/RouterKit/Policy/PolicyTable.swift Sources/RouterKit/Policy/PolicyTable+Text.swift
// with: Sources/RouterKit/Policy/Trade.swift Sources/RouterKit/Policy/RoutingMode.swift
// with: Sources/RouterKit/Classify/CapabilityTier.swift Sources/RouterKit/Pool/Price.swift
import Wire

/// Reads a policy file. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPolicy(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    do throws(PolicyTableError) {
        let table = try PolicyTable(input)
        require((try? PolicyTable(Array(table.fileText().utf8))) == table, "what was read is written and read again")
        for pool in table.pools {
            require(pool.models.count >= 2 && (0...1).contains(pool.supportThreshold), "values are in range")
            for guarantee in pool.guarantees where guarantee.trade != nil {
                require(guarantee.pValue <= 1 - guarantee.promise.confidence + 1e-9, "a trade was proven")
            }
        }
    } catch {
        require(!error.detail.isEmpty, "the error says what was wrong")
    }
    return 0
}
