-- wrk script: POSTs chat completions, one of the bodies in a file after the other.
-- Arguments: FILE_OF_BODIES (one a line), then header fields as NAME=VALUE.
local requests, next_request = {}, 0

function init(arguments)
    local fields = { ["Content-Type"] = "application/json" }
    for position = 2, #arguments do
        local name, value = arguments[position]:match("^([^=]+)=(.*)$")
        fields[name] = value
    end
    for body in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format("POST", "/v1/chat/completions", fields, body)
    end
end

function request()
    next_request = next_request % #requests + 1
    return requests[next_request]
end

-- One line of JSON for the driver.
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "seconds": %.6f, "failed": %d, "p50_us": %.1f, "p99_us": %.1f}\n',
        summary.requests, summary.duration / 1e6,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
