package import Wire

extension Vocabulary {
    /// Reads a `tokenizer.json` as Hugging Face's tokenizers write it. What is not said there, such as the token that ends an
    /// answer, stays nil.
    ///
    /// - Parameter count: tokens of the model; those that the file does not have are unused.
    /// - Throws: with the offset, for what is malformed and for every part of a tokenizer that is not served here, by its name.
    package init(tokenizerJSON bytes: [UInt8], count: Int, limits: Limits) throws(TokenizerError) {
        let document: JSONDocument
        do throws(WireError) {
            document = try JSONDocument(validating: bytes, limits: limits)
        } catch {
            throw TokenizerError("not JSON: \(error.detail)", at: error.offset)
        }
        guard document.kind == .object else { throw TokenizerError("not a JSON object", at: 0) }
        self.init()
        tokens = [Token](repeating: Token([], .unused, at: 0), count: count)
        // The vocabulary first: added tokens may be in it, and say what those are.
        for (key, read) in TokenizerReader.parts {
            guard let member = document.firstMember(key) else {
                if key == "model" || key == "pre_tokenizer" { throw TokenizerError("\(key) is missing", at: 0) }
                continue
            }
            var cursor = JSONCursor(document, at: member.valueRange.lowerBound)
            try read(&cursor, &self)
        }
        guard tokens.contains(where: { $0.kind == .normal }) else {
            throw TokenizerError("model.vocab is missing", at: 0)
        }
    }

    /// Puts a token at its number.
    fileprivate mutating func put(_ id: Int?, _ text: ArraySlice<UInt8>, _ kind: TokenizerTables.Kind, at offset: Int)
        throws(TokenizerError)
    {
        guard let id, tokens.indices.contains(id) else {
            throw TokenizerError("a token's number is not from 0 to \(tokens.count - 1)", at: offset)
        }
        guard tokens[id].kind == .unused || tokens[id].text == text && kind != .normal else {
            throw TokenizerError("two tokens have the number \(id)", at: offset)
        }
        tokens[id] = Token(text, kind, at: offset)
    }
}

/// The parts of a `tokenizer.json`, each at its value.
private enum TokenizerReader {
    typealias Read = (inout JSONCursor, inout Vocabulary) throws(TokenizerError) -> Void

    static var parts: [(key: String, read: Read)] {
        [
            ("model", model), ("added_tokens", addedTokens), ("normalizer", normalizer),
            ("pre_tokenizer", preTokenizer),
            ("post_processor", postProcessor),
        ]
    }

    private static func model(_ cursor: inout JSONCursor, _ vocabulary: inout Vocabulary) throws(TokenizerError) {
        var unknown: String?
        let start = cursor.offset
        guard cursor.enterObject() else { throw TokenizerError("model is not an object", at: start) }
        while cursor.nextKey() {
            let (key, at) = (cursor.key, cursor.offset)
            switch key {
            case "type": try require(cursor.string() == "BPE", "model.type is not BPE", at)
            case "vocab":
                try require(cursor.enterObject(), "model.vocab is not an object", at)
                while cursor.nextKey() {
                    let offset = cursor.keyRange.lowerBound
                    try vocabulary.put(cursor.int(), Array(cursor.key.utf8)[...], .normal, at: offset)
                }
            case "merges":
                try require(cursor.enterArray(), "model.merges is not an array", at)
                while cursor.nextElement() { vocabulary.merges.append(try merge(&cursor)) }
            case "unk_token": unknown = cursor.string()
            case "byte_fallback", "ignore_merges":
                try require(cursor.bool() != true, "model.\(key) is not served here", at)
            case "dropout", "continuing_subword_prefix", "end_of_word_suffix":
                let isNothing = cursor.kind == .null || cursor.double() == 0 || cursor.string() == ""
                try require(isNothing, "model.\(key) is not served here", at)
            default: break
            }
        }
        guard let unknown else { return }
        vocabulary.unknown = vocabulary.tokens.firstIndex { $0.text.elementsEqual(unknown.utf8) }
        try require(vocabulary.unknown != nil, "model.unk_token is no token of the vocabulary", start)
    }

    /// `"a b"`, or `["a", "b"]` as newer files have it.
    private static func merge(_ cursor: inout JSONCursor) throws(TokenizerError) -> Vocabulary.Merge {
        let at = cursor.offset
        if let text = cursor.string() { return try Vocabulary.Merge(Array(text.utf8)[...], at: at) }
        var parts: [ArraySlice<UInt8>] = []
        try require(cursor.enterArray(), "a merge is neither text nor two texts", at)
        while cursor.nextElement() { if let part = cursor.string() { parts.append(Array(part.utf8)[...]) } }
        try require(parts.count == 2, "a merge is neither text nor two texts", at)
        return Vocabulary.Merge(parts[0], parts[1], at: at)
    }

