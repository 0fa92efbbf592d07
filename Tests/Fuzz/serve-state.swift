// with: Sources/Support/CHash/crc64.c Sources/Support/CHash/sha256.c
// with: Sources/GPUServeKit/Snapshot/Format/SnapshotError.swift Sources/GPUServeKit/Snapshot/Format/ContentHash.swift
// with: Sources/GPUServeKit/Snapshot/Format/Memory.swift Sources/GPUServeKit/Snapshot/Format/ChunkRef.swift
// with: Sources/GPUServeKit/Snapshot/Format/SafeName.swift
// with: Sources/GPUServeKit/Serve/Deploy/DeploymentSpec.swift Sources/GPUServeKit/Serve/Deploy/DeploymentSpec+JSON.swift
// with: Sources/GPUServeKit/Serve/Deploy/JSONObjectText.swift Sources/GPUServeKit/Serve/Deploy/ServeError.swift
// with: Sources/GPUServeKit/Serve/Engine/EngineKind.swift Sources/GPUServeKit/Serve/Life/SleepTier.swift
// with: Sources/GPUServeKit/Serve/Scale/ScaleSettings.swift Sources/GPUServeKit/Serve/Keys/ClientKey.swift
// with: Sources/GPUServeKit/Serve/Metering/Price.swift Sources/GPUServeKit/Serve/Metering/Price+JSON.swift
// with: Sources/GPUServeKit/Serve/Metering/Money.swift Sources/GPUServeKit/Serve/Metering/LedgerRecord.swift
// with: Sources/GPUServeKit/Serve/Front/ServedCall.swift
import Wire

/// Reads what the serve daemon keeps and is sent: deployments, the file of keys, requests for models. The name is libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzServeState(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = array(bytes, count)
    if let spec = try? DeploymentSpec(json: input) {
        require(spec.problem == nil, "what is taken has no problem")
        require(!spec.name.utf8.contains(0x2F) && spec.name != "..", "a name is never a path")
        let again = try? DeploymentSpec(json: spec.json)
        require(again == spec, "a deployment is written and read back the same")
    }
    if let keys = try? [ClientKey](keyFile: input) {
        require(keys.allSatisfy { $0.digest.count == 32 }, "a key is recognized by 32 bytes")
        require((try? [ClientKey](keyFile: keys.keyFile)) == keys, "keys are written and read back the same")
    }
    for named in [nil, "chat"] {
        guard let call = try? ServedCall(input, path: "/v1/chat/completions", named: named, limits: .standard) else {
            continue
        }
        for served in [call.name, "other"] {
            let body = call.body(servedAs: served)
            guard let sent = try? ServedCall(body, path: call.path, named: nil, limits: .standard) else {
                // Only a path can do without a model.
                require(named != nil, "what is sent on can be read")
                continue
            }
            require(named != nil || sent.variant == call.variant, "the variant is sent on")
            require(sent.isStream == call.isStream, "a stream stays one")
            require(sent.body(servedAs: served) == body, "usage is asked for once, and a name written once")
        }
    }
    return 0
}
