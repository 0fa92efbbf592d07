import Testing
import Wire

@Suite struct ServerSentEventSplitterTests {
    static let streams: [(stream: String, events: [String], remainder: String)] = [
        ("", [], ""),
        ("data: a\n\ndata: b\n\n", ["data: a\n\n", "data: b\n\n"], ""),
        ("data: a\r\n\r\ndata: b\r\n\r\nda", ["data: a\r\n\r\n", "data: b\r\n\r\n"], "da"),
        ("data: a\r\rdata: b\r\rx", ["data: a\r\r", "data: b\r\r"], "x"),
        ("data: a\n\r\ndata: b\r\n\ndata: c\r\n\rd", ["data: a\n\r\n", "data: b\r\n\n", "data: c\r\n\r"], "d"),
        (": ping\n\n\n\r\n", [": ping\n\n", "\n", "\r\n"], ""),
        ("data: cut", [], "data: cut"),
        ("data: cut\n", [], "data: cut\n"),
        ("data: held\r\r", [], "data: held\r\r"),
        (
            "event: x\ndata: {\"a\":\"é\\n\"}\nid: 1\nretry: 5\n\n",
            ["event: x\ndata: {\"a\":\"é\\n\"}\nid: 1\nretry: 5\n\n"], ""
        ),
        ("\u{FEFF}data: bom\n\n", ["\u{FEFF}data: bom\n\n"], ""),
    ]

    @Test(arguments: streams)
    func aStreamIsCutAtItsEmptyLinesHoweverItArrives(stream: String, events: [String], remainder: String) {
        let input = bytes(stream)
        let expected = StreamOutcome(events: events, remainder: remainder)
        #expect(splitEvents(input) == expected)
        for cut in 0...input.count { #expect(splitEvents(input, cuts: [cut]) == expected) }
        #expect(splitEvents(input, cuts: Array(0...input.count)) == expected)
        for first in 0...input.count {
            for second in first...input.count { #expect(splitEvents(input, cuts: [first, second]) == expected) }
        }
    }

    @Test func anEventIsGivenOutAtItsLastByte() throws {
        var splitter = ServerSentEventSplitter()
        try splitter.append(bytes("data: a\n"))
        #expect(splitter.bufferedBytes == 8)
        try splitter.append(bytes("\n"))
        let event = splitter.next()
        #expect(event == bytes("data: a\n\n"))
        #expect(splitter.bufferedBytes == 0)
    }

    @Test func eventsMayBeTakenLate() throws {
        var splitter = ServerSentEventSplitter()
        try splitter.append(bytes("a\n\nb\n\nc"))
        let first = splitter.next()
        try splitter.append(bytes("\n\nd"))
        let rest = [splitter.next(), splitter.next(), splitter.next()]
        #expect([first] + rest == [bytes("a\n\n"), bytes("b\n\n"), bytes("c\n\n"), nil])
        let remainder = splitter.takeRemainder()
        #expect(remainder == bytes("d"))
        try splitter.append(bytes("e\n\n"))
        let reused = splitter.next()
        #expect(reused == bytes("e\n\n"))
    }

    @Test func theRemainderHoldsEventsNotTaken() throws {
        var splitter = ServerSentEventSplitter()
        try splitter.append(bytes("a\n\nb\n\nc"))
        _ = splitter.next()
        let remainder = splitter.takeRemainder()
        #expect(remainder == bytes("b\n\nc"))
    }

    @Test func anEventTooLongIsRefusedHoweverItArrives() {
        var limits = Limits()
        limits.sseEventBytes = 10
        #expect(splitEvents(bytes("data: ab\n\n"), limits: limits).error == nil)
        for tail in ["data: abc\n\n", "data: abcdefghijkl", "data: abc\r\n\r\n"] {
            let input = bytes("data: 1\n\n" + tail)
            let expected = StreamOutcome(events: ["data: 1\n\n"], error: "eventTooLarge")
            #expect(splitEvents(input, limits: limits) == expected)
            for cut in 0...input.count { #expect(splitEvents(input, cuts: [cut], limits: limits) == expected) }
        }
    }

    @Test func randomStreamsLoseNothing() {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<500 {
            let input = (0..<random.below(60)).flatMap { _ in
                bytes(random.pick(["\n", "\r", "\r\n", "data: x", ":", "\u{FEFF}", "event: é", " "]))
            }
            let whole = splitEvents(input)
            #expect((whole.events + [whole.remainder]).joined().utf8.elementsEqual(input))
            let cuts = (0..<random.below(8)).map { _ in random.below(input.count + 1) }.sorted()
            #expect(splitEvents(input, cuts: cuts) == whole)
        }
    }
}

@Suite struct ServerSentEventTests {
    private func event(_ raw: String) -> ServerSentEvent { ServerSentEvent(parsing: bytes(raw)) }

    @Test(arguments: [
        ("data: {\"a\":1}\n\n", "{\"a\":1}"), ("data:{}\r\n\r\n", "{}"), ("data:  two\n\n", " two"), ("data\n\n", ""),
        ("data:\n\n", ""), ("\u{FEFF}data: x\n\n", "x"), ("event: e\rdata: x: y\r\r", "x: y"), ("data: cut", "cut"),
    ])
    func dataOnOneLineIsFoundInPlace(raw: String, data: String) throws {
        let parsed = event(raw)
        let range = try #require(parsed.dataRange)
        #expect(text(parsed.raw[range]) == data)
        #expect(text(parsed.data) == data)
        #expect(!parsed.isComment)
    }

    @Test func dataOnSeveralLinesIsJoined() {
        let parsed = event("data: a\ndata\ndata:b\r\ndatum: c\nDATA: d\n\n")
        #expect(parsed.dataLineCount == 3)
        #expect(parsed.dataRange == nil)
        #expect(text(parsed.data) == "a\n\nb")
    }

    @Test func theLastEventNameCounts() {
        #expect(event("event: a\nevent: response.completed\ndata: x\n\n").event == "response.completed")
        #expect(event("event\n\n").event == "")
        #expect(event("data: x\n\n").event == nil)
    }

    @Test func pingsAreComments() {
        #expect(event(": OPENROUTER PROCESSING\n\n").isComment)
        #expect(event(":\r\n:\r\n\r\n").isComment)
        #expect(!event(": c\ndata: x\n\n").isComment)
        #expect(!event("\n").isComment)
        #expect(!event("id: 4\n\n").isComment)
    }

    @Test func theEndOfAnOpenAIStreamIsSeenAsItsClientSeesIt() {
        #expect(event("data: [DONE]\n\n").isDone)
        #expect(event("data:[DONE] \n\n").isDone)
        #expect(!event("data: \"[DONE]\"\n\n").isDone)
        #expect(!event("data: [DONE\n\n").isDone)
        #expect(!event(": [DONE]\n\n").isDone)
    }

    @Test func everyInputHasAReading() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            var raw: [UInt8] = []
            for _ in 0..<random.below(12) {
                raw += random.pick([
                    bytes("data"), bytes(":"), [13], [10], bytes("event: "), [0xEF, 0xBB, 0xBF], [0xFF],
                ])
            }
            let parsed = ServerSentEvent(parsing: raw)
            #expect(parsed.raw == raw)
            if let range = parsed.dataRange { #expect(Array(raw[range]) == parsed.data) }
        }
    }
}
