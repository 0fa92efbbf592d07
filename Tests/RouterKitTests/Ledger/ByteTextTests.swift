import Testing

@testable import RouterKit

@Suite struct ByteTextTests {
    private func fixed(_ value: Double, _ decimals: Int) -> String {
        var bytes: [UInt8] = []
        ByteText.appendFixed(value, decimals: decimals, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func decimalsAreRoundedAndTrimmed() {
        #expect(fixed(0, 4) == "0")
        #expect(fixed(1, 4) == "1")
        #expect(fixed(0.02, 4) == "0.02")
        #expect(fixed(0.00005, 4) == "0.0001")
        #expect(fixed(0.00004, 4) == "0")
        #expect(fixed(-0.00004, 4) == "0")
        #expect(fixed(-1.5, 4) == "-1.5")
        #expect(fixed(0.000_000_123, 9) == "0.000000123")
        #expect(fixed(99.9999, 2) == "100")
        #expect(fixed(7.9, 0) == "8")
    }

    @Test func whatDoesNotFitIsStillJSON() {
        #expect(fixed(.nan, 4) == "null")
        #expect(fixed(-.infinity, 4) == "null")
        #expect(fixed(1e300, 4) == "1e+300")
        #expect(fixed(2e9, 9) == "2000000000.0")
    }

    @Test func randomValuesReadBackWithinHalfAUnit() throws {
        var random = SplitMix64(seed: 3)
        for _ in 0..<2_000 {
            let value = Double.random(in: -1e9..<1e9, using: &random)
            let read = try #require(Double(fixed(value, 6)))
            #expect(abs(read - value) <= 0.000_000_5 + value.magnitude * 1e-15)
        }
    }

    @Test func integersOfEveryWidth() {
        var bytes: [UInt8] = []
        for value in [0, 7, -1, Int.max, Int.min] {
            ByteText.append(value, to: &bytes)
            ByteText.append(" ", to: &bytes)
        }
        ByteText.append(UInt64.max, to: &bytes)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == "0 7 -1 9223372036854775807 -9223372036854775808 18446744073709551615")
    }
}
