// with: Sources/GPUServeKit/Serve/Deploy/DeploymentSpec.swift Sources/GPUServeKit/Serve/Deploy/DeploymentSpec+JSON.swift
// with: Sources/GPUServeKit/Serve/Deploy/ServeError.swift Sources/GPUServeKit/Serve/Deploy/JSONObjectText.swift
// with: Sources/GPUServeKit/Serve/Engine/EngineKind.swift Sources/GPUServeKit/Serve/Engine/EngineRecipe.swift
// with: Sources/GPUServeKit/Serve/Engine/EngineRecipe+All.swift Sources/GPUServeKit/Serve/Front/ServedCall.swift
// with: Sources/GPUServeKit/Serve/Life/SleepTier.swift Sources/GPUServeKit/Serve/Scale/ScaleSettings.swift
// with: Sources/GPUServeKit/Serve/Scale/MemorySize.swift Sources/GPUServeKit/Serve/Plan/MemoryNeed.swift
// with: Sources/GPUServeKit/Serve/Plan/ModelFacts.swift Sources/GPUServeKit/Serve/Plan/ModelFacts+Configuration.swift
// with: Sources/GPUServeKit/Serve/Plan/DeviceLayout.swift
// with: Sources/GPUServeKit/Serve/Metering/Price.swift Sources/GPUServeKit/Serve/Metering/Price+JSON.swift Sources/GPUServeKit/Serve/Metering/Money.swift
import Wire

/// Reads the text of a deployment, a request for one, a model's configuration, its name and a size. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDeployments(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    var spec = DeploymentSpec(name: "x", engine: .vllm, model: "m", gpuCount: 4)
    do throws(ServeError) {
        spec = try DeploymentSpec(json: input)
        require(spec.problem == nil, "what is read makes sense")
        require(!spec.name.contains("/") && !spec.name.contains(".."), "a name is part of no path but its own")
        let again = try DeploymentSpec(json: spec.json)
        require(again == spec, "what was written is read back the same")
    } catch {
        require(!error.detail.isEmpty, "the error says what is wrong")
    }
    let text = String(decoding: input, as: UTF8.self)
    check(ModelFacts.read(name: text), spec)
    if let json = try? JSONValue.parse(input) { check(ModelFacts(configuration: json), spec) }
    if let size = MemorySize.byteCount(text) { require(size >= 0, "a size is not negative") }
    if let call = try? ServedCall(input, path: "/v1/chat/completions", named: nil, limits: .standard) {
        let body = call.body(servedAs: "engine")
        let again = try? ServedCall(body, path: "/v1/chat/completions", named: nil, limits: .standard)
        require(again?.name == "engine", "the engine is asked by its own name")
        require(again?.isStream == call.isStream, "and nothing else of the request is another")
    }
    return 0
}

private func check(_ facts: ModelFacts, _ spec: DeploymentSpec) {
    require(facts.weightBytes >= 0, "weights are not negative")
    for count in [0, 1, 64] {
        var spec = spec
        spec.gpuCount = count
        let need = MemoryNeed(spec, facts)
        require(need.bytesPerPlace > 0 && need.size.hostBytes > 0 && need.size.gpuBytes >= 0, "needs are amounts")
        _ = DeviceLayout(spec.engine, deviceCount: count).problem(facts)
    }
}
