-- SPDX-License-Identifier: GPL-3.0-or-later
-- Asks for the paths of a file, each time for any of them, and prints figures in one line. What stands behind a tab in a
-- line is sent as a header that nobody looks at: so questions and fixed answers cost wrk the same.
local requests = {}

function init()
	math.randomseed(tonumber(os.getenv("BENCH_SEED") or 1))
	for line in io.lines(os.getenv("BENCH_PATHS")) do
		local path, rest = line:match("^([^\t]*)\t?(.*)$")
		wrk.headers["X-Padding"] = rest ~= "" and rest or nil
		requests[#requests + 1] = wrk.format("GET", path)
	end
end

function request()
	return requests[math.random(#requests)]
end

function done(summary, latency)
	local e = summary.errors
	print(string.format("FIGURES %d %d %d %.1f %.1f %d", summary.requests, summary.duration, summary.bytes,
		latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
