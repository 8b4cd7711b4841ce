# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files through the program: times, origins, files that are included, the journal, POST."""
import json
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403

ZONE = ("$TTL 3600\n@ IN SOA ns1 host (\n 1 2 3 4 5 ) ; serial …\n\tNS ns1\nns1 A 192.0.2.1\nwww CNAME ns1\nbad A 192.0.2.300\n"
        "  TXT \"of bad\"\n")
RECORDS = [("SOA", "example.org", "ns1.example.org host.example.org 1 2 3 4 5"), ("NS", "example.org", "ns1.example.org"),
           ("A", "ns1.example.org", "192.0.2.1"), ("CNAME", "www.example.org", "ns1.example.org"), ("TXT", "bad.example.org", '"of bad"')]


def zone(text=ZONE, changed=None, name="z.zone"):
    path = temp(name, text)
    if changed:
        os.utime(path, (changed, changed))
    return path


def store():
    return os.path.join(tempdir(), "db")


def add(db, *args, code=3, **more):
    return cli("import", "--store", db, *args, code=code, **more).err.decode()


def exported(db):
    return [json.loads(line) for line in cli("export", "--store", db).out.splitlines()]


def times(db):
    return {(r.get("zone_time_first"), r.get("zone_time_last"), r.get("count"), r.get("time_first")) for r in exported(db)}


@check("a zone is known by its beginning, its time is the file's, and errors have their line")
def plain():
    db, path = store(), zone(changed=1600000000)
    said = add(db, "--origin", "example.org", path)
    ok(f"{path}:7: invalid IPv4 address\n" in said and ": 5 observations, 1 lines rejected, " in said, said)
    eq(sorted((r["rrtype"], r["rrname"], r["rdata"]) for r in exported(db)), sorted(RECORDS))
    eq(times(db), {(1600000000, 1600000000, None, None)})
    cli("check", "--store", db)


@check("the same file again is known; another time makes another source, and the range wider")
def again():
    db, path = store(), zone(changed=1600000000)
    add(db, "--origin", "example.org", path)
    ok("already imported" in add(db, "--origin", "example.org", path, code=0))
    os.utime(path, (1600100000, 1600100000))
    ok("5 observations" in add(db, "--origin", "example.org", path))
    eq(times(db), {(1600000000, 1600100000, None, None)})
    ok("5 observations" in add(db, "--origin", "example.org", "--time", "2020-09-12", path))
    eq(times(db), {(1599868800, 1600100000, None, None)})
    ok("already imported" in add(db, "--origin", "example.org", "--time", "1599868800", path, code=0))
    ok("5 observations" in add(db, "--origin", "example.net", path))
    eq(len(exported(db)), 10)
    before = seconds()
    add(db, "--origin", "example.org", "--time", "now", path)
    last = max(r["zone_time_last"] for r in exported(db))
    ok(before <= last <= time.time(), last)


@check("a pipe and a compressed file; without an origin nothing relative is believed")
def pipes():
    db = store()
    said = add(db, "-", stdin=ZONE.encode())
    ok(": 0 observations, 6 lines rejected" in said and ":2: a relative name, and there is no origin" in said, said)
    before = seconds()
    add(db, "--origin", "example.org", "-", stdin=run(["gzip", "-c"], stdin=ZONE.encode()).out)
    eq(len(exported(db)), 5)
    ok(all(before <= r["zone_time_first"] <= time.time() for r in exported(db)))


@check("what sensors saw and what stood in a zone are one record with both, in export and import too")
def both():
    db = store()
    add(db, "--origin", "example.org", "--time", "1600000000", zone())
    add(db, temp("feed.ndjson", ndjson([cof("ns1.example.org", "A", "192.0.2.1", 7, 1500000000, 1510000000)])), code=0)
    record = [r for r in exported(db) if r["rrtype"] == "A"]
    eq([(r["count"], r["time_first"], r["time_last"], r["zone_time_first"], r["zone_time_last"]) for r in record],
       [(7, 1500000000, 1510000000, 1600000000, 1600000000)])
    copy = store()
    dump = cli("export", "--store", db).out
    add(copy, temp("dump.ndjson", dump), code=0)
    eq(cli("export", "--store", copy).out, dump)


