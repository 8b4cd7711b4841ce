# SPDX-License-Identifier: GPL-3.0-or-later
"""Sensors: whom what counts for, and where that shows. Headers of POST that say what a body is."""
import json
import os
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403
from dnstap import START, STOP, control, frame, said  # noqa: E402


def lines(prefix, n, **more):
    return ndjson([cof(f"n{i}.{prefix}.info.test", "A", "192.0.2.1", **more) for i in range(n)])


def info(server):
    answer = server.get("/info")
    eq((answer.status, answer.get("content-type")), (200, "application/json"), answer)
    return json.loads(answer.body)


def counts(server):
    return {s["sensor_id"]: (s["count"], s["rejected"]) for s in info(server)["sensors"]}


def new_store():
    return os.path.join(tempdir("store"), "db")


TAP = control(START) + said("one.tap.test") + said("two.tap.test", identity=b"") + frame(b"noise") + control(STOP, None)


@check("an empty server has no sensors; HEAD has the same headers; POST is refused")
def empty():
    server = Server("memory:")
    told = info(server)
    eq((told["software"], told["stats"], told["sensors"], told["sensors_total"], told["sensors_complete"], told["failing"], told["feeders"]),
       ("dribble", 0, [], 0, True, False, []), told)
    ok(re.fullmatch(r"\d+\.\d+\.\d+", told["version"]) and told["uptime"] < 600 and told["store"]["rows"] == 0, told)
    eq(server.request("HEAD", "/info").status, 200)
    eq(server.request("POST", "/info", body=b"x").status, 405)


@check("whom a body counts for: {0}", rows=["nobody said", "dribble-sensor", "the lines", "both"])
def whose(what):
    server = Server(new_store())
    headers = {"dribble-sensor": "header"} if what in ("dribble-sensor", "both") else {}
    body = lines("w", 3, **({"sensor_id": "line"} if what in ("the lines", "both") else {})) + lines("v", 2) + b"bad\n"
    before = seconds()
    server.feed(body, headers=headers)
    own = "header" if headers else "anonymous"
    want = {own: (5, {"malformed": 1})} if what in ("nobody said", "dribble-sensor") else {"line": (3, {"malformed": 0}), own: (2, {"malformed": 1})}
    eq(counts(server), want)
    for s in info(server)["sensors"]:
        ok(before <= s["first_contact"] <= s["last_contact"] <= time.time() + 1, s)
    server.feed(body, headers=headers)
    eq(counts(server), {k: (2 * n, {"malformed": 2 * r["malformed"]}) for k, (n, r) in want.items()})
    eq(info(server)["stats"], 10)
    server.stop()
    cli("check", "--store", server.store)
    again = Server(server.store)
    eq(info(again)["stats"], 10)


@check("with accounts it is the account's name, and only readers see /info")
def accounts():
    store = new_store()
    for name, role in (("anna", "reader"), ("fred", "feeder")):
        cli("user", "add", name, "--store", store, "--role", role, stdin=b"secret\n", env={})
    server = Server(store)
    basic = lambda who: {"authorization": "Basic " + __import__("base64").b64encode(f"{who}:secret".encode()).decode()}  # noqa: E731
    server.feed(lines("a", 4), headers=basic("fred"))
    eq(server.get("/info").status, 401)
    eq(server.get("/info", headers=basic("fred")).status, 403)
    answer = server.get("/info", headers=basic("anna"))
    eq([(s["sensor_id"], s["count"]) for s in json.loads(answer.body)["sensors"]], [("fred", 4)])


@check("a body with an idempotency key counts once for its sensor, too")
def once_only():
    server = Server(new_store())
    for _ in range(3):
        server.feed(lines("k", 7) + b"bad\n", headers={"idempotency-key": "k1", "dribble-sensor": "s"})
    eq(counts(server), {"s": (7, {"malformed": 1})})


@check("a body that is refused counts for nobody")
def nobody():
    server = Server(new_store())
    eq(server.request("POST", "/pdns/import", {"content-encoding": "gzip", "dribble-sensor": "s"}, lines("x", 5)).status, 400)
    eq(counts(server), {})


