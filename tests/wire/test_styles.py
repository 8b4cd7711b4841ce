# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §1: records, their merging, the three styles and who chooses between them."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403

ORIGIN = "https://pdns.example.org/pdns/"

# The page's eight lines for circl.lu, as it prints them.
DOC = [
    b'{"rrtype": "A", "rrname": "185.194.93.14", "rdata": "circl.lu", "count": "19", "time_first": "1696798385", "time_last": "1697890824"}',
    b'{"rrtype": "AAAA", "rrname": "2a00:5980:93::14", "rdata": "circl.lu", "count": "18", "time_first": "1696798385", "time_last": "1697890824"}',
    b'{"rrtype": "MX", "rrname": "10 cppy.circl.lu", "rdata": "circl.lu", "count": "149", "time_first": "1696786636", "time_last": "1697897232"}',
    b'{"rrtype": "NS", "rrname": "ns1.eurodns.com", "rdata": "circl.lu", "count": "5", "time_first": "1696798385", "time_last": "1697701116"}',
    b'{"rrtype": "NS", "rrname": "ns2.eurodns.com", "rdata": "circl.lu", "count": "5", "time_first": "1696798385", "time_last": "1697701116"}',
    b'{"rrtype": "NS", "rrname": "ns3.eurodns.com", "rdata": "circl.lu", "count": "5", "time_first": "1696798385", "time_last": "1697701116"}',
    b'{"rrtype": "NS", "rrname": "ns4.eurodns.com", "rdata": "circl.lu", "count": "5", "time_first": "1696798385", "time_last": "1697701116"}',
    b'{"rrtype": "SOA", "rrname": "ns1.eurodns.com hostmaster.eurodns.com 2023091306 43200 7200 1209600 86400", "rdata": "circl.lu", "count": "260", "time_first": "1696780845", "time_last": "1697183586"}',
]


def restyled(line, swap, origin=ORIGIN):
    """A line of the page with its numbers unquoted, perhaps turned to owner = rrname, and an origin."""
    r = json.loads(line)
    if swap:
        r["rrname"], r["rdata"] = r["rdata"], r["rrname"]
    for key in ("count", "time_first", "time_last"):
        r[key] = int(r[key])
    return json.dumps(dict(r, origin=origin)).encode()


CIRCL = [restyled(line, False) for line in DOC]
COF = [restyled(line, True) for line in DOC]
BODIES = {"doc": DOC, "circl": CIRCL, "cof": COF}


@once
def seed():
    return Server(store_of(SEED), "--origin", ORIGIN)


@once
def cof_server():
    return Server(store_of(SEED), "--origin", ORIGIN, "--style", "cof")


@once
def spare():
    return Server("memory:")


@check("the seed's circl.lu, style {0}, byte for byte", rows=["doc", "circl", "cof"])
def seed_bytes(style):
    answer = clean_body(seed().ask("circl.lu", style=style))
    eq(answer.lines, BODIES[style], answer)


@check("without any choice the style is circl")
def default_style():
    eq(seed().ask("circl.lu").lines, CIRCL)


@check("prefix /{0} chooses the style", rows=["doc", "circl", "cof"])
def prefix(style):
    eq(seed().ask("circl.lu", prefix="/" + style).lines, BODIES[style])


@check("/query/ is the D4 server's path: cof")
def d4_path():
    eq(seed().get("/query/circl.lu").lines, COF)


@check("a header wins over the prefix: {1} over /{0}",
       rows=[("doc", "cof"), ("cof", "doc"), ("cof", "circl"), ("circl", "doc")])
def header_over_prefix(path_style, header_style):
    eq(seed().ask("circl.lu", prefix="/" + path_style, style=header_style).lines, BODIES[header_style])


@check("a header wins over /query/")
def header_over_d4():
    eq(seed().get("/query/circl.lu", {"dribble-style": "doc"}).lines, DOC)


@check("the server's configured style applies when nobody chooses")
def server_style():
    eq(cof_server().ask("circl.lu").lines, COF)


@check("{0} wins over the server's style", rows=["prefix", "header"])
def over_server_style(how):
    given = {"prefix": "/doc"} if how == "prefix" else {"style": "doc"}
    eq(cof_server().ask("circl.lu", **given).lines, DOC)


@check("a style nobody knows is 400")
def unknown_style():
    error_body(seed().get("/pdns/query/circl.lu", {"dribble-style": "xml"}), 400)


@check("a prefix nobody knows is 404")
def unknown_prefix():
    error_body(seed().get("/xml/pdns/query/circl.lu"), 404)


@check("numbers are JSON integers in {0}", rows=["circl", "cof"])
def integers(style):
    for r in seed().ask("cdn1.wixdns.net", style=style).records:
        eq([type(r[k]) for k in ("count", "time_first", "time_last")], [int] * 3, r)
        eq(list(r), ["rrtype", "rrname", "rdata", "count", "time_first", "time_last", "origin"])


@check("numbers are decimal strings in doc, and there are six keys")
def strings():
    for r in seed().ask("cdn1.wixdns.net", style="doc").records:
        ok(all(isinstance(v, str) for v in r.values()), r)
        ok(all(r[k].isdigit() for k in ("count", "time_first", "time_last")), r)
        eq(list(r), ["rrtype", "rrname", "rdata", "count", "time_first", "time_last"])


@check("origin is a string, never null, when nothing is configured")
def origin_default():
    server = spare()
    server.feed([cof("o.example", "A", "192.0.2.1")])
    for style in ("circl", "cof"):
        for r in server.ask("o.example", style=style).records:
            ok(isinstance(r["origin"], str) and ":" in r["origin"], r)


