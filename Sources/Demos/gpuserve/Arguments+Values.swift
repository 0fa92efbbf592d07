import DemoSupport
import GPUServeKit

extension Arguments {
    /// An option's whole number; nil without the option.
    func number(_ option: String) throws(UsageError) -> Int? {
        guard let text = self[option: option] else { return nil }
        guard let value = Int(text) else { throw UsageError(message: "--\(option) takes a whole number, not \(text)") }
        return value
    }

    /// An option's bytes; nil without the option.
    func size(_ option: String) throws(UsageError) -> Int? {
        guard let text = self[option: option] else { return nil }
        guard let bytes = MemorySize.byteCount(text) else {
            throw UsageError(message: "--\(option) takes a size such as 512MB or 80GiB, not \(text)")
        }
        return bytes
    }
}
