import DemoSupport
import RouterKit

/// `router report`: what a decision log says about money and failures.
enum Report {
    static func run(_ arguments: Arguments) throws {
        guard arguments.words.count == 1 else { throw UsageError(message: "give one decision log") }
        let report = try LogReport.read(path: arguments.words[0])
        print(report.table())
        guard let path = arguments[option: "svg"] else { return }
        try OutputFile.write(Array(report.svg().utf8), to: path)
        print("wrote \(path)")
    }
}
