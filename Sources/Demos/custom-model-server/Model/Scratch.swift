import CModelKernels
import ModelFiles

/// What one pass through the model writes and the next overwrites. Used by one thread at a time.
final class Scratch {
    let tokenCount: Int
    let stream, normed, queries, keys, values, gate, up: UnsafeMutablePointer<Float>
    let blocks: UnsafeMutablePointer<mk_block>

    /// Room for `tokenCount` tokens a pass.
    init(_ shape: ModelShape, tokenCount: Int) {
        self.tokenCount = tokenCount
        func floats(_ width: Int) -> UnsafeMutablePointer<Float> { .allocate(capacity: width * tokenCount) }
        let widest = max(shape.width, shape.queryWidth, shape.innerWidth)
        stream = floats(shape.width)
        normed = floats(widest)
        queries = floats(shape.queryWidth)
        keys = floats(shape.keyWidth)
        values = floats(shape.keyWidth)
        gate = floats(shape.innerWidth)
        // Also takes what is added to the stream.
        up = floats(max(shape.innerWidth, shape.width))
        blocks = .allocate(capacity: tokenCount * widest / 32 + 1)
    }

    deinit {
        for part in [stream, normed, queries, keys, values, gate, up] { part.deallocate() }
        blocks.deallocate()
    }
}
