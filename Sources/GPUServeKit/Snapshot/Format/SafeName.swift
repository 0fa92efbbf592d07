/// Names that come from files and requests.
enum SafeName {
    /// Throws `unsafeName` for a name that is empty, longer than `byteLimit`, absolute, has a component `..`, or holds
    /// control characters.
    ///
    /// No such name is ever used as a path here; but whoever exports a snapshot may, so none gets into one.
    static func check(_ name: String, what: String, byteLimit: Int) throws(SnapshotError) {
        let problem: String? =
            if name.isEmpty {
                "is empty"
            } else if name.utf8.count > byteLimit {
                "is longer than \(byteLimit) bytes"
            } else if name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
                "holds a control character"
            } else if name.utf8.first == UInt8(ascii: "/") {
                "is an absolute path"
            } else if name.utf8.split(separator: UInt8(ascii: "/")).contains(where: { $0.elementsEqual("..".utf8) }) {
                "has '..' as a component"
            } else {
                nil
            }
        guard let problem else { return }
        throw SnapshotError(.unsafeName, "the name \(show(name)) of \(what) \(problem)")
    }

    /// A name for an error message: quoted, without control characters, at most 80 characters of it.
    static func show(_ name: String) -> String {
        let shown = name.unicodeScalars.prefix(80).map { $0.value < 0x20 || $0.value == 0x7F ? "\u{FFFD}" : $0 }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: shown)
        return "'\(String(text))\(name.unicodeScalars.count > 80 ? "..." : "")'"
    }
}
