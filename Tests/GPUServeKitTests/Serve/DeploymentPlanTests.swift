import Testing

@testable import GPUServeKit

/// What a deployment would take, and why it cannot be.
@Suite struct DeploymentPlanTests {
    /// Llama 3.1 70B.
    private let large = ModelFacts(
        evidence: .configuration, weightBytes: 141_100_000_000, layerCount: 80, headCount: 64, keyValueHeadCount: 8,
        headSize: 128, contextTokens: 131_072)

    private func machine(_ count: Int, gigabytes: Int = 80, host: Int = 512) -> MachineMemory {
        MachineMemory(
            hostBytes: host * 1_000_000_000,
            devices: (0..<count).map { _ in .init(name: "GPU", totalBytes: gigabytes * 1_000_000_000) },
            deviceProblem: count == 0 ? "libcuda.so.1 is not there" : nil)
    }

    private func plan(
        _ engine: EngineKind = .vllm, gpus: Int = 4, _ facts: ModelFacts? = nil, on machine: MachineMemory,
        words: [String] = [], bandwidths: Bandwidths? = nil, start_ms: Int? = nil
    ) -> DeploymentPlan {
        let spec = DeploymentSpec(
            name: "large", engine: engine, model: "m", gpuCount: gpus, extraArguments: words)
        return DeploymentPlan(
            spec, facts ?? large, on: machine, budget: machine.standardBudget, bandwidths: bandwidths,
            start_ms: start_ms)
    }

    @Test func `four large GPUs are enough, and the numbers are shown`() {
        let plan = plan(on: machine(4))
        #expect(plan.refusal == nil)
        // 35.275 GB of weights, 10.74 GB of cache, 2 GB assumed.
        #expect((47_900_000_000...48_100_000_000).contains(plan.need.bytesPerPlace))
        let text = plan.lines.joined(separator: "\n")
        for words in [
            "141.1 GB of weights (its configuration), 80 layers, 64 heads, 8 key-value heads",
            "tensor-parallel over 4: 35.3 GB of weights, 10.7 GB of cache for 131072 tokens, 2.0 GB assumed",
            "needs      48.0 GB on each GPU", "GPU with 80.0 GB, GPU with 80.0 GB", "accepted",
            "standard bandwidths, none are kept of this machine",
        ] { #expect(text.contains(words), "\(words)") }
    }

    @Test func `times follow from bandwidths and from what starts took`() throws {
        var bandwidths = Bandwidths.standard
        bandwidths.bytesPerSecond[.disk] = 2e9
        bandwidths.upload_bytesPerSecond = 20e9
        let plan = plan(on: machine(4), bandwidths: bandwidths, start_ms: 40_000)
        let times = Dictionary(uniqueKeysWithValues: plan.predictions.map { ($0.tier, $0.time_ms) })
        #expect(times[.cold] == 100 + 40_000 + 70_550)
        #expect(times[.inPlace] == 100 + 1763)
        let (frozen, asleep) = (try #require(times[.suspended]), try #require(times[.inPlace]))
        #expect(frozen >= asleep, "the driver moves all of the devices' memory, not the weights alone")
        #expect(plan.lines.joined().contains("bandwidths kept of this machine"))
    }

    @Test func `a machine without GPUs says why, and what would be needed`() {
        let refusal = plan(on: machine(0)).refusal
        #expect(
            refusal?.description == "too_few_gpus: it needs 4 GPUs with 48.0 GB each, and this machine has none "
                + "(libcuda.so.1 is not there)")
        #expect(plan(on: machine(2)).refusal?.detail.hasSuffix("this machine has 2") == true)
    }

    @Test func `small GPUs are refused with the ways out`() {
        let refusal = plan(on: machine(8, gigabytes: 48)).refusal
        #expect(refusal?.code == .gpuTooSmall)
        #expect(
            refusal?.detail == "it needs 48.0 GB on each of 4 GPUs, and of the 48.0 GB of one the engine uses 43.2 GB; "
                + "it fits onto 8 of them, or with a context of 71680 tokens")
        #expect(plan(on: machine(8, gigabytes: 48), words: ["--max-model-len", "71680"]).refusal == nil)
        #expect(plan(on: machine(8, gigabytes: 48), words: ["--max-model-len", "72704"]).refusal != nil)
        #expect(plan(on: machine(4), words: ["--gpu-memory-utilization=0.5"]).refusal?.code == .gpuTooSmall)
    }

    @Test func `heads are not cut`() {
        let refusal = plan(gpus: 3, on: machine(4)).refusal
        #expect(
            refusal?.description
                == "layout_impossible: 64 heads do not divide over 3 GPUs; counts that work: 1, 2, 4, 8, 16, 32, 64")
        #expect(plan(.llamaCpp, gpus: 3, on: machine(4)).refusal == nil, "whole layers are dealt out")
        #expect(DeviceLayout(.vllm, deviceCount: 16).problem(large) == nil, "eight are copied twice")
    }

    @Test func `host and budget are looked at too`() {
        let small = ModelFacts(evidence: .files, weightBytes: 9_000_000_000)
        #expect(plan(.llamaCpp, gpus: 0, small, on: machine(0, host: 8)).refusal?.code == .hostTooSmall)
        let spec = DeploymentSpec(name: "x", engine: .vllm, model: "m", gpuCount: 4)
        let budget = MemorySize(hostBytes: 100_000_000_000, gpuBytes: 150_000_000_000)
        let plan = DeploymentPlan(spec, large, on: machine(4), budget: budget)
        #expect(plan.refusal?.code == .overBudget)
    }

    @Test func `a name alone is enough for a guess that says so`() {
        let plan = plan(
            ModelFacts.read(name: "some/Model-70B").weightBytes > 0 ? .vllm : .tgi,
            ModelFacts.read(name: "some/Model-70B"), on: machine(4))
        #expect(plan.refusal == nil)
        #expect(plan.lines[1] == "  model      140.0 GB of weights (its name, a guess)")
        let unknown = self.plan(.vllm, ModelFacts.read(name: "chat"), on: machine(4))
        #expect(unknown.lines[1].contains("of unknown size"))
    }
}
