// with: Sources/RouterKit/Learn/Traffic/Feedback.swift
import Wire

/// Reads a feedback. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFeedback(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do throws(FeedbackError) {
        let feedback = try Feedback(array(bytes, count))
        require(!feedback.requestID.isEmpty && (0...1).contains(feedback.score), "what was read can be used")
    } catch {
        require(error.code == .invalid && error.message.hasSuffix("."), "the error is a sentence")
    }
    return 0
}
