# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §5: POST /pdns/import: what is told, what is counted, and how often."""
import gzip
import json
import threading
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403



@once
def server():
    return Server(os.path.join(tempdir(), "db"))


serial = [0]


def fresh():
    """A name nobody has used yet."""
    serial[0] += 1
    return f"feed{serial[0]}.test"


def counts(name, s=None):
    return {r["rdata"]: r["count"] for r in (s or server()).ask(name, style="cof").records}


def zstd(data):
    return run(["zstd", "-q", "-c"], stdin=data).out


PACKED = {"identity": lambda d: d, "gzip": gzip.compress, "zstd": zstd}


@check("an import answers 200 with its JSON object in this order, and a query sees it at once")
def plain():
    name = fresh()
    answer = server().request("POST", "/pdns/import", {"content-type": "application/x-ndjson"},
                              ndjson([cof(name, "A", "192.0.2.1"), cof(name, "A", "192.0.2.2", 3)]))
    eq(answer.status, 200, answer)
    eq(json.loads(answer.body), {"accepted": 2, "rejected": 0, "errors": []}, answer)
    eq(list(json.loads(answer.body)), ["accepted", "rejected", "errors"], answer)
    eq(counts(name), {"192.0.2.1": 1, "192.0.2.2": 3})


@check("content-encoding {0}", rows=["identity", "gzip", "zstd", "GZIP", "x-gzip"])
def encodings(coding):
    name = fresh()
    body = PACKED[{"GZIP": "gzip", "x-gzip": "gzip"}.get(coding, coding)](ndjson([cof(name, "A", f"192.0.2.{i}", i + 1) for i in range(50)]))
    answer = server().request("POST", "/pdns/import", {"content-encoding": coding}, body)
    if coding == "x-gzip" and answer.status != 200:
        error_body(answer, 400, 415)
        return
    eq((answer.status, json.loads(answer.body)), (200, {"accepted": 50, "rejected": 0, "errors": []}), answer)
    eq(counts(name), {f"192.0.2.{i}": i + 1 for i in range(50)})


@check("{0} of several members or frames is read to the end", rows=["gzip", "zstd"])
def members(coding):
    name = fresh()
    parts = [ndjson([cof(name, "A", f"192.0.2.{i}")]) for i in range(5)]
    whole = b"".join(parts)
    cut = len(parts[0]) + 20  # a line that runs over from one member to the next
    body = PACKED[coding](whole[:cut]) + PACKED[coding](whole[cut:])
    eq(server().feed(body, {"content-encoding": coding})["accepted"], 5)
    eq(len(counts(name)), 5)


@check("a chunked body, cut anywhere")
def chunked():
    name = fresh()
    data = ndjson([cof(name, "A", f"192.0.2.{i}") for i in range(20)])
    for size in (1, 7, 100, 5000):
        with server().connect() as conn:
            conn.send(request_bytes("POST", "/pdns/import", {"transfer-encoding": "chunked"}))
            conn.send(b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + size]), data[i:i + size]) for i in range(0, len(data), size)) + b"0\r\n\r\n")
            answer = conn.response()
            eq((answer.status, json.loads(answer.body)["accepted"]), (200, 20), answer)
            eq(conn.ask("GET", "/pdns/query/nothing.test").status, 200, "the connection goes on")
    eq(set(counts(name).values()), {4})


@check("a chunked body that is folded many times over, in chunks of {0}: every line counts once", rows=[1000, 65536, 97000])
def chunked_and_large(size):
    some = Server(tempdir("store") + "/db", "--memory", "64M")
    lines = [b'{"count":1,"time_first":1,"time_last":2,"rrname":"h%d.large.test","rrtype":"A","rdata":"10.%d.%d.%d"}\n' % (i, i >> 16, i >> 8 & 255, i & 255) for i in range(60000)]
    data = b"".join(lines)
    with some.connect(timeout=60) as conn:
        conn.send(request_bytes("POST", "/pdns/import", {"transfer-encoding": "chunked"}))
        for at in range(0, len(data), 20 * size):
            part = data[at:at + 20 * size]
            conn.send(b"".join(b"%x\r\n%s\r\n" % (len(part[i:i + size]), part[i:i + size]) for i in range(0, len(part), size)))
        conn.send(b"0\r\n\r\n")
        answer = conn.response()
        eq((answer.status, json.loads(answer.body)["accepted"]), (200, len(lines)), answer)
    exported = cli("export", "--store", some.store).out.splitlines()
    eq(len(exported), len(lines))
    ok(all(json.loads(line)["count"] == 1 for line in exported), "counted twice")
    some.stop()


