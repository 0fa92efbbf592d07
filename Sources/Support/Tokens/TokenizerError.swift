/// Why a tokenizer cannot be used: what was wrong, and the byte of its file where it is.
package struct TokenizerError: Error, Sendable, Hashable {
    package let message: String
    package let offset: Int?

    package init(_ message: String, at offset: Int? = nil) { (self.message, self.offset) = (message, offset) }
}
