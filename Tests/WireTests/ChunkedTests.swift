import Testing
import Wire

@Suite struct ChunkedTests {
    static let bodies: [(encoded: String, body: String)] = [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("00a\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n", "0123456789x"),
        ("A;name=value;q=\"s t\"\r\n0123456789\r\n0;last\r\n\r\n", "0123456789"),
        ("2\r\n\r\n\r\n0\r\nExpires: never\r\nX:\r\n\r\n", "\r\n"),
    ]

    @Test(arguments: bodies) func aBodyIsDecodedHoweverItIsCut(encoded: String, body: String) {
        let input = bytes(encoded) + bytes("GET / next")
        let whole = decodeChunks(input)
        #expect(whole == ChunkOutcome(body: bytes(body), consumed: encoded.utf8.count, finished: true))
        for cut in 0...input.count { #expect(decodeChunks(input, cuts: [cut]) == whole) }
        #expect(decodeChunks(input, cuts: Array(0...input.count)) == whole)
    }

    @Test(arguments: [
        "g\r\n", "-1\r\n", "+1\r\n", " 1\r\n", "1 \r\n", "0x1\r\n", "\r\n", "\n", "1\nx", "1\r\r\n", "1;a\nb",
        "1;a\0\r\n",
        "1\r\nxy", "1\r\nx\n0\r\n\r\n", "1\r\nx\rX", "0\r\n\n", "0\r\n\rx", "0\r\n X: folded\r\n", "0\r\nX y: z\r\n",
        "0\r\nX: a\nb", "0\r\nX: a\r\r", "0\r\n: a\r\n", "0\r\nX: \0\r\n", "1,2\r\n", "1\t\r\n",
    ])
    func brokenFramingIsRefusedHoweverItIsCut(encoded: String) {
        let input = bytes(encoded)
        let whole = decodeChunks(input)
        #expect(whole.error?.code == .malformedChunk)
        #expect(whole.error?.offset != nil)
        #expect(!whole.finished)
        for cut in 0..<input.count {
            let other = decodeChunks(input, cuts: [cut])
            #expect(other.error == whole.error)
            #expect(other.body == whole.body)
        }
    }

    @Test(arguments: [
        "ffffffffffffffff\r\n", "10000000000000000\r\n", "7fffffffffffffff\r\n", "fffffffffffffffffffffffffff1\r\n",
        "2000001\r\n",
    ])
    func aSizeThatOverflowsOrExceedsTheLimitIsRefused(encoded: String) {
        #expect(decodeChunks(bytes(encoded)).error?.code == .bodyTooLarge)
    }

    @Test func theLimitIsForAllChunksTogether() {
        var limits = Limits()
        limits.bodyBytes = 10
        let ten = bytes("6\r\nabcdef\r\n4\r\nabcd\r\n0\r\n\r\n")
        #expect(decodeChunks(ten, limits: limits).finished)
        let eleven = decodeChunks(bytes("6\r\nabcdef\r\n5\r\n"), limits: limits)
        #expect(eleven.error?.code == .bodyTooLarge)
        #expect(eleven.error?.httpStatus == 413)
    }

    @Test func sizeLinesExtensionsAndTrailersAreBounded() {
        let zeros = String(repeating: "0", count: 300)
        #expect(decodeChunks(bytes(zeros)).error?.code == .malformedChunk)
        #expect(decodeChunks(bytes("1;" + String(repeating: "a", count: 300))).error?.code == .malformedChunk)
        let extended = String(repeating: "1;" + String(repeating: "a", count: 200) + "\r\nx\r\n", count: 100)
        #expect(decodeChunks(bytes(extended)).error?.code == .malformedChunk)
        let trailers = "0\r\n" + String(repeating: "a: b\r\n", count: 2000)
        #expect(decodeChunks(bytes(trailers)).error?.code == .trailerTooLarge)
    }

    @Test func theLimitOfALineIsForOneLine() {
        let many = bytes(String(repeating: "1;a=b\r\nx\r\n", count: 1000) + "0\r\n\r\n")
        #expect(decodeChunks(many).body == [UInt8](repeating: 0x78, count: 1000))
    }

    @Test func anUnfinishedBodyIsNotFinished() {
        let input = bytes("5\r\nhello\r\n0\r\n\r\n")
        for end in 0..<input.count {
            let outcome = decodeChunks(Array(input.prefix(end)))
            #expect(!outcome.finished)
            #expect(outcome.error == nil)
            #expect(outcome.consumed == end)
        }
    }

    @Test func anEncodedBodyIsGoldenBytes() {
        var output: [UInt8] = []
        ChunkedEncoder.append(chunk: bytes("hello world, again"), to: &output)
        ChunkedEncoder.append(chunk: [], to: &output)
        ChunkedEncoder.appendEnd(to: &output)
        #expect(text(output) == "12\r\nhello world, again\r\n0\r\n\r\n")
    }

    @Test func whatIsEncodedIsDecoded() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<200 {
            var body: [UInt8] = []
            var encoded: [UInt8] = []
            for _ in 0..<random.below(6) {
                let chunk = (0..<random.below(300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                body += chunk
                ChunkedEncoder.append(chunk: chunk, to: &encoded)
            }
            ChunkedEncoder.appendEnd(to: &encoded)
            let cuts = (0..<random.below(5)).map { _ in random.below(encoded.count) }.sorted()
            let expected = ChunkOutcome(body: body, consumed: encoded.count, finished: true)
            #expect(decodeChunks(encoded, cuts: cuts) == expected)
        }
    }
}