@check("expect: 100-continue is answered before the body")
def expect():
    body = ndjson([cof(fresh(), "A", "192.0.2.1")])
    with server().connect() as conn:
        conn.send(request_bytes("POST", "/pdns/import", {"expect": "100-continue", "content-length": len(body)}))
        while b"\r\n\r\n" not in conn.buffer:
            ok(conn.more(), "closed")
        ok(conn.buffer.startswith(b"HTTP/1.1 100"), conn.buffer)
        conn.send(body)
        eq(conn.response().status, 200)


@check("an empty body imports nothing: {0!r}", rows=["", "\n", "\n\n\r\n"])
def empty(body):
    eq(server().feed(body.encode()), {"accepted": 0, "rejected": 0, "errors": []})


@check("the last line needs no LF, CR LF is a line end, spaces and tabs are white space")
def line_ends():
    name = fresh()
    lines = [ndjson([cof(name, "A", f"192.0.2.{i}")]).strip() for i in range(4)]
    eq(server().feed(lines[0] + b"\r\n \t" + lines[1] + b" \t\n" + lines[2].replace(b": ", b"\t:\t ").replace(b", ", b" ,\t") + b"\n" + lines[3])["accepted"], 4)
    eq(len(counts(name)), 4)


@check("members in any order")
def any_order():
    name = fresh()
    record = cof(name, "A", "192.0.2.1", 7, 5, 6)
    for n in range(3):
        keys = list(record)[n:] + list(record)[:n]
        server().feed([{k: record[k] for k in keys}])
    eq(counts(name), {"192.0.2.1": 21})


@check("a bad line never costs its neighbours; errors tell its number")
def bad_lines():
    name = fresh()
    lines = [ndjson([cof(name, "A", f"192.0.2.{i}")]) for i in range(6)]
    bad = {2: b"this is no JSON\n", 4: b'{"rrname": "x.test"}\n', 7: b'{"rrname": \n'}
    out, good = [], iter(lines)
    for n in range(1, 10):
        out.append(bad[n] if n in bad else next(good))
    told = server().feed(b"".join(out))
    eq((told["accepted"], told["rejected"]), (6, 3), told)
    eq([e["line"] for e in told["errors"]], [2, 4, 7], told)
    for e in told["errors"]:
        eq(list(e), ["line", "error"], told)
        ok(isinstance(e["error"], str) and e["error"], told)
    eq(len(counts(name)), 6)


@check("at most 20 errors are told, all are counted")
def many_errors():
    name = fresh()
    told = server().feed(b"nonsense\n" * 30 + ndjson([cof(name, "A", "192.0.2.1")]) + b"nonsense\n" * 5)
    eq((told["accepted"], told["rejected"], [e["line"] for e in told["errors"]]), (1, 35, list(range(1, 21))), told)
    eq(counts(name), {"192.0.2.1": 1})


HOSTILE = [
    ("[" * 100000,), ('{"a":' * 100000,), ('"' + "x" * 100000,), ("{}",), ("[]",), ("null",), ("1",), ('"string"',), ("{",), ("}",),
    ('{"rrname": "x.test", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1, "time_last": 2} trailing',),
    ('{"rrname": "x.test" "rrtype": "A"}',), ('{"rrname": "x\\q.test", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}',),
    ("# a comment",), ("<html>",), ("\x00",), ('{"rrname": "x.test", "rrtype": "A", "rdata": {"a": 1}, "time_first": 1}',),
    ('{"rrname": ["x.test"], "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}',),
    ('{"rrname": null, "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}',)]


@check("a hostile line is rejected, its neighbours stay: {1!r}", rows=[(n, line[0][:60]) for n, line in enumerate(HOSTILE)])
def hostile(n, _):
    line = HOSTILE[n][0]
    name = fresh()
    neighbours = [ndjson([cof(name, "A", f"192.0.2.{i}")]) for i in range(2)]
    told = server().feed(neighbours[0] + line.encode() + b"\n" + neighbours[1])
    eq((told["accepted"], told["rejected"], [e["line"] for e in told["errors"]]), (2, 1, [2]), told)
    ok(all(len(e["error"]) < 1000 for e in told["errors"]), "an error of", len(told["errors"][0]["error"]), "characters")
    eq(len(counts(name)), 2)


