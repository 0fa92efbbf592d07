extension DeploymentPlan {
    /// What people read, line by line; the refusal is the last one, if there is one.
    public var lines: [String] {
        let where_ = spec.gpuCount == 0 ? "on the host" : "on \(spec.gpuCount) GPU\(spec.gpuCount == 1 ? "" : "s")"
        var lines = ["\(spec.name) by \(spec.engine.rawValue) \(where_)", "  model      \(modelText)"]
        if let problem = facts.problem { lines.append("  note       \(problem)") }
        lines.append(
            "  layout     \(layout.text): \(MemorySize.text(need.weightBytes / max(1, need.deviceCount))) of weights, "
                + cacheText + ", "
                + "\(MemorySize.text(need.runtimeBytes)) assumed for the engine")
        let place = spec.gpuCount == 0 ? "of host memory" : "on each GPU"
        let reserved = need.reservedBytes.map { "; \(MemorySize.text($0)) are reserved" } ?? ""
        lines.append("  needs      \(MemorySize.text(need.bytesPerPlace)) \(place)\(reserved)")
        let gpus = machine.devices.map { "\($0.name) with \(MemorySize.text($0.totalBytes))" }
        lines.append(
            "  machine    \(gpus.isEmpty ? "no GPU" : gpus.joined(separator: ", ")), "
                + "\(MemorySize.text(machine.hostBytes)) of host memory; engines may hold "
                + "\(MemorySize.text(budget.gpuBytes)) and \(MemorySize.text(budget.hostBytes))")
        let times = predictions.reversed().map { "\($0.tier.rawValue) \(Self.seconds($0.time_ms))" }
        let basis =
            isMeasured ? "bandwidths kept of this machine" : "standard bandwidths, none are kept of this machine"
        lines.append("  predicted  \(times.joined(separator: ", ")) (\(basis))")
        lines.append(refusal.map { "refused: \($0)" } ?? "accepted")
        return lines
    }

    private var cacheText: String {
        guard need.cacheBytes > 0 else { return "a cache of unknown size" }
        return "\(MemorySize.text(need.cacheBytes / need.cacheParts)) of cache for \(need.cacheTokens) tokens"
    }

    private var modelText: String {
        guard facts.evidence != .none else { return "of unknown size: neither its files nor its name tell" }
        let source =
            switch facts.evidence {
            case .files: "its files"
            case .configuration: "its configuration"
            case .name, .none: "its name, a guess"
            }
        var parts = ["\(MemorySize.text(facts.weightBytes)) of weights (\(source))"]
        if let count = facts.layerCount { parts.append("\(count) layers") }
        if let count = facts.headCount { parts.append("\(count) heads") }
        if let count = facts.keyValueHeadCount { parts.append("\(count) key-value heads") }
        if let count = facts.contextTokens { parts.append("\(count) tokens of context") }
        return parts.joined(separator: ", ")
    }

    private static func seconds(_ ms: Int) -> String {
        ms < 10_000 ? "\(ms) ms" : "\((ms + 500) / 1000) s"
    }

    /// One JSON object.
    public var json: [UInt8] {
        var object = JSONObjectText()
        object.add("name", spec.name)
        object.add("accepted", refusal == nil)
        if let refusal {
            object.add("code", refusal.code.rawValue)
            object.add("reason", refusal.detail)
        }
        object.add("evidence", facts.evidence.rawValue)
        object.add("weight_bytes", need.weightBytes)
        object.add("cache_bytes", need.cacheBytes)
        object.add("cache_tokens", need.cacheTokens)
        object.add("assumed_engine_bytes", need.runtimeBytes)
        object.add("gpus", spec.gpuCount)
        object.add(spec.gpuCount == 0 ? "host_bytes" : "bytes_per_gpu", need.bytesPerPlace)
        object.add("machine_gpus", machine.devices.count)
        object.add("machine_gpu_bytes", machine.devices.reduce(0) { $0 + $1.totalBytes })
        object.add("machine_host_bytes", machine.hostBytes)
        object.add("budget_host_bytes", budget.hostBytes)
        object.add("budget_gpu_bytes", budget.gpuBytes)
        for prediction in predictions {
            let tier = prediction.tier.rawValue.replacing("-", with: "_")
            object.add("predicted_\(tier)_ms", prediction.time_ms)
        }
        object.add("is_measured", isMeasured)
        object.add("lines", lines)
        return object.bytes
    }
}