    private static func addedTokens(_ cursor: inout JSONCursor, _ vocabulary: inout Vocabulary) throws(TokenizerError) {
        try require(cursor.enterArray(), "added_tokens is not an array", cursor.offset)
        while cursor.nextElement() {
            let at = cursor.offset
            var (id, content, isSpecial, flag) = (Int?.none, String?.none, false, String?.none)
            try require(cursor.enterObject(), "an added token is not an object", at)
            while cursor.nextKey() {
                switch cursor.key {
                case "id": id = cursor.int()
                case "content": content = cursor.string()
                case "special": isSpecial = cursor.bool() == true
                case let key where ["single_word", "lstrip", "rstrip"].contains(key):
                    if cursor.bool() == true { flag = key }
                default: break
                }
            }
            guard let content, !content.isEmpty else { throw TokenizerError("an added token has no content", at: at) }
            // Special tokens are never looked for in text, so how they would be found does not matter.
            if let flag, !isSpecial { throw TokenizerError("\(flag) of an added token is not served here", at: at) }
            try vocabulary.put(id, Array(content.utf8)[...], isSpecial ? .control : .userDefined, at: at)
        }
    }

    private static func normalizer(_ cursor: inout JSONCursor, _ vocabulary: inout Vocabulary) throws(TokenizerError) {
        let at = cursor.offset
        guard cursor.kind != .null else { return }
        throw TokenizerError("the normalizer \(try parts(&cursor).map(\.type)) is not served here", at: at)
    }

    private static func preTokenizer(_ cursor: inout JSONCursor, _ vocabulary: inout Vocabulary) throws(TokenizerError)
    {
        let at = cursor.offset
        let parts = cursor.kind == .null ? [] : try parts(&cursor)
        let last = parts.last
        guard last?.type == "ByteLevel", last?.flags["add_prefix_space"] == false, last?.flags["use_regex"] != false
        else {
            throw TokenizerError(
                "the pre-tokenizer \(parts.map(\.type)) is not served here; ByteLevel without a prefix space is, alone "
                    + "or after Digits", at: at)
        }
        switch parts.count {
        case 1: vocabulary.preTokenizer = .gpt2
        case 2 where parts[0].type == "Digits" && parts[0].flags["individual_digits"] == true:
            vocabulary.preTokenizer = .digitsApart
        default: throw TokenizerError("the pre-tokenizer \(parts.map(\.type)) is not served here", at: at)
        }
    }

    /// Nothing, or a token before every text.
    private static func postProcessor(_ cursor: inout JSONCursor, _ vocabulary: inout Vocabulary) throws(TokenizerError)
    {
        let at = cursor.offset
        guard cursor.kind != .null else { return }
        for part in try parts(&cursor) where part.type != "ByteLevel" {
            guard part.type == "TemplateProcessing", part.template.last == .some(nil), part.template.count <= 2 else {
                throw TokenizerError("the post-processor \(part.type) is not served here as it is written", at: at)
            }
            guard let begin = part.template.first ?? nil else { continue }
            vocabulary.begin = vocabulary.tokens.firstIndex { $0.text.elementsEqual(begin.utf8) }
            try require(vocabulary.begin != nil, "post_processor names a token that is not there", at)
            vocabulary.addsBegin = true
        }
    }

    /// A part of a pipeline: its type, what it has of true and false, and for a template the tokens in it, nil for the text.
    private struct Part {
        var type = "none"
        var flags: [String: Bool] = [:]
        var template: [String?] = []
    }

    /// The parts of a `Sequence`, or the one that stands for itself.
    private static func parts(_ cursor: inout JSONCursor) throws(TokenizerError) -> [Part] {
        let at = cursor.offset
        var (part, inner) = (Part(), [Part]())
        try require(cursor.enterObject(), "a part of the tokenizer is not an object", at)
        while cursor.nextKey() {
            let key = cursor.key
            switch key {
            case "type": part.type = cursor.string() ?? part.type
            case "pretokenizers", "processors", "normalizers":
                guard cursor.enterArray() else { continue }
                while cursor.nextElement() { inner += try parts(&cursor) }
            case "single": part.template = template(&cursor)
            default: if let flag = cursor.bool() { part.flags[key] = flag }
            }
        }
        return part.type == "Sequence" ? inner : [part]
    }

    /// `[{"SpecialToken": {"id": "<s>", ...}}, {"Sequence": {"id": "A", ...}}]`
    private static func template(_ cursor: inout JSONCursor) -> [String?] {
        var found: [String?] = []
        guard cursor.enterArray() else { return [] }
        while cursor.nextElement() {
            guard cursor.enterObject() else { continue }
            while cursor.nextKey() {
                let isToken = cursor.keyEquals("SpecialToken")
                guard cursor.enterObject() else { continue }
                while cursor.nextKey() {
                    if cursor.keyEquals("id") { found.append(isToken ? cursor.string() : nil) }
                }
            }
        }
        return found
    }

    private static func require(_ isMet: Bool, _ message: String, _ offset: Int) throws(TokenizerError) {
        if !isMet { throw TokenizerError(message, at: offset) }
    }
}
