-- SPDX-License-Identifier: GPL-3.0-or-later
-- Asks for the paths of a file one after the other, and prints figures in one line.
local requests, at = {}, 0

function init()
	for path in io.lines(os.getenv("BENCH_PATHS")) do
		requests[#requests + 1] = wrk.format("GET", path)
	end
end

function request()
	at = at % #requests + 1
	return requests[at]
end

function done(summary, latency)
	local e = summary.errors
	print(string.format("FIGURES %d %d %d %.1f %.1f %d", summary.requests, summary.duration, summary.bytes,
		latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
