import Wire

/// The fuzzer that must find something: it claims what is false, that no array lies inside an array. The seed is flat;
/// the counterexample is a few guided steps away. If it is not found, the fuzzers find nothing, whatever they say.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCanary(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    let document = try? JSONDocument(validating: input)
    let elements = document?.elements() ?? []
    require(!elements.contains { $0.kind == .array }, "the canary sings")
    return 0
}
