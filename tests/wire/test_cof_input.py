# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §5: how generously COF is read, row by row."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403



@once
def server():
    return Server("memory:")


serial = [0]


def take(line, accepted=1):
    """Feeds one line, in which NAME stands for a fresh name; returns what that name then owns."""
    serial[0] += 1
    name = f"cof{serial[0]}.test"
    told = server().feed((line if isinstance(line, str) else json.dumps(line)).replace("NAME", name).encode() + b"\n")
    if accepted == 0:
        eq((told["accepted"], told["rejected"], [e["line"] for e in told["errors"]]), (0, 1, [1]), told)
        ok(told["errors"][0]["error"].strip(), told)
    else:
        eq((told["rejected"], told["errors"]), (0, []), told)
    return server().ask(name, style="cof").records


def times(records):
    return [(r["count"], r["time_first"], r["time_last"]) for r in records]


BASE = '{"rrname": "NAME", "rrtype": "A", "rdata": "192.0.2.1", '


@check("numbers: {0}", rows=[
    ('"count": 3, "time_first": 100, "time_last": 200}', (3, 100, 200)),
    ('"count": "3", "time_first": "100", "time_last": "200"}', (3, 100, 200)),
    ('"count": 3.7, "time_first": 100.9, "time_last": 200.2}', (3, 100, 200)),
    ('"count": 3.0, "time_first": 1e2, "time_last": 2.0E+2}', (3, 100, 200)),
    ('"count": 3, "time_first": 1600000000.123456, "time_last": 1600000001.999999}', (3, 1600000000, 1600000001)),
    ('"count": "3", "time_first": "100.9", "time_last": "200.2"}', (3, 100, 200)),
    ('"time_first": 100, "time_last": 200}', (1, 100, 200)),
    ('"count": 0, "time_first": 100, "time_last": 200}', (1, 100, 200)),
    ('"count": "0", "time_first": 100, "time_last": 200}', (1, 100, 200)),
    ('"count": null, "time_first": 100, "time_last": 200}', (1, 100, 200)),
    ('"count": 3, "time_first": 100}', (3, 100, 100)),
    ('"count": 3, "time_last": 200}', (3, 200, 200)),
    ('"count": 3, "time_first": 100, "time_last": 0}', (3, 100, 100)),
    ('"count": 3, "time_first": 100, "time_last": "0"}', (3, 100, 100)),
    ('"count": 3, "time_first": 100, "time_last": null}', (3, 100, 100)),
    ('"count": 3, "time_first": 200, "time_last": 100}', (3, 100, 200)),
    ('"count": 3, "time_first": 100, "time_last": 100}', (3, 100, 100)),
    ('"count": 3, "time_first": 100, "time_last": 200, "x": 1, "y": {"z": [1, 2, {"a": null}]}, "bailiwick": "test"}', (3, 100, 200)),
    ('"count": 3, "time_first": 100, "time_last": 200, "origin": "https://other.test/", "sensor_id": "s1"}', (3, 100, 200)),
    ('"count": 3, "time_first": 100, "time_last": 200, "\\u0063ount2": 9}', (3, 100, 200))])
def numbers(rest, want):
    eq(times(take(BASE + rest)), [want])


@check("only the zone times: taken as the times, or rejected with a reason")
def zone_times():
    name = "zone-times.test"
    told = server().feed([dict(rrname=name, rrtype="A", rdata="192.0.2.1", count=2, zone_time_first=100, zone_time_last=200)])
    eq(told["accepted"] + told["rejected"], 1, told)
    if told["accepted"]:
        eq([t[1:] for t in times(server().ask(name).records)], [(100, 200)])


@check("an escaped member name is that member")
def escaped_member():
    eq(times(take('{"\\u0072rname": "NAME", "rrt\\u0079pe": "A", "rdata": "192.0.2.1", "time_first": 7}')), [(1, 7, 7)])


@check("rrtype {0}", rows=[('"A"',), ('"a"',), ('"TYPE1"',), ('"type1"',), ("1",), ('"1"',), ("1.0",)])
def rrtype(given):
    records = take('{"rrname": "NAME", "rrtype": %s, "rdata": "192.0.2.1", "time_first": 7}' % given)
    eq([(r["rrtype"], r["rdata"]) for r in records], [("A", "192.0.2.1")])


