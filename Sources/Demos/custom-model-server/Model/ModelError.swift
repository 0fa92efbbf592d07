/// Why a model, an adapter or a state cannot be used: what was wrong, where, and what to do.
struct ModelError: Error, Sendable, CustomStringConvertible {
    enum Code: String, Sendable {
        case unsupportedArchitecture, unsupportedType, missingTensor, wrongShape, malformedMetadata, malformedTokenizer
        case unknownVariant, badAdapter, overBudget, badState, asleep
    }

    let code: Code
    let message: String
    /// The byte of the file at which it is wrong.
    let offset: Int?
    private var file: String?

    init(_ code: Code, _ message: String, at offset: Int? = nil) {
        (self.code, self.message, self.offset) = (code, message, offset)
    }

    /// The same, of a file.
    func at(file: String) -> ModelError {
        var error = self
        error.file = error.file ?? file
        return error
    }

    var description: String {
        (file.map { "\($0): " } ?? "") + message + (offset.map { " (at byte \($0))" } ?? "")
    }
}
