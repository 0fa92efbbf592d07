/// The type of a tensor's elements: a label, and where it is known, how elements are packed into bytes.
public struct DataType: Sendable, Hashable, CustomStringConvertible {
    /// The name in the file it came from: `BF16`, `Q4_K`.
    public let label: String

    /// A type named `label`, known or not.
    public init(_ label: String) { self.label = label }

    /// Plain bytes.
    public static let bytes = DataType("U8")

    /// Elements and bytes of one block; nil for an unknown type. Plain types have blocks of one element.
    public var block: (elements: Int, bytes: Int)? { DataType.blocks[label] }

    /// The bytes that a tensor of `shape` takes.
    ///
    /// Nil for an unknown type, when the elements do not fill whole blocks, or when the number does not fit.
    public func byteCount(shape: [Int]) -> Int? {
        guard let block, let elements = DataType.elementCount(shape), elements % block.elements == 0 else { return nil }
        let (product, overflow) = (elements / block.elements).multipliedReportingOverflow(by: block.bytes)
        return overflow ? nil : product
    }

    /// The product of a shape; nil for a negative dimension or when it does not fit.
    static func elementCount(_ shape: [Int]) -> Int? {
        var product = 1
        for dimension in shape {
            let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
            guard !overflow, dimension >= 0 else { return nil }
            product = next
        }
        return product
    }

    /// Same as `label`.
    public var description: String { label }

    /// Types of safetensors (its README and `Dtype`) and of GGUF (ggml's type traits), by label.
    private static let blocks: [String: (elements: Int, bytes: Int)] = [
        "BOOL": (1, 1), "U8": (1, 1), "I8": (1, 1), "F8_E5M2": (1, 1), "F8_E4M3": (1, 1), "F8_E8M0": (1, 1),
        "F8_E4M3FNUZ": (1, 1), "F8_E5M2FNUZ": (1, 1), "F4": (2, 1), "F6_E2M3": (4, 3), "F6_E3M2": (4, 3),
        "I16": (1, 2), "U16": (1, 2), "F16": (1, 2), "BF16": (1, 2), "I32": (1, 4), "U32": (1, 4), "F32": (1, 4),
        "I64": (1, 8), "U64": (1, 8), "F64": (1, 8), "C64": (1, 8),
        "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q8_1": (32, 36),
        "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210),
        "Q8_K": (256, 292), "IQ2_XXS": (256, 66), "IQ2_XS": (256, 74), "IQ3_XXS": (256, 98), "IQ1_S": (256, 50),
        "IQ4_NL": (32, 18), "IQ3_S": (256, 110), "IQ2_S": (256, 82), "IQ4_XS": (256, 136), "IQ1_M": (256, 56),
        "TQ1_0": (256, 54), "TQ2_0": (256, 66), "MXFP4": (32, 17),
    ]

    /// The label of a type number of GGUF (`ggml_type`); nil for one that is not known.
    static func gguf(_ number: UInt32) -> DataType? { ggufLabels[number].map { DataType($0) } }

    private static let ggufLabels: [UInt32: String] = [
        0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
        12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
        20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
        29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
    ]
}
