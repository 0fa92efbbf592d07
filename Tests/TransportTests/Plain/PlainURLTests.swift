import Testing

@testable import Transport

/// Which URLs the native client takes, and what it makes of them. The others are libcurl's.
@Suite struct PlainURLTests {
    private func parts(_ text: String) -> String? {
        PlainURL(text).map {
            "\($0.host) \($0.port) \(String(decoding: $0.hostField, as: UTF8.self)) "
                + String(decoding: $0.target, as: UTF8.self)
        }
    }

    @Test func plainURLsAreTakenApart() {
        #expect(parts("http://a") == "a 80 a /")
        #expect(
            parts("http://Model-1.Example:8080/v1/x?a=b%20c")
                == "model-1.example 8080 Model-1.Example:8080 /v1/x?a=b%20c")
        #expect(parts("http://127.0.0.1:80/") == "127.0.0.1 80 127.0.0.1 /")
        #expect(parts("http://[::1]:9/x") == "::1 9 [::1]:9 /x")
        #expect(parts("http://a?q") == "a 80 a /?q")
        #expect(parts("http://a/../b/./c") == "a 80 a /../b/./c")
    }

    @Test(arguments: [
        "", "http://", "https://a/", "HTTP://a/", "ftp://a/", "http:/a", "http:///x", "http://user@a/",
        "http://user:secret@a/", "http://a b/", "http://a/b c", "http://a/#f", "http://a/\r\nX: y", "http://a/\u{fc}",
        "http://b\u{fc}cher.example/", "http://a:/", "http://a:0/", "http://a:65536/", "http://a:8x/", "http://a:-1/",
        "http://[::1/", "http://[]/", "http://[a%eth0]/", "http://a\\b/", "http://a,b/",
    ])
    func otherURLsAreLeftToLibcurl(url: String) { #expect(parts(url) == nil) }
}
