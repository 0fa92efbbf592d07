extension DeploymentStatus {
    /// One JSON object.
    public var json: [UInt8] { object.bytes }

    var object: JSONObjectText {
        var object = JSONObjectText()
        object.add("name", spec.name)
        object.add("engine", spec.engine.rawValue)
        object.add("model", spec.model)
        object.add("state", state)
        object.add(
            "replicas",
            objects: replicas.map { replica in
                var object = JSONObjectText()
                object.add("number", replica.number)
                object.add("state", replica.state)
                if let tier = replica.tier { object.add("tier", tier.rawValue) }
                if let pid = replica.pid { object.add("pid", Int(pid)) }
                if let port = replica.port { object.add("port", Int(port)) }
                object.add("resident_bytes", replica.residentBytes)
                object.add("freed_bytes", replica.freedBytes)
                object.add("in_flight", replica.inFlight)
                if let failure = replica.failure { object.add("failure", failure) }
                return object
            })
        object.add("held", held)
        object.add("requests", requests)
        object.add("answered", answered)
        object.add("prompt_tokens", promptTokens)
        object.add("answer_tokens", answerTokens)
        if let waitsFor { object.add("waits_for", waitsFor) }
        object.add("need_host_bytes", need.hostBytes)
        object.add("need_gpu_bytes", need.gpuBytes)
        object.add("next_tier", nextTier.rawValue)
        object.add("predicted_wake_ms", predictedWake_ms)
        object.add("lost_tiers", lostTiers)
        object.add("notes", notes)
        object.add("wakes", objects: wakes.map(\.object))
        return object
    }
}
