extension StructureCounts {
    /// What each count is, in the order in which `finish` writes them.
    static let names = [
        "log of bytes", "log of words", "log of bytes before the choices", "log of words before the choices",
        "letters a word", "share of long words", "long words", "blank lines", "numbers", "share of numbers",
        "greatest number (fourth root)", "decimal fractions", "numbers of three digits or more", "numbers of one digit",
        "log of the sum of numbers", "question marks before the choices", "question marks", "line ends", "full stops",
        "commas", "double quotes", "single quotes", "opening parentheses", "opening brackets", "opening braces",
        "backslashes", "dollar signs", "carets", "underscores", "equals signs", "plus signs", "asterisks", "slashes",
        "percent signs", "colons", "semicolons", "hyphens", "comparison signs", "share of capitals",
        "share of bytes outside ASCII", "share of function words", "share of words not said before", "answer choices",
        "bytes a choice", "spread of the choices' bytes", "bytes of the longest choice",
        "share of choices with a number",
        "share of choices without words", "catch-all choices", "indented lines", "deeply indented lines",
        "double underscores", "ends with a question mark", "question mark right before the choices",
        "colon right before the choices", "full stop right before the choices", "sentences", "bytes a sentence",
        "share of capitalised words", "Roman numerals", "function definitions", "return statements", "negations",
        "asks for reasons",
    ]
}
