import Wire

/// What a model's files say beside its tensors, in one form whichever files they were. It is the host's state of the model's
/// snapshot, so that no start reads a header of 100,000 texts again.
package struct ModelCard: Sendable, Hashable {
    /// Of this form, and of how the tokenizer's tables and the tensors lie in a snapshot.
    package static let version = 2

    package var shape: ModelShape
    /// Jinja, as the file has it.
    package var chatTemplate: String?

    private static let names = ModelShape.Names(
        layers: "layers", width: "width", inner: "inner", heads: "heads", keyHeads: "key_heads", headSize: "head_size",
        vocabulary: "vocabulary", context: "context", ropeBase: "rope_base", epsilon: "epsilon")

    /// - Throws: `badState` when the bytes are no card of this version.
    package init(_ bytes: [UInt8]) throws(ModelError) {
        guard let json = try? JSONValue.parse(bytes), json["version"]?.int == Self.version else {
            throw ModelError(.badState, "the snapshot is not of a model as this version keeps it; delete it")
        }
        shape = try ModelShape(Self.names, in: json, epsilon: 1e-5)
        chatTemplate = json["chat_template"]?.string
    }

    package var bytes: [UInt8] {
        let s = shape
        var template: [UInt8] = []
        if let chatTemplate {
            template += #","chat_template":"#.utf8
            JSONText.appendQuoted(chatTemplate, to: &template)
        }
        return Array(
            (#"{"version":\#(Self.version),"layers":\#(s.layerCount),"width":\#(s.width),"inner":\#(s.innerWidth),"#
                + #""heads":\#(s.headCount),"key_heads":\#(s.keyHeadCount),"head_size":\#(s.headSize),"#
                + #""vocabulary":\#(s.vocabularyCount),"context":\#(s.contextCount),"rope_base":\#(s.ropeBase),"#
                + #""epsilon":\#(s.epsilon)"#).utf8) + template + Array("}".utf8)
    }
}

extension JSONValue: ModelNumbers {
    func integer(_ name: String) -> Int? { self[name]?.int }
    func float(_ name: String) -> Double? { self[name]?.double }
    func offset(_ name: String) -> Int? { self[name]?.offset }
}
