# SPDX-License-Identifier: GPL-3.0-or-later
"""Any order, any split, any mix of runs: one stream of observations gives one database."""
import gzip
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403


CHANCE = seeded()
OWNERS = ["example.test", "www.example.test", "a.b.c.example.test", "test", "x\\.y.example.test", "nul\\000.example.test", "q\\\"uote.example.test",
          "sp\\032ace.example.test", "back\\\\slash.test", "_sip._tcp.example.test", "*.example.test", "xn--bcher-kva.test", "l" * 63 + ".test",
          ".".join(["m" * 60] * 4), "1.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa", "high\\255.test", "lf\\010.test"]
PLAIN = {o for o in OWNERS if "\\" not in o and "/" not in o}


def flip(text):
    """The same name in another letter case, with or without its dot."""
    text = "".join(c.upper() if CHANCE.random() < 0.3 else c for c in text)
    return text + "." if CHANCE.random() < 0.4 else text


def spelled_address(n):
    full = f"2001:db8:0:0:0:0:0:{n:x}"
    return CHANCE.choice([f"2001:db8::{n:x}", full, full.upper(), f"2001:0db8::{n:04x}"])


def universe():
    """(owner, rrtype, canonical rdata or None where only the server knows it, a function that spells it)."""
    rows = []
    for owner in OWNERS:
        for i in range(CHANCE.randrange(2, 6)):
            rows.append((owner, "A", f"192.0.2.{i}", lambda i=i: f"192.0.2.{i}"))
        for i in (1, 20):
            rows.append((owner, "AAAA", f"2001:db8::{i:x}", lambda i=i: spelled_address(i)))
        for target in CHANCE.sample(sorted(PLAIN), 3):
            rows.append((owner, "NS", target, lambda t=target: flip(t)))
            rows.append((owner, "MX", "10 " + target, lambda t=target: "10" + CHANCE.choice([" ", "  "]) + flip(t)))
        soa = CHANCE.choice(sorted(PLAIN))
        rows.append((owner, "SOA", f"{soa} {soa} 1 2 3 4 5", lambda s=soa: f"{flip(s)} {flip(s)} 1 2 3 4 5"))
        rows.append((owner, "TXT", '"Case Kept"', lambda: '"Case Kept"'))
        rows.append((owner, "TXT", '"case kept"', lambda: '"case kept"'))
        rows.append((owner, "TXT", None, lambda: '"nul \\000 high \\255 \\"q\\""'))
        rows.append((owner, "TXT", None, lambda: " ".join(['"' + "z" * 255 + '"'] * 9)))
        rows.append((owner, "TXT", None, lambda: " ".join(['"' + "z" * 255 + '"'] * 9 + ['"end"'])))
        rows.append((owner, "TYPE65280", None, lambda: CHANCE.choice(["\\# 4 0a00ff7f", "\\# 4 0A00 FF7F"])))
        rows.append((owner, "HTTPS", None, lambda: CHANCE.choice(["1 . alpn=h2 ipv4hint=192.0.2.1", "1 . ipv4hint=192.0.2.1 alpn=h2"])))
        rows.append((owner, "A", "not an address", lambda: "not an address"))
        rows.append((owner, "CNAME", None, lambda: flip("dot\\.ted.test")))
    return rows


UNIVERSE = universe()
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "HTTPS": 65, "TYPE65280": 65280}


def stream(size):
    """[line], and the model: index in UNIVERSE -> [count, first, last]."""
    lines, model = [], {}
    for _ in range(size):
        n = int(CHANCE.triangular(0, len(UNIVERSE) - 1, 0))
        owner, rrtype, _, spell = UNIVERSE[n]
        first = CHANCE.randrange(1, 2000)
        last = first + CHANCE.choice([0, 0, 1, 500])
        count = CHANCE.choice([1, 1, 1, 2, 7, 1000])
        record = {"rrname": flip(owner) if "\\" not in owner else owner, "rdata": spell(), "time_first": first, "time_last": last,
                  "rrtype": CHANCE.choice([rrtype, rrtype.lower(), f"TYPE{TYPES[rrtype]}", TYPES[rrtype]]), "count": count}
        form = CHANCE.random()
        if form < 0.1:
            record = {k: str(v) for k, v in record.items()}
        elif form < 0.2:
            record["time_first"], record["time_last"] = record["time_last"], record["time_first"]
        elif form < 0.3:
            record["rdata"] = [record["rdata"]]
        if count == 1 and CHANCE.random() < 0.5:
            del record["count"]
        lines.append(json.dumps(record).encode() + b"\n")
        have = model.setdefault(n, [0, first, last])
        model[n] = [have[0] + count, min(have[1], first), max(have[2], last)]
    return lines, model


LINES, MODEL = stream(6000)


def export(store):
    return cli("export", "--store", store).out


def imported(*runs):
    """A store made of import runs, each a list of byte strings: its files."""
    store = os.path.join(tempdir(), "db")
    for files in runs:
        paths = [temp(f"part{n}.ndjson" + (".gz" if CHANCE.random() < 0.3 else ""), data) for n, data in enumerate(files)]
        paths = [p if not p.endswith(".gz") else write(p, gzip.compress(open(p, "rb").read())) for p in paths]
        cli("import", "--store", store, *paths)
    return store