@check("an origin with a quote, a backslash and a non-ASCII letter is refused at start or escaped")
def origin_escaped():
    odd = 'https://x.test/"\\é'
    if cli("serve", "--print-config", "--store", "memory:", "--origin", odd, code=(0, 1, 2)).code:
        return
    server = Server("memory:", "--origin", odd)
    server.feed([cof("o.example", "A", "192.0.2.1")])
    answer = clean_body(server.ask("o.example"))
    eq(answer.records[0]["origin"], odd, answer)
    server.stop()


@check("observing again adds the count, lowers the first time, raises the last: order {0}",
       rows=[(o,) for o in ("012", "021", "102", "120", "201", "210")])
def merge(order):
    server = spare()
    name = f"merge{order}.example"
    seen = [cof(name, "A", "192.0.2.9", 5, 2000, 3000), cof(name, "A", "192.0.2.9", 7, 1000, 2500),
            cof(name, "A", "192.0.2.9", 1, 4000, 9000)]
    for i in order:
        server.feed([seen[int(i)]])
    eq([(r["count"], r["time_first"], r["time_last"]) for r in server.ask(name).records],
       [(13, 1000, 9000)])
    eq(server.ask("192.0.2.9", style="cof").records and
       [(r["count"], r["time_first"], r["time_last"]) for r in server.ask("192.0.2.9", style="cof").records
        if r["rrname"] == name], [(13, 1000, 9000)], "by its data")


@check("the same record in other spellings is the same record")
def one_record():
    server = spare()
    server.feed([cof("Spelt.Example.", "aaaa", "2001:DB8:0:0:0:0:0:1"), cof("spelt.example", "AAAA", "2001:db8::1"),
                 cof("SPELT.EXAMPLE", "TYPE28", "2001:0db8::0001"), cof("spelt.example.", 28, "2001:db8::1")])
    answer = server.ask("spelt.example", style="cof")
    eq([(r["rrtype"], r["rrname"], r["rdata"], r["count"]) for r in answer.records],
       [("AAAA", "spelt.example", "2001:db8::1", 4)], answer)


@check("big numbers: count 2^53-1 and times past 2038 come back whole")
def big_numbers():
    server = spare()
    server.feed([cof("big.example", "A", "192.0.2.3", 2 ** 53 - 1, 2 ** 32, 2 ** 33)])
    eq([(r["count"], r["time_first"], r["time_last"]) for r in server.ask("big.example").records],
       [(2 ** 53 - 1, 2 ** 32, 2 ** 33)])


@check("no trailing dot on any name, {0}", rows=[
    ("NS", "ns.dot.example."), ("MX", "10 mx.dot.example."), ("SRV", "0 5 5060 sip.dot.example."),
    ("SOA", "ns.dot.example. admin.dot.example. 1 2 3 4 5"), ("CNAME", "c.dot.example."),
    ("PTR", "p.dot.example."), ("RP", "mbox.dot.example. txt.dot.example.")])
def no_dots(rrtype, rdata):
    server = spare()
    name = f"{rrtype.lower()}.dots.example"
    server.feed([cof(name + ".", rrtype, rdata)])
    eq([(r["rrname"], r["rdata"]) for r in server.ask(name, style="cof").records],
       [(name, rdata.replace("example.", "example"))])


@check("a type without a mnemonic: a number in circl and cof, TYPE65280 in doc")
def unknown_type():
    server = spare()
    server.feed([cof("t.example", "TYPE65280", "\\# 4 0a000001")])
    for style, want in (("circl", 65280), ("cof", 65280), ("doc", "TYPE65280")):
        answer = clean_body(server.ask("t.example", style=style))
        eq([r["rrtype"] for r in answer.records], [want], style)
    data = server.ask("t.example", style="cof").records[0]["rdata"]
    eq(data.lower().replace(" ", ""), "\\#40a000001")


@check("a known type given as TYPEn or as a number gets its mnemonic, {0!r}", rows=[(257,), ("TYPE257",), ("257",)])
def known_type(given):
    server = spare()
    name = f"caa-{str(given).lower()}-{type(given).__name__}.example"
    server.feed([cof(name, given, '0 issue "ca.example"')])
    eq([(r["rrtype"], r["rdata"]) for r in server.ask(name, style="cof").records],
       [("CAA", '0 issue "ca.example"')])


@check("the order is the page's: mnemonic, then data, then owner")
def order():
    server = spare()
    rows = [("TXT", '"a"'), ("NS", "b.order.test"), ("NS", "a.order.test"), ("A", "192.0.2.2"), ("MX", "5 m.order.test"),
            ("SOA", "a.order.test b.order.test 1 2 3 4 5"), ("AAAA", "2001:db8::2"), ("CAA", '0 issue "x"'), ("CNAME", "z.order.test")]
    server.feed([cof("order.test", t, d) for t, d in rows])
    got = [(r["rrtype"], r["rdata"]) for r in server.ask("order.test", style="cof").records]
    eq(got, sorted(rows))
    server.feed([cof(f"{n}.order.test", "CNAME", "hub.order.test") for n in ("c", "2", "a", "b")])
    eq([r["rrname"] for r in server.ask("hub.order.test", style="cof").records],
       [f"{n}.order.test" for n in ("2", "a", "b", "c")])


@check("vary names what the answer depends on")
def vary():
    for answer in (seed().ask("circl.lu"), seed().ask("nothing.example"), seed().ask("circl.lu", count=3)):
        eq(answer.get("vary"), "authorization, dribble-style, dribble-filter-rrtype, dribble-paginate-count, "
           "dribble-paginate-cursor, dribble-disable-active-query, dribble-active-errors", answer)


if __name__ == "__main__":
    main()