@check("rdata as an array: each element is a record")
def array():
    records = take({"rrname": "NAME", "rrtype": "A", "rdata": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "count": 4, "time_first": 1, "time_last": 9})
    eq([(r["rdata"], r["count"], r["time_first"], r["time_last"]) for r in records], [(f"192.0.2.{i}", 4, 1, 9) for i in (1, 2, 3)])


@check("an array of one, and one that repeats an element")
def array_odd():
    eq(times(take({"rrname": "NAME", "rrtype": "A", "rdata": ["192.0.2.1"], "count": 4, "time_first": 1})), [(4, 1, 1)])
    records = take({"rrname": "NAME", "rrtype": "NS", "rdata": ["a.test.", "A.test"], "count": 4, "time_first": 1})
    eq(len(records), 1)
    among(records[0]["count"], (4, 8))


@check("trailing dots or none: {0!r} {1!r}", rows=[("NAME", "ns.test"), ("NAME.", "ns.test."), ("NAME.", "ns.test"), ("NAME", "NS.TEST.")])
def dots(rrname, rdata):
    records = take({"rrname": rrname, "rrtype": "NS", "rdata": rdata, "time_first": 5})
    eq([r["rdata"] for r in records], ["ns.test"])


@check("white space in data is put in order: {0!r}", rows=[("10  mx.test", "10 mx.test"), ("10\tmx.test.", "10 mx.test"), (" 10 mx.test ", "10 mx.test")])
def spaces(rdata, want):
    eq([r["rdata"] for r in take({"rrname": "NAME", "rrtype": "MX", "rdata": rdata, "time_first": 5})], [want])


@check("a TXT without quotes, as feeds write it, is kept and found by its text")
def bare_txt():
    records = take({"rrname": "NAME", "rrtype": "TXT", "rdata": "v=spf1 -all", "time_first": 5})
    eq(len(records), 1)
    ok("v=spf1" in records[0]["rdata"], records)
    among(records[0]["rrname"], [r["rrname"] for r in server().ask(records[0]["rdata"], style="cof").records])


@check("rejected with its number and reason: {0}", rows=[
    '{"rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}', '{"rrname": "NAME", "rdata": "192.0.2.1", "time_first": 1}',
    '{"rrname": "NAME", "rrtype": "A", "time_first": 1}', '{"rrname": "NAME", "rrtype": "A", "rdata": "192.0.2.1"}',
    '{"rrname": "NAME", "rrtype": "A", "rdata": "192.0.2.1", "count": 5}', '{"rrname": 5, "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}',
    '{"rrname": "NAME", "rrtype": "NOSUCHTYPE", "rdata": "x", "time_first": 1}', '{"rrname": "NAME", "rrtype": 65536, "rdata": "x", "time_first": 1}',
    '{"rrname": "NAME", "rrtype": -1, "rdata": "x", "time_first": 1}', '{"rrname": "NAME", "rrtype": null, "rdata": "x", "time_first": 1}',
    '{"rrname": "NAME", "rrtype": "A", "rdata": [], "time_first": 1}', '{"rrname": "NAME", "rrtype": "A", "rdata": null, "time_first": 1}',
    '{"rrname": "NAME", "rrtype": "A", "rdata": "192.0.2.1", "time_first": "yesterday"}', '{"rrname": "NAME", "rrtype": "A", "rdata": "192.0.2.1", "time_first": -5}',
    '{"rrname": "NAME", "rrtype": "A", "rdata": "192.0.2.1", "time_first": {}}', 
    '{"rrname": "NAME", "rrtype": "A", "rdata": "192.0.2.1", "time_first": true}', '{"rrname": "NAME", "rrtype": "TYPE65536", "rdata": "x", "time_first": 1}',
    '{"rrname": "' + "a" * 64 + '.NAME", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}',
    '{"rrname": "' + "a." * 130 + 'NAME", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}',
    '{"rrname": "a..NAME", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}', '{"rrname": "", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1}',
    "{}", "not json", '["NAME"]', '{"rrname": "NAME", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1'])
def rejected(line):
    eq(take(line, accepted=0), [])


@check("a count beyond every integer is clamped or rejected, never wrapped: {0}", rows=["18446744073709551616", "1e30", "-3", "9223372036854775808"])
def huge_count(count):
    serial[0] += 1
    name = f"huge{serial[0]}.test"
    told = server().feed(('{"rrname": "%s", "rrtype": "A", "rdata": "192.0.2.1", "count": %s, "time_first": 5}\n' % (name, count)).encode())
    records = server().ask(name).records
    eq(len(records), told["accepted"], told)
    if records and float(count) > 0:
        ok(records[0]["count"] >= 2 ** 53 - 1, records)