@once
def reference():
    return imported([b"".join(LINES)])


@once
def wanted():
    return export(reference())


def same(got, what):
    if got != wanted():
        ours, theirs = set(got.splitlines()), set(wanted().splitlines())
        raise Fail(f"{what}: the export differs", *(f"only here: {clip(l)}" for l in sorted(ours - theirs)[:4]),
                   *(f"only in one import: {clip(l)}" for l in sorted(theirs - ours)[:4]), "order only" if ours == theirs else "")


@check("the merge is the model's: number of records, counts, times")
def model():
    rows = [json.loads(line) for line in wanted().splitlines()]
    eq(len(rows), len(MODEL), "records")
    eq(sorted((r["count"], r["time_first"], r["time_last"]) for r in rows), sorted(tuple(v) for v in MODEL.values()))


@check("records with plain spelling are exactly the model's")
def model_exact():
    got = {(r["rrname"], r["rrtype"], r["rdata"]): (r["count"], r["time_first"], r["time_last"]) for r in map(json.loads, wanted().splitlines())}
    for n, value in MODEL.items():
        owner, rrtype, rdata, _ = UNIVERSE[n]
        if owner in PLAIN and rdata is not None:
            eq(got.get((owner, rrtype, rdata)), tuple(value), owner, rrtype, rdata)


@check("any order: shuffle {0}", rows=[(i,) for i in range(3)])
def order(_):
    lines = LINES.copy()
    CHANCE.shuffle(lines)
    same(export(imported([b"".join(lines)])), "shuffled")


@check("sorted, and reversed")
def sorted_order():
    same(export(imported([b"".join(sorted(LINES))])), "sorted")
    same(export(imported([b"".join(sorted(LINES, reverse=True))])), "reversed")


def split(lines, parts):
    cuts = sorted(CHANCE.randrange(len(lines)) for _ in range(parts - 1))
    return [b"".join(lines[a:b]) for a, b in zip([0, *cuts], [*cuts, len(lines)])]


def distinct(parts):
    """Parts as files: an empty one is left out, since equal files count once."""
    return [p for p in parts if p]


@check("any split into {0} files of one run", rows=[(2,), (9,)])
def one_run(parts):
    same(export(imported(distinct(split(LINES, parts)))), f"{parts} files")


@check("any split into {0} runs", rows=[(2,), (7,)])
def runs(parts):
    same(export(imported(*[[p] for p in distinct(split(LINES, parts))])), f"{parts} runs")


@check("files and POSTs mixed, with restarts between")
def mixed():
    parts = distinct(split(LINES, 8))
    store = imported([parts[0], parts[1]])
    for a, b in ((parts[2], parts[3]), (parts[4], parts[5])):
        server = Server(store)
        server.feed(a)
        server.feed(gzip.compress(b), {"content-encoding": "gzip"})
        server.stop()
    cli("import", "--store", store, temp("last.ndjson", b"".join(parts[6:])))
    same(export(store), "mixed")


@check("export, import, export: the same bytes")
def round_trip():
    same(export(imported([wanted()])), "rebuilt")


@check("check finds both directions in agreement")
def both_directions():
    cli("check", "--store", reference())


@check("the memory store answers every question as rocksdb does")
def memory():
    disk, memory_server = Server(reference()), Server("memory:")
    for part in distinct(split(LINES, 5)):
        memory_server.feed(part)
    rows = [json.loads(line) for line in wanted().splitlines()]
    questions = {r["rrname"] for r in rows} | {r["rdata"] for r in rows} | {"dot\\.ted.test", "192.0.2.1"}
    seen = 0
    with disk.connect() as a, memory_server.connect() as b:
        for value in sorted(questions):
            for headers in ({"dribble-style": "cof"}, {"dribble-paginate-count": 3}):
                path = "/pdns/query/" + quote(value)
                one, two = a.ask("GET", path, headers), b.ask("GET", path, headers)
                eq((one.status, one.body, one.cursor, one.errors), (two.status, two.body, two.cursor, two.errors), f"{value!r} {headers}")
                eq(one.status, 200, value, one)
                seen += len(one.lines)
    ok(seen > len(rows), seen)
    for server in (disk, memory_server):
        server.stop()


@check("every record is found by its owner and by its data as printed, with the same numbers")
def found_both_ways():
    server = Server(reference(), "--maxset", 100000)
    rows = [json.loads(line) for line in wanted().splitlines()]
    answers = {}
    with server.connect() as conn:
        for r in rows:
            for value in (r["rrname"], r["rdata"]):
                if value not in answers:
                    answer = conn.ask("GET", "/pdns/query/" + quote(value), {"dribble-style": "cof"})
                    eq(answer.status, 200, value, answer)
                    answers[value] = {(x["rrname"], x["rrtype"], x["rdata"]): (x["count"], x["time_first"], x["time_last"]) for x in answer.records}
                eq(answers[value].get((r["rrname"], r["rrtype"], r["rdata"])), (r["count"], r["time_first"], r["time_last"]), f"asked {value!r} for {r}")
    server.stop()


if __name__ == "__main__":
    main()
