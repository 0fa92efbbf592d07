/// The page at `/ui`, as files of the daemon: no build step, nothing from elsewhere.
///
/// The files hold no data. Their script asks the interface, with the state directory's key, which comes in the fragment of
/// the address (no browser sends that anywhere) or from whoever looks.
enum PageFile: String, CaseIterable {
    case markup = "/ui"
    case style = "/ui/page.css"
    case script = "/ui/page.js"

    /// Nil for paths at which no file of the page is.
    init?(path: String) { self.init(rawValue: path == "/ui/" ? "/ui" : path) }

    private var text: String {
        switch self {
        case .markup: Self.markupText
        case .style: Self.styleText
        case .script: Self.scriptText
        }
    }

    private var contentType: String {
        switch self {
        case .markup: "text/html; charset=utf-8"
        case .style: "text/css; charset=utf-8"
        case .script: "text/javascript; charset=utf-8"
        }
    }

    /// The answer that carries the file. Only its own script, style and interface may be used by it, and no page may frame it.
    var answer: ServeAnswer {
        var answer = ServeAnswer(status: 200, body: Array(text.utf8))
        answer.set("Content-Type", contentType)
        answer.set("Cache-Control", "no-store")
        answer.set("X-Content-Type-Options", "nosniff")
        answer.set("Referrer-Policy", "no-referrer")
        answer.set(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
                + "form-action 'none'; frame-ancestors 'none'")
        return answer
    }
}