@check("answers of a record of zones alone: style {0}", rows=[("circl",), ("cof",), ("doc",)])
def answers(style):
    db = store()
    add(db, "--origin", "example.org", "--time", "1600000000", zone())
    with_server = Server(db)
    line = json.loads(with_server.ask("www.example.org", style=style).lines[0]) if style == "cof" else \
        json.loads(with_server.get(f"/{style}/pdns/query/www.example.org").lines[0])
    quoted = str if style == "doc" else int
    eq((line["count"], line["time_first"], line["time_last"]), (quoted(0), quoted(1600000000), quoted(1600000000)))
    eq(line.get("zone_time_first"), 1600000000 if style == "cof" else None)
    with_server.stop()


@check("$INCLUDE is followed when it is allowed, beside the file that says it")
def includes():
    folder = tempdir()
    os.mkdir(os.path.join(folder, "sub"))
    path = write(os.path.join(folder, "main"), "$ORIGIN example.org.\n$INCLUDE sub/hosts hosts\nw A 192.0.2.9\n")
    write(os.path.join(folder, "sub", "hosts"), "a A 192.0.2.1\nb A 1\n")
    db = store()
    said = add(db, path)
    ok(f"{path}:2: $INCLUDE is not followed unless it is allowed (--include)" in said, said)
    eq([r["rrname"] for r in exported(db)], ["w.example.org"])
    said = add(db, "--include", path)
    ok(f"{path}:2: {folder}/sub/hosts:2: invalid address character" in said or f"{path}:2: {folder}/sub/hosts:2: " in said, said)
    eq([r["rrname"] for r in exported(db)], ["a.hosts.example.org", "w.example.org"])


@check("wrong options: {0}", rows=[("--time yesterday",), ("--time 0",), ("--origin a..b",)])
def wrong(text):
    ran = cli("import", "--store", store(), "--format", "zone", *text.split(), zone(), code=(1, 2))
    ok(text.split()[1].encode() in ran.err, ran)


@check("--origin, --time and --include do not go with --server")
def not_to_servers():
    for args in (["--origin", "x"], ["--time", "now"], ["--include"]):
        ran = cli("import", "--server", "http://127.0.0.1:1", *args, zone(), code=2)
        ok(f"{args[0]} does not go with --server".encode() in ran.err, ran)


@check("a server takes a zone as seen now; the same file counts once, until it was changed")
def to_a_server():
    server = Server(store())
    path = zone("$ORIGIN example.org.\n@ SOA ns host 1 2 3 4 5\nw A 192.0.2.1\n", changed=1600000000)

    def seen():
        said = cli("import", "--server", server.url(), path).err.decode()
        ok('{"accepted": 2, "rejected": 0, "errors": []}' in said, said)
        record = server.ask("w.example.org", style="cof").records[0]
        return record["zone_time_first"], record["zone_time_last"]
    before = seconds()
    first = seen()
    ok(first[0] == first[1] and before <= first[0] <= time.time(), first)
    wait_for(lambda: seconds() > first[1], 5, "a second passes")
    eq(seen(), first)
    os.utime(path, (1600100000, 1600100000))
    later = seen()
    ok(later[0] == first[0] and later[1] > first[1], first, later)
    server.stop()


@check("a large zone comes in within bounded memory")
def large():
    path = os.path.join(tempdir(), "large")
    with open(path, "w") as f:
        f.write("$ORIGIN example.\n@ SOA ns host 1 2 3 4 5\n")
        for i in range(200000):
            f.write(f"name-{i} 3600 IN NS ns{i % 7}.example.net.\n")
    db = store()
    ran, peak = peak_of("import", "--memory", "8M", "--cache", "8M", "--store", db, path)
    ok(b"200001 observations, 0 lines rejected" in ran.err, ran)
    ok(peak < (80 << 10) * sanitized(), f"{peak} KiB")
    eq(len(cli("export", "--store", db).out.splitlines()), 200001)


if __name__ == "__main__":
    main()
