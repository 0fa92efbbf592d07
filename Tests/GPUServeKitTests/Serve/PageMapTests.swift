import Glibc
import Testing

@testable import GPUServeKit

/// Images of processes lose their zero pages and nothing else.
@Suite struct PageMapTests {
    private func message(_ fields: [(UInt64, UInt64)]) -> ArraySlice<UInt8> {
        var out: [UInt8] = []
        for (field, value) in fields { ImageFields.append(field, value, to: &out) }
        return out[...]
    }

    private func map(_ runs: [(address: UInt64, count: UInt64, flags: UInt64)]) -> [UInt8] {
        ImageFields.file(
            [message([(1, 7)])] + runs.map { message([(1, $0.address), (2, 0), (4, $0.flags), (5, $0.count)]) },
            magic: 0x5608_4025)
    }

    private func memory(_ areas: [(start: UInt64, end: UInt64, flags: UInt64)]) -> [UInt8] {
        var out: [UInt8] = []
        for area in areas {
            let inner = message([(1, area.start), (2, area.end), (6, area.flags)])
            out += [14 << 3 | 2, UInt8(inner.count)] + inner
        }
        return ImageFields.file([out[...]], magic: 0x5749_2820)
    }

    @Test func `zero pages of private memory go, those over a file stay`() throws {
        var found = try #require(PageMap(map([(0x10000, 4, 4), (0x20000, 2, 6), (0x30000, 3, 2)])))
        #expect(found.pagesID == 7 && found.presentCount == 6)
        let anonymous = try #require(
            PageMap.anonymousRanges(memory([(0x10000, 0x14000, 0x22), (0x20000, 0x22000, 0x2)])))
        #expect(anonymous == [0x10000..<0x14000])
        // Pages 1, 2 and 5 are zero; 5 lies over a file, which would show through.
        let kept = found.leaveOutZeroes(in: anonymous) { [1, 2, 5].contains($0) }
        #expect(kept == [0..<1, 3..<4, 4..<6])
        #expect(
            found.runs == [
                .init(address: 0x10000, pageCount: 1, flags: 4), .init(address: 0x13000, pageCount: 1, flags: 4),
                .init(address: 0x20000, pageCount: 2, flags: 6), .init(address: 0x30000, pageCount: 3, flags: 2),
            ])
        #expect(PageMap(found.file) == found)
    }

    @Test func `what is not understood is not touched`() {
        #expect(PageMap([]) == nil)
        #expect(PageMap(map([(0x10000, 1, 5)])) == nil, "pages of a parent image")
        #expect(PageMap(map([(0x10001, 1, 4)])) == nil)
        #expect(PageMap(map([(0x10000, 2, 4), (0x11000, 1, 4)])) == nil, "out of order")
        #expect(PageMap(Array(map([(0x10000, 1, 4)]).dropLast())) == nil)
        #expect(PageMap.anonymousRanges(map([])) == nil)
    }

    @Test func `files on disk are trimmed together`() throws {
        let scratch = try ScratchDirectory()
        var pages = [UInt8](repeating: 0, count: 4 * 4096)
        pages[4096 + 9] = 1
        pages[3 * 4096] = 2
        _ = scratch.write(pages, "pages-7.img")
        _ = scratch.write(map([(0x10000, 4, 4)]), "pagemap-12.img")
        _ = scratch.write(memory([(0x10000, 0x14000, 0x22)]), "mm-12.img")
        #expect(ImageTrimmer.trim(scratch.path) == 2 * 4096)
        let left = ScratchDirectory.read(scratch.path + "/pages-7.img")
        #expect(left == Array(pages[4096..<8192]) + Array(pages[(3 * 4096)...]))
        #expect(PageMap(ScratchDirectory.read(scratch.path + "/pagemap-12.img"))?.presentCount == 2)
        // One whose pages do not fit its map stays as it is.
        _ = scratch.write(pages, "pages-7.img")
        #expect(ImageTrimmer.trim(scratch.path) == 0)
        #expect(ScratchDirectory.read(scratch.path + "/pages-7.img") == pages)
    }
}
