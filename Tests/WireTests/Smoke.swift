import Testing
import Wire

@Test func aRequestHeadIsRead() throws {
    let bytes = Array("POST /v1/x?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}".utf8)
    var parser = RequestParser()
    let found = try parser.parse(bytes.span)
    let parsed = try #require(found)
    #expect(parsed.consumed == bytes.count - 2)
    #expect(parsed.head.path == "/v1/x")
    #expect(parsed.head.query == "a=1")
    #expect(parsed.head.framing == .length(2))
    #expect(parsed.head.fields["host"] == "h")
}

@Test func aDocumentGivesItsMembers() throws {
    let bytes = Array(#" {"mod\u0065l": "x", "a": [1, {"b": null}], "n": -1.5e3} "#.utf8)
    let document = try JSONDocument(validating: bytes)
    #expect(document.members().map(\.key) == ["model", "a", "n"])
    #expect(document.members(named: "model").count == 1)
    var cursor = JSONCursor(document)
    let isObject = cursor.enterObject()
    #expect(isObject)
    var seen: [String] = []
    while cursor.nextKey() { seen.append(cursor.key) }
    #expect(seen == ["model", "a", "n"])
    let value = try JSONValue.parse(bytes)
    #expect(value["n"]?.double == -1500)
}

@Test func anEventStreamIsCutIntoEvents() throws {
    var splitter = ServerSentEventSplitter()
    try splitter.append(Array("data: a\n\n: ping\r\n\r\nda".utf8))
    let events = [splitter.next(), splitter.next(), splitter.next()].map { $0.map(ServerSentEvent.init) }
    let rest = splitter.takeRemainder()
    #expect(events[0]?.data == Array("a".utf8))
    #expect(events[1]?.isComment == true)
    #expect(events[2] == nil)
    #expect(rest == Array("da".utf8))
}

@Test func shaAndDate() {
    #expect(SHA256.hexHash(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(HTTPDate.format(unixSeconds: 784_111_777) == Array("Sun, 06 Nov 1994 08:49:37 GMT".utf8))
    #expect(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
}

@Test func chunksComeOffAgain() throws {
    var bytes: [UInt8] = []
    ChunkedEncoder.append(chunk: Array("hello".utf8), to: &bytes)
    ChunkedEncoder.appendEnd(to: &bytes)
    var output: [UInt8] = []
    var decoder = ChunkedDecoder()
    let progress = try decoder.decode(bytes.span, into: &output)
    #expect(progress.finished)
    #expect(output == Array("hello".utf8))
}