@check("a line of a megabyte is accepted or rejected on its own")
def long_line():
    name = fresh()
    big = json.dumps(cof(name, "TXT", '"x"', comment="y" * 2 ** 20)).encode() + b"\n"
    told = server().feed(ndjson([cof(name, "A", "192.0.2.1")]) + big + ndjson([cof(name, "A", "192.0.2.2")]))
    eq(told["accepted"] + told["rejected"], 3, told)
    ok({"192.0.2.1", "192.0.2.2"} <= set(counts(name)), counts(name))


@check("control characters and quotes of a bad line do not break the JSON answer")
def told_is_json():
    told = server().feed(b'bad "quoted" \\ \x01\x02\x7f \xff\xfe line\n')
    eq(told["rejected"], 1, told)


@check("idempotency-key: the same body twice counts once")
def idempotent():
    name = fresh()
    body = ndjson([cof(name, "A", "192.0.2.1", 5)])
    first = server().feed(body, {"idempotency-key": "key-" + name})
    for _ in range(3):
        eq(server().feed(body, {"idempotency-key": "key-" + name}), first)
    eq(counts(name), {"192.0.2.1": 5})


@check("without a key, or with another, the same body counts again")
def not_idempotent():
    name = fresh()
    body = ndjson([cof(name, "A", "192.0.2.1", 5)])
    server().feed(body)
    server().feed(body)
    server().feed(body, {"idempotency-key": "one-" + name})
    server().feed(body, {"idempotency-key": "two-" + name})
    eq(counts(name), {"192.0.2.1": 20})


@check("the same key with another body is refused and counts nothing")
def key_reused():
    name = fresh()
    server().feed([cof(name, "A", "192.0.2.1")], {"idempotency-key": "reuse-" + name})
    error_body(server().feed([cof(name, "A", "192.0.2.2")], {"idempotency-key": "reuse-" + name}, status=(400, 409, 422)))
    eq(counts(name), {"192.0.2.1": 1})


@check("a key that was used for an empty body is refused for another")
def key_of_nothing():
    name = fresh()
    server().feed(b"", {"idempotency-key": "empty-" + name})
    server().feed(b"", {"idempotency-key": "empty-" + name})
    error_body(server().feed([cof(name, "A", "192.0.2.2")], {"idempotency-key": "empty-" + name}, status=400))
    eq(counts(name), {})


@check("two retries at the same time count once")
def concurrent_retry():
    name = fresh()
    body = ndjson([cof(name, "A", f"192.0.2.{i}", 2) for i in range(200)])
    got = []

    def post():
        answer = server().request("POST", "/pdns/import", {"idempotency-key": "race-" + name}, body)
        got.append(answer.status)
    threads = [threading.Thread(target=post) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ok(200 in got and set(got) <= {200, 409, 503, 425}, got)
    eq(set(counts(name).values()), {2})


@check("a retry after a restart counts once")
def retry_after_restart():
    old = Server(os.path.join(tempdir(), "db"))
    body = ndjson([cof("again.test", "A", "192.0.2.1", 5)])
    old.feed(body, {"idempotency-key": "over-restart"})
    old.kill()
    new = Server(old.store)
    eq(counts("again.test", new), {"192.0.2.1": 5}, "what was answered 200 is durable, also after kill -9")
    new.feed(body, {"idempotency-key": "over-restart"})
    eq(counts("again.test", new), {"192.0.2.1": 5})
    new.stop()


@check("a key that is odd is refused or serves, never 5xx: {0!r}", rows=["", "x" * 300, "x" * 3000, "é", 'a"b\\c', "a b"])
def odd_key(key):
    name = fresh()
    body = ndjson([cof(name, "A", "192.0.2.1")])
    answers = [server().request("POST", "/pdns/import", {"idempotency-key": (key + name) if key else key}, body) for _ in range(2)]
    eq(answers[0].status, answers[1].status)
    if answers[0].status != 200:
        error_body(answers[0], 400, 413, 431)
        eq(counts(name), {})
    elif key:
        eq(counts(name), {"192.0.2.1": 1})


@check("truncated {0} is 400, and the retry counts everything exactly once; key: {1}", rows=[
    ("gzip", None), ("gzip", "trunc-g"), ("zstd", None), ("zstd", "trunc-z")])
def truncated(coding, key):
    name = fresh()
    body = ndjson([cof(name, "A", f"10.9.{i // 250}.{i % 250}") for i in range(900)])
    packed = PACKED[coding](body)
    headers = {"content-encoding": coding, **({"idempotency-key": key} if key else {})}
    for cut in (len(packed) - 5, len(packed) // 2, 20, 3):
        error_body(server().request("POST", "/pdns/import", headers, packed[:cut]), 400)
    eq(server().feed(packed, headers)["accepted"], 900)
    got = {}
    for page in server().pages(name, 500, style="cof"):
        got.update({r["rdata"]: r["count"] for r in page.records})
    eq((len(got), set(got.values())), (900, {1}))


@check("a big truncated body counts nothing either")
def truncated_big():
    name = fresh()
    body = ndjson([cof(f"{i}.{name}", "NS", name) for i in range(40000)])
    packed = gzip.compress(body, 1)
    error_body(server().request("POST", "/pdns/import", {"content-encoding": "gzip"}, packed[:-9]), 400)
    told = server().feed(packed, {"content-encoding": "gzip"})
    eq((told["accepted"], told["rejected"]), (40000, 0))
    for i in (0, 1, 20000, 39000, 39999):
        eq([r["count"] for r in server().ask(f"{i}.{name}").records], [1], i)


@once
def tight():
    return Server("memory:", "--import-body-max", "64K")


@check("a body beyond --import-body-max is 413, one line of text, and counts nothing: {0}", rows=["identity", "gzip", "zstd", "chunked"])
def too_large(coding):
    name = fresh()
    body = ndjson([cof(f"{i}.{name}", "NS", name) for i in range(2000)])
    ok(len(body) > 65536)
    headers = {"content-encoding": coding} if coding in ("gzip", "zstd") else {}
    data = PACKED.get(coding, PACKED["identity"])(body)
    if coding == "chunked":
        headers["transfer-encoding"] = "chunked"
        data = b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + 5000]), data[i:i + 5000]) for i in range(0, len(data), 5000)) + b"0\r\n\r\n"
    else:
        ok(coding == "identity" or len(data) < 65536, "the point is that it is small until unpacked")
    with tight().connect() as conn:
        try:
            conn.send(request_bytes("POST", "/pdns/import", headers, data))
        except ConnectionError:
            pass
        error_body(conn.response(), 413)
    eq(tight().ask(name).body, b"")
    tight().feed([cof(name, "A", "192.0.2.1")])