@check("dribble-format: {0}", rows=["dnstap", "cof", "passivedns", "zone"])
def formats(name):
    body = {"dnstap": TAP, "cof": lines("f", 2), "zone": b"$ORIGIN f.test.\n$TTL 60\na A 192.0.2.1\n$INCLUDE /etc/passwd\nb A 192.0.2.2\n",
            "passivedns": b"1322849924||10.1.1.1||8.8.8.8||IN||a.f.test.||A||192.0.2.1||46587||5\n"
                          b"1322849924||10.1.1.1||8.8.8.8||IN||b.f.test.||A||192.0.2.1||46587||1\n"}[name]
    server = Server(new_store())
    told = server.feed(body, headers={"dribble-format": name})
    eq((told["accepted"], told["rejected"]), (2, 1 if name in ("dnstap", "zone") else 0), told)
    if name == "dnstap":
        eq(counts(server), {"anonymous": (1, {"malformed": 1}), "sender.test": (1, {"malformed": 0})})
    if name == "zone":
        eq(len(server.ask("b.f.test", style="cof").records), 1)


@check("refused: {0}: {1!r}", rows=[("dribble-format", "nosuch"), ("dribble-format", ""), ("dribble-sensor", ""), ("dribble-sensor", "x" * 256)])
def refused(header, value):
    server = Server("memory:")
    error_body(server.request("POST", "/pdns/import", {header: value}, lines("r", 1)), 400)
    eq(counts(server), {})


@check("import --server sends files of any format, and the sensor")
def import_server():
    server = Server(new_store())
    path = temp("x.tap", TAP)
    cli("import", "--server", server.url(), "--sensor", "probe", path, code=3)
    cli("import", "--server", server.url(), "--format", "dnstap", "--sensor", "probe", path, code=3)  # the same again
    cli("import", "--server", server.url(), temp("y.ndjson", lines("y", 2)))
    eq({k: n for k, (n, _) in counts(server).items()}, {"probe": 1, "sender.test": 1, "anonymous": 2})


@check("import into a store: --sensor, or import")
def import_store():
    store = new_store()
    cli("import", "--store", store, "--sensor", "probe", temp("x.tap", TAP), code=3)
    cli("import", "--store", store, temp("y.ndjson", lines("y", 2)))
    said_ = cli("stats", "--store", store).out.decode()
    for who, n in (("probe", 1), ("sender.test", 1), ("import", 2)):
        ok(re.search(rf"^  {who} +{n} \d{{4}}-", said_, re.M), said_)
    ok("malformed 1" in said_, said_)
    cli("import", "--store", store, "--sensor", "", temp("z", b"{}"), code=2)


@check("ids of any octets come out as text")
def odd_ids():
    server = Server(new_store())
    ids = ["a b", "quote\"", "back\\slash", "new\nline", "\u00e9", "x" * 255]
    server.feed(b"".join(lines(f"o{i}", 1, sensor_id=name) for i, name in enumerate(ids)))
    answer = server.get("/info")
    ok(not re.search(rb"[^\x20-\x7e\n]", answer.body), answer)
    eq(sum(s["count"] for s in json.loads(answer.body)["sensors"]), 6)
    server.stop()
    said_ = cli("stats", "--store", server.store).out
    ok(not re.search(rb"[^\x20-\x7e\n]", said_), said_)
    eq(said_.count(b"\n"), 6 + 1 + 6, said_)


@check("many sensors: /info shows the first 1000 and says so, stats 100, and all when asked")
def many():
    server = Server(new_store())
    server.feed(b"".join(lines("m", 1, sensor_id=f"s{i:05}") for i in range(6000)))
    told = info(server)
    eq((len(told["sensors"]), told["sensors_total"], told["sensors_complete"], told["stats"]), (1000, 6000, False, 6000))
    eq(told["sensors"][999]["sensor_id"], "s00999")
    server.stop()
    short, long = (cli("stats", "--store", server.store, "--quick", *more).out.decode() for more in ([], ["--sensors"]))
    ok("--sensors shows them all" in short and short.count("\n") == 104, short[-300:])
    ok("s05999" in long and long.count("\n") == 6003, long[-300:])
    cli("check", "--store", server.store)
    eq(len(cli("export", "--store", server.store).out.splitlines()), 1)


if __name__ == "__main__":
    main()
