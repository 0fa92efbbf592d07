extension String {
    /// Without control characters, which would move a terminal's cursor, and without the code points that XML forbids.
    package var printable: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { scalar in
                    let isForbidden = scalar.properties.generalCategory == .control || scalar.value & 0xFFFE == 0xFFFE
                    return isForbidden ? "?" : scalar
                }))
    }
}