@check("a decompression bomb is 413 soon: {0}", rows=["gzip", "zstd"])
def bomb(coding):
    data = gzip.compress(bytes(1 << 26), 9) if coding == "gzip" else zstd(bytes(1 << 28))
    began = time.monotonic()
    answer = tight().request("POST", "/pdns/import", {"content-encoding": coding}, data)
    error_body(answer, 413)
    ok(time.monotonic() - began < 3 * SLOW, "took", time.monotonic() - began)


@check("a body that is not what content-encoding says is 400: {0}", rows=["gzip", "zstd"])
def not_packed(coding):
    name = fresh()
    error_body(server().request("POST", "/pdns/import", {"content-encoding": coding}, ndjson([cof(name, "A", "192.0.2.1")])), 400)
    corrupt = bytearray(PACKED[coding](ndjson([cof(name, "A", f"192.0.2.{i}") for i in range(200)])))
    corrupt[len(corrupt) // 2] ^= 0x55
    answer = server().request("POST", "/pdns/import", {"content-encoding": coding}, bytes(corrupt))
    if answer.status != 200:  # without a checksum zstd may not notice
        error_body(answer, 400)
        eq(counts(name), {})
    else:
        eq(coding, "zstd", answer)


@check("an unknown content-encoding is 415 or 400: {0}", rows=["br", "deflate", "compress", "gzip, br", "nonsense"])
def unknown_encoding(coding):
    name = fresh()
    error_body(server().request("POST", "/pdns/import", {"content-encoding": coding}, ndjson([cof(name, "A", "192.0.2.1")])), 415, 400)
    eq(counts(name), {})


@check("a client that leaves in mid-body counts for nothing")
def cut_off():
    name = fresh()
    body = ndjson([cof(name, "A", f"192.0.2.{i}") for i in range(100)])
    for ending in (Conn.close, Conn.reset):
        conn = server().connect()
        conn.send(request_bytes("POST", "/pdns/import", {"content-length": len(body)}, body[:len(body) // 2]))
        ending(conn)
    wait_for(lambda: server().ask("nothing.test").body == b"", 5)
    server().feed(body)
    eq(set(counts(name).values()), {1})


LEFT = [(f, e) for f in ("content-length", "chunked") for e in ("close", "reset")]
LEFT_BODY = ndjson([cof("left.test", "A", "192.0.2.1")])


@once
def left_alone():
    """A server for each way to leave, after a hundred feeders left it so; their waits run at the same time."""
    servers = {}
    for framing, ending in LEFT:
        servers[framing, ending] = Server("memory:")
        for _ in range(100):
            conn = servers[framing, ending].connect()
            if framing == "chunked":
                conn.send(request_bytes("POST", "/pdns/import", {"transfer-encoding": "chunked"}) + b"fff\r\n" + LEFT_BODY)
            else:
                conn.send(request_bytes("POST", "/pdns/import", {"content-length": 100000}, LEFT_BODY))
            getattr(conn, ending)()
    return servers


@check("a hundred feeders that {1} in mid-body, {0}, do not keep the next one out", rows=LEFT)
def left_in_body(*how):
    s = left_alone()[how]
    wait_for(lambda: s.request("POST", "/pdns/import", (), LEFT_BODY).status == 200, 10, "an import is taken")
    eq([r["count"] for r in s.ask("left.test").records], [1], "and those that left count for nothing")


@check("POST to a path that takes none is 404 or 405: {0}", rows=["/pdns/imports", "/import", "/pdns/import/x", "/"])
def wrong_path(path):
    error_body(server().request("POST", path, body=b"x\n"), 404, 405)


@check("HEAD and PUT on /pdns/import are 405 and allow POST: {0}", rows=["HEAD", "PUT", "DELETE"])
def wrong_method(method):
    answer = server().request(method, "/pdns/import", body=b"" if method == "PUT" else None)
    eq(answer.status, 405, answer)
    ok("POST" in (answer.get("allow") or ""), answer)


def patient_post(body):
    """A feeder does as it is told: 503 with retry-after is no failure but a wait."""
    def accepted():
        answer = server().request("POST", "/pdns/import", (), body)
        if answer.status == 503:
            ok(re.fullmatch(r"[0-9]+", answer.get("retry-after") or ""), "503 without retry-after", answer)
            error_body(answer)
            return False
        eq(answer.status, 200, answer)
        return True
    wait_for(accepted, 30, "the server takes the body")


@check("several feeders at once: every observation counts exactly once")
def feeders():
    name = fresh()
    problems = []

    def feeder(n):
        try:
            for i in range(10):
                body = ndjson(cof(name, "A", f"192.0.2.{j}", 1, 1000 + n * 10 + i, 5000 + n * 10 + i) for j in range(50))
                patient_post(body)
        except Exception as error:
            problems.append(str(error))
    threads = [threading.Thread(target=feeder, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ok(not problems, *problems[:2])
    eq({(r["count"], r["time_first"], r["time_last"]) for r in server().ask(name).records}, {(80, 1000, 5079)})


@check("sixty thousand small imports, pipelined by six feeders: every one is answered")
def many_small():
    other = Server("memory:")
    body = ndjson([cof("small.test", "A", "192.0.2.1")])
    good = request_bytes("POST", "/pdns/import", {}, body)
    cut = request_bytes("POST", "/pdns/import", {"content-encoding": "gzip"}, gzip.compress(body)[:9])
    problems = []

    def feeder():
        try:
            with other.connect() as conn:
                for _ in range(100):
                    conn.send((good + cut) * 50)
                    answered = {b" 200 ": 0, b" 400 ": 0}
                    while sum(answered.values()) < 100:
                        while b"\n" in conn.buffer:
                            line, conn.buffer = conn.buffer.split(b"\n", 1)
                            if line.startswith(b"HTTP/1.1"):
                                answered[line[8:13]] += 1
                        if sum(answered.values()) < 100:
                            ok(conn.more(), "the connection ended")
                    eq(answered, {b" 200 ": 50, b" 400 ": 50})
        except Exception as error:
            problems.append(repr(error))
    threads = [threading.Thread(target=feeder) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ok(not problems, *problems[:2], other.err[-1500:].decode("latin-1"))
    eq(counts("small.test", other), {"192.0.2.1": 30000})
    other.stop()


@check("the real clients curl and gzip: curl --data-binary of a .gz")
def curl():
    name = fresh()
    path = temp("x.ndjson.gz", run(["gzip", "-c"], stdin=ndjson([cof(name, "A", f"192.0.2.{i}") for i in range(30)])).out)
    ran = run(["curl", "-sS", "--fail", "-H", "content-encoding: gzip", "--data-binary", "@" + path, server().url("/pdns/import")])
    eq((ran.code, json.loads(ran.out or b"{}")), (0, {"accepted": 30, "rejected": 0, "errors": []}), ran)
    eq(len(counts(name)), 30)


if __name__ == "__main__":
    main()
