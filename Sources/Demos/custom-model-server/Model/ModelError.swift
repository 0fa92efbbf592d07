/// Why a model, an adapter or a state cannot be used: what was wrong, where, and what to do.
struct ModelError: Error, Sendable, CustomStringConvertible {
    enum Code: String, Sendable {
        case unsupportedArchitecture, unsupportedType, missingTensor, wrongShape, malformedMetadata, malformedTokenizer
        case unsupportedTemplate, unknownVariant, badAdapter, overBudget, badState, asleep
    }

    let code: Code
    let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    var description: String { message }
}
