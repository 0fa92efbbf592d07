package import Tokens

/// Why a model, an adapter or a state cannot be used: what was wrong, where, and what to do.
package struct ModelError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case unsupportedArchitecture, unsupportedType, missingTensor, wrongShape, malformedMetadata, malformedTokenizer
        case unknownVariant, badAdapter, overBudget, badState, asleep
    }

    package let code: Code
    package let message: String
    /// The byte of the file at which it is wrong.
    package let offset: Int?
    private var file: String?

    package init(_ code: Code, _ message: String, at offset: Int? = nil) {
        (self.code, self.message, self.offset) = (code, message, offset)
    }

    package init(_ error: TokenizerError) { self.init(.malformedTokenizer, error.message, at: error.offset) }

    /// The same, of a file.
    package func at(file: String) -> ModelError {
        var error = self
        error.file = error.file ?? file
        return error
    }

    package var description: String {
        (file.map { "\($0): " } ?? "") + message + (offset.map { " (at byte \($0))" } ?? "")
    }
}
