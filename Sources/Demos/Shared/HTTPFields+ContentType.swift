package import Wire

extension HTTPFields {
    package static let json = HTTPFields(contentType: "application/json")
    /// Prometheus' text format.
    package static let metrics = HTTPFields(contentType: "text/plain; version=0.0.4; charset=utf-8")

    /// Fields with a Content-Type alone.
    package init(contentType: StaticString) {
        self.init()
        add("Content-Type", contentType)
    }
}
