internal import CCurl
import Wire

/// The request field lines in the form libcurl reads them: a `curl_slist` whose nodes and text lie in two blocks that
/// are reused, so that a request on a warm handle allocates nothing here.
///
/// libcurl only reads the list and does not free it; it must stay unchanged while a transfer uses it. Confined to the
/// engine's thread.
struct CurlHeaderLines: ~Copyable {
    private var text: UnsafeMutablePointer<CChar>
    private var textCapacity: Int
    private var textCount = 0
    private var nodes: UnsafeMutablePointer<curl_slist>
    private var nodeCapacity: Int
    private var starts: [Int] = []

    init() {
        textCapacity = 1024
        text = .allocate(capacity: textCapacity)
        nodeCapacity = 32
        nodes = .allocate(capacity: nodeCapacity)
    }

    deinit {
        text.deallocate()
        nodes.deallocate()
    }

    /// Builds the list for `fields`; valid until the next call.
    mutating func build(_ fields: HTTPFields) -> UnsafeMutablePointer<curl_slist> {
        textCount = 0
        starts.removeAll(keepingCapacity: true)
        var hasAccept = false
        var hasContentType = false
        fields.forEach { name, value in
            switch UpstreamFieldRule(name) {
            case .drop: return
            case .accept: hasAccept = true
            case .contentType: hasContentType = true
            case .host where value.isEmpty: return
            case .host, .pass: break
            }
            append(name: name, value: value)
        }
        // A name with a colon and nothing after it removes a line that libcurl would add by itself. Without the first,
        // a body over 1 MiB waits a second for "100 Continue".
        append(suppressing: "Expect:")
        if !hasAccept { append(suppressing: "Accept:") }
        if !hasContentType { append(suppressing: "Content-Type:") }
        link()
        return nodes
    }

    private mutating func append(name: Span<UInt8>, value: Span<UInt8>) {
        starts.append(textCount)
        append(name)
        // "Name;" is libcurl's way to write a field with an empty value.
        guard !value.isEmpty else {
            append(byte: 0x3B)
            append(byte: 0)
            return
        }
        append(byte: 0x3A)
        append(byte: 0x20)
        append(value)
        append(byte: 0)
    }

    private mutating func append(suppressing line: StaticString) {
        starts.append(textCount)
        line.withUTF8Buffer { append($0.span) }
        append(byte: 0)
    }

    private mutating func append(_ bytes: Span<UInt8>) {
        reserve(bytes.count)
        let destination = UnsafeMutableRawPointer(text + textCount)
        bytes.withUnsafeBytes { source in
            guard let base = source.baseAddress else { return }
            destination.copyMemory(from: base, byteCount: source.count)
        }
        textCount += bytes.count
    }

    private mutating func append(byte: UInt8) {
        reserve(1)
        text[textCount] = CChar(bitPattern: byte)
        textCount += 1
    }

    private mutating func reserve(_ count: Int) {
        guard textCount + count > textCapacity else { return }
        textCapacity = max(textCapacity * 2, textCount + count)
        let larger = UnsafeMutablePointer<CChar>.allocate(capacity: textCapacity)
        larger.update(from: text, count: textCount)
        text.deallocate()
        text = larger
    }

    private mutating func link() {
        if starts.count > nodeCapacity {
            nodes.deallocate()
            nodeCapacity = starts.count * 2
            nodes = .allocate(capacity: nodeCapacity)
        }
        for (index, start) in starts.enumerated() {
            let next = index + 1 < starts.count ? nodes + index + 1 : nil
            (nodes + index).initialize(to: curl_slist(data: text + start, next: next))
        }
    }
}
