/// The part of a region that one of several devices holds.
///
/// A region cut along an axis is, as bytes in row-major order, `outer` rows of which the device holds the same span each;
/// along the first axis there is one row. The device's part is those spans one after the other. A region that is not cut
/// is one row that is held whole. Pure arithmetic.
struct ShardCut: Sendable, Hashable {
    /// Bytes of one row of the region.
    let rowBytes: Int
    /// The span of each row that is held.
    let span: Range<Int>

    /// All of `byteCount` bytes.
    init(whole byteCount: Int) { self.init(rowBytes: max(byteCount, 1), span: 0..<max(byteCount, 1)) }

    private init(rowBytes: Int, span: Range<Int>) {
        self.rowBytes = rowBytes
        self.span = span
    }

    /// The part of device `index` of `count`. A region without an axis is held whole by each.
    ///
    /// - Throws: `shardMismatch` when the axis cannot be cut into `count` equal parts of whole bytes.
    init(_ region: RegionDescription, device index: Int, of count: Int) throws(RestoreError) {
        guard let axis = region.shardAxis, count > 1, region.byteCount > 0 else {
            self.init(whole: region.byteCount)
            return
        }
        let dimension = region.shape[axis]
        guard dimension % count == 0 else {
            throw ShardCut.mismatch(
                region, "dimension \(axis) is \(dimension), which \(count) devices cannot share equally", dimension)
        }
        let inner = region.shape[(axis + 1)...].reduce(1, *)
        let elements = dimension * inner
        guard let block = region.dtype.block else {
            throw ShardCut.mismatch(region, "its type \(region.dtype) is not known, so it cannot be cut", 1)
        }
        // Blocks run along the last dimension; a cut through one would tear it.
        guard elements % block.elements == 0, dimension / count * inner % block.elements == 0 else {
            throw ShardCut.mismatch(
                region, "\(count) parts would cut through blocks of \(block.elements) \(region.dtype)", dimension)
        }
        let rowBytes = elements / block.elements * block.bytes
        let part = rowBytes / count
        self.init(rowBytes: rowBytes, span: index * part..<(index + 1) * part)
    }

    private static func mismatch(_ region: RegionDescription, _ detail: String, _ dimension: Int) -> RestoreError {
        RestoreError(
            .shardMismatch,
            "region \(SafeName.show(region.name)): \(detail); use a number of devices that divides \(dimension), or take"
                + " the snapshot without a shard axis for it")
    }

    /// True when the part is the region itself.
    var isWhole: Bool { span == 0..<rowBytes }

    /// How many held bytes lie before `position` of the region: the position's place in the part.
    func held(before position: Int) -> Int {
        position / rowBytes * span.count + min(max(position % rowBytes - span.lowerBound, 0), span.count)
    }

    /// The part of the device that bytes `range` of the region fill; empty when they hold nothing of it.
    func part(of range: Range<Int>) -> Range<Int> { held(before: range.lowerBound)..<held(before: range.upperBound) }

    /// Calls `body` for each piece of `range` (of the region) that is held: where it lies in `range`, where in the part
    /// counted from the part's first byte of `range`, and its length.
    func pieces(of range: Range<Int>, _ body: (_ source: Int, _ destination: Int, _ count: Int) -> Void) {
        var row = range.lowerBound / rowBytes
        var done = 0
        while row * rowBytes < range.upperBound {
            let start = max(row * rowBytes + span.lowerBound, range.lowerBound)
            let end = min(row * rowBytes + span.upperBound, range.upperBound)
            if start < end {
                body(start - range.lowerBound, done, end - start)
                done += end - start
            }
            row += 1
        }
    }
}
