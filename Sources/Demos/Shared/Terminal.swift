import Glibc

/// Lines for the person, or the program, that runs the program.
package enum Terminal {
    /// Writes `text` at once, unbuffered: all of it unless nobody reads.
    package static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { _ = Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