@check("two counts that together exceed every integer do not wrap")
def overflow():
    for power in range(53, 65):
        name = f"overflow{power}.test"
        told = server().feed([cof(name, "A", "192.0.2.1", 2 ** power - 1)] * 9)
        records = server().ask(name).records
        eq(len(records), 1 if told["accepted"] else 0, told)
        if records:
            ok(2 ** power - 1 <= records[0]["count"] <= 9 * 2 ** power, power, records)


@check("the page's own lines (doc style) turned to owner = rrname are read as they are")
def doc_lines():
    other = Server("memory:")
    lines = []
    with open(SEED) as f:
        for line in f:
            lines.append({k: str(v) for k, v in json.loads(line).items()})
    eq(other.feed(lines)["accepted"], 42)
    answer = other.ask("circl.lu", style="doc")
    eq(len(answer.lines), 8)
    ok(b'"count": "260"' in answer.body, answer)
    other.stop()


DNSDB = b"""{"cond":"begin"}
{"obj":{"count":5051,"time_first":1372706073,"time_last":1468330740,"rrname":"www.fsi.test.","rrtype":"A","bailiwick":"fsi.test.","rdata":["104.244.13.104","104.244.13.105"]}}
{}
{"obj":{"count":17,"zone_time_first":1374250920,"zone_time_last":1468253883,"rrname":"fsi.test.","rrtype":"NS","bailiwick":"test.","rdata":["ns5.dnsmadeeasy.test.","ns6.dnsmadeeasy.test."]}}
{"obj":{"count":2,"time_first":1372706073,"time_last":1372706074,"rrname":"odd.fsi.test.","rrtype":"TYPE65280","bailiwick":"fsi.test.","rdata":["\\\\# 2 ABCD"]}}
{"cond":"succeeded"}
"""
ROWS = {("www.fsi.test", "A", "104.244.13.104", 5051, 1372706073, "fsi.test"), ("www.fsi.test", "A", "104.244.13.105", 5051, 1372706073, "fsi.test"),
        ("fsi.test", "NS", "ns5.dnsmadeeasy.test", None, None, "test"), ("fsi.test", "NS", "ns6.dnsmadeeasy.test", None, None, "test"),
        ("odd.fsi.test", 65280, "\\# 2 ABCD", 2, 1372706073, "fsi.test")}


def exported(store):
    rows = [json.loads(line) for line in cli("export", "--store", store).out.splitlines()]
    return {(r["rrname"], r["rrtype"], r["rdata"], r.get("count"), r.get("time_first"), r.get("bailiwick")) for r in rows}


@check("an answer of DNSDB, framed or line by line, comes in and goes through export and import")
def dnsdb():
    framed = store_of(temp("answer.json", DNSDB))
    eq(exported(framed), ROWS)
    plain = b"".join(json.dumps(json.loads(line)["obj"]).encode() + b"\n" for line in DNSDB.splitlines() if b"obj" in line)
    eq(exported(store_of(temp("plain.json", plain))), ROWS)
    dump = cli("export", "--store", framed).out
    ok(b'"zone_time_first": 1374250920, "zone_time_last": 1468253883' in dump, dump)
    eq(cli("export", "--store", store_of(temp("dump.ndjson", dump))).out, dump)


@check("an answer of DNSDB that is not complete is told: {0}", rows=[
    ("", "the answer that began in line 1 was cut off"),
    ('{"cond":"limited","msg":"Result limit reached"}\n', "the answer is not complete: Result limit reached"),
    ('{"cond":"failed","msg":"timeout"}\n', "the answer failed: timeout"),
])
def dnsdb_cut(end, reason):
    body = DNSDB[:DNSDB.rindex(b'{"cond"')] + end.encode()
    store = os.path.join(tempdir(), "db")
    ran = cli("import", "--store", store, temp("answer.json", body), code=3)
    ok(reason.encode() in ran.err and b"5 observations, 1 lines rejected" in ran.err, ran)
    eq(exported(store), ROWS)
    fresh = Server(os.path.join(tempdir(), "db"))
    told = fresh.feed(body)
    eq((told["accepted"], told["rejected"]), (5, 1))
    ok(told["errors"][0]["error"].startswith(reason), told)
    fresh.stop()


if __name__ == "__main__":
    main()
