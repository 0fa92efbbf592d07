import Testing

@testable import GPUServeKit

/// What a daemon leaves behind for the next one.
@Suite struct KeptFactsTests {
    @Test func `an image's fact is read back, and nothing else is taken for one`() {
        let fact = ImageFact(pid: 4711, port: 65_535, bootID: "a-b")
        #expect(ImageFact(json: fact.json) == fact)
        let roomy = ImageFact(pid: 2, port: 80, bootID: "a-b", room: .numbersAndMemory)
        #expect(ImageFact(json: roomy.json) == roomy)
        for text in [
            "", "{}", "[]", #"{"pid":1,"port":80,"boot_id":"x"}"#, #"{"pid":-5,"port":80,"boot_id":"x"}"#,
            #"{"pid":99999999999,"port":80,"boot_id":"x"}"#, #"{"pid":5,"port":65536,"boot_id":"x"}"#,
            #"{"pid":5,"port":80}"#, #"{"pid":"5","port":80,"boot_id":"x"}"#,
            #"{"pid":5,"port":80,"boot_id":"x","room":"of another version"}"#,
        ] { #expect(ImageFact(json: Array(text.utf8)) == nil, "\(text)") }
    }

    @Test func `an engine's fact is read back with its room, and not without who keeps it`() {
        var fact = ReplicaFact(pid: 4711, startTicks: 12, bootID: "a-b", port: 8000, asleep: .suspended)
        #expect(ReplicaFact(json: fact.json) == fact)
        fact.room = .init(kind: .numbers, keeper: .init(pid: 4710, startTicks: 11))
        #expect(ReplicaFact(json: fact.json) == fact)
        let plain = #"{"pid":5,"start_ticks":1,"boot_id":"x","port":80,"room":"numbers""#
        for more in ["", #","keeper_pid":1,"keeper_start_ticks":1"#, #","keeper_pid":9"#] {
            #expect(ReplicaFact(json: Array((plain + more + "}").utf8)) == nil, "\(more)")
        }
    }

    @Test func `whoever restores an image gets numbers that none of it has`() {
        #expect(ImageNumbers.free(beside: [2, 40, 41], below: 32_768) == 300)
        #expect(ImageNumbers.free(beside: [2, 40, 5_000], below: 32_768) == 5_000)
        #expect(ImageNumbers.free(beside: [2, 32_760, 20_000, 500], below: 32_768) == 500)
        #expect(ImageNumbers.limit > 300)
        #expect(ImageNumbers.read("/no/such/directory").isEmpty)
    }

    @Test func `a mark tells whose engine a process is`() {
        func marked(_ text: String) -> String? {
            StrayEngines.marked(Array(text.utf8), statePath: "/state").map { "\($0.deployment) \($0.replica)" }
        }
        #expect(marked("A=1\0GPUSERVE_ENGINE=/state/chat/2\0B=2\0") == "chat 2")
        #expect(marked("GPUSERVE_ENGINE=/state/chat/2") == "chat 2")
        for other in [
            "", "\0\0", "GPUSERVE_ENGINE=/state2/chat/1\0", "GPUSERVE_ENGINE=/state/chat\0",
            "GPUSERVE_ENGINE=/state/a/b/1\0", "GPUSERVE_ENGINE=/state/chat/x\0", "X=GPUSERVE_ENGINE=/state/chat/1\0",
            "GPUSERVE_ENGINE=/state/../state/chat/1\0", "XGPUSERVE_ENGINE=/state/chat/1\0",
        ] { #expect(marked(other) == nil, "\(other)") }
    }

    @Test func `what an engine was measured to take is remembered, and fades`() {
        var memory = DeploymentMemory()
        memory.note(residentBytes: 0)
        #expect(memory.residentBytes == nil)
        memory.note(residentBytes: 800)
        memory.note(residentBytes: 100)
        #expect(memory.residentBytes == 700)
        memory.note(residentBytes: 900)
        #expect(memory.residentBytes == 900)
        #expect(DeploymentMemory(json: memory.json).residentBytes == 900)
        #expect(DeploymentMemory(json: Array(#"{"resident_bytes":-1}"#.utf8)).residentBytes == nil)
    }
}
