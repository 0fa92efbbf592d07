import Wire

/// Ways to cut an input into pieces: at one place that the input itself picks, and after every byte.
///
/// The place depends on the bytes, so that libFuzzer explores cuts while it explores contents. Cutting after every
/// byte is left out for long inputs, where it says little and costs much.
func cuts(of input: [UInt8]) -> [[Int]] {
    guard !input.isEmpty else { return [[]] }
    let sum = input.reduce(UInt64(input.count)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    let picked = Int(sum % UInt64(input.count))
    return input.count <= 128 ? [[picked], Array(0..<input.count)] : [[picked]]
}

/// Fails the run with a message when a property does not hold. A trap is what libFuzzer records as a finding.
func require(_ holds: Bool, _ property: String, line: UInt = #line) {
    guard holds else { fatalError("property does not hold (line \(line)): \(property)") }
}

/// The input as an array, from the pointer that libFuzzer hands over. `bytes` is null only when `count` is 0.
func array(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: bytes, count: count))
}
