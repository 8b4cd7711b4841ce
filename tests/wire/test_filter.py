# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §2: the rrtype filter and the maxset of unpaginated answers."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403



@once
def seed():
    return Server(store_of(SEED))


@once
def small():
    """maxset 3: cheap to exceed."""
    server = Server("memory:", "--maxset", 3)
    rows = []
    for rrtype, many in (("A", 5), ("MX", 3), ("NS", 4), ("TXT", 2)):
        for i in range(many):
            rdata = {"A": f"192.0.2.{i}", "MX": f"{i} mx.set.test", "NS": f"ns{i}.set.test", "TXT": f'"t{i}"'}[rrtype]
            rows.append(cof("set.test", rrtype, rdata))
    rows += [cof(f"{i}.from.test", "CNAME", "set.test") for i in range(7)]
    rows += [cof("just.test", "A", f"198.51.100.{i}") for i in range(3)]
    rows += [cof("dup.test", "PTR", t) for t in ("dup.test", "a.test", "b.test", "c.test")]
    rows += [cof(f"s{i}.test", "SOA", f"one.name.test one.name.test {i} 2 3 4 5") for i in range(4)]
    rows += [cof(f"h{i}.test", "HTTPS", "1 . ipv4hint=203.0.113.9,203.0.113.9") for i in range(4)]
    rows += [cof("odd.test", "TYPE65280", f"\\# 1 0{i}") for i in range(5)]
    server.feed(rows)
    return server


def types(answer):
    return sorted({r["rrtype"] for r in answer.records})


def maxset(*rows):
    """The header's exact text for (value, limit, rrtype, total) rows."""
    return json.dumps([dict(error="maxset", record=v, value=n, rrtype=t, total_value=total) for v, n, t, total in rows])


@check("filter {0!r} on circl.lu: {1} of type {2}", rows=[
    ("SOA", 1, ["SOA"]), ("soa", 1, ["SOA"]), ("SoA", 1, ["SOA"]), ("TYPE6", 1, ["SOA"]), ("type6", 1, ["SOA"]), ("6", 1, ["SOA"]),
    ("NS", 4, ["NS"]), ("AAAA", 1, ["AAAA"]), ("TXT", 0, []), ("TYPE257", 0, []), ("257", 0, []),
    ("A,NS", 5, ["A", "NS"]), ("A, NS", 5, ["A", "NS"]), ("ns , a ,SOA", 6, ["A", "NS", "SOA"]), ("A,A", 1, ["A"]),
    ("A,TYPE1,1", 1, ["A"]), ("A,NOSUCHTYPE", 1, ["A"]), ("15,TYPE28", 2, ["AAAA", "MX"])])
def filtered(given, count, wanted):
    answer = clean_body(seed().ask("circl.lu", rrtype=given))
    eq((len(answer.records), types(answer)), (count, wanted), answer)


@check("a type nobody knows gives an empty 200: {0!r}", rows=["NOSUCHTYPE", "TYPE64999", "64999"])
def unknown(given):
    answer = seed().ask("circl.lu", rrtype=given)
    eq((answer.body, answer.get("content-length"), answer.errors), (b"", "0", None), answer)


@check("a malformed type is an empty 200 or 400, never 5xx: {0!r}", rows=["TYPE", "TYPE65536", "99999999999999999999", "-1", ",", "A;B", "é"])
def malformed(given):
    answer = seed().get("/pdns/query/circl.lu", {"dribble-filter-rrtype": given})
    if answer.status == 200:
        eq(answer.body, b"", answer)
    else:
        error_body(answer, 400)


@check("filter TYPE257 and 257 find CAA, TYPE65280 an unknown type")
def by_number():
    server = small()
    server.feed([cof("caa.test", "CAA", '0 issue "x.test"'), cof("caa.test", "A", "192.0.2.200")])
    for given in ("TYPE257", "257", "caa"):
        eq(types(server.ask("caa.test", rrtype=given)), ["CAA"], given)
    for given in ("TYPE65280", "65280", "type65280"):
        eq(types(server.ask("odd.test", rrtype=given)), [65280], given)


@check("the filter applies to records found by their data as well")
def filter_data():
    eq(types(seed().ask("ns1.eurodns.com")), ["NS", "SOA"])
    eq(types(seed().ask("ns1.eurodns.com", rrtype="SOA")), ["SOA"])
    eq(types(seed().ask("ns1.eurodns.com", rrtype="NS")), ["NS"])


@check("the page's SOA filter on circl.lu, byte for byte")
def page_soa():
    eq(seed().ask("circl.lu", rrtype="SOA", style="doc").body,
       b'{"rrtype": "SOA", "rrname": "ns1.eurodns.com hostmaster.eurodns.com 2023091306 43200 7200 1209600 86400", '
       b'"rdata": "circl.lu", "count": "260", "time_first": "1696780845", "time_last": "1697183586"}\n')


@check("maxset: at most that many of each type, one object a type that has more, in the answer's order")
def several_types():
    answer = clean_body(small().ask("set.test", style="cof"))
    counts = {}
    for r in answer.records:
        counts[r["rrtype"]] = counts.get(r["rrtype"], 0) + 1
    eq(counts, {"A": 3, "CNAME": 3, "MX": 3, "NS": 3, "TXT": 2}, answer)
    eq(answer.errors, maxset(("set.test", 3, "A", 5), ("set.test", 3, "CNAME", 7), ("set.test", 3, "NS", 4)), answer)
    eq(answer.cursor, None, answer)


@check("maxset keeps the first records of each type")
def first_ones():
    whole = [r for p in small().pages("set.test", 1000) for r in p.records]
    kept, seen = [], {}
    for r in whole:
        seen[r["rrtype"]] = seen.get(r["rrtype"], 0) + 1
        if seen[r["rrtype"]] <= 3:
            kept.append(r)
    eq(small().ask("set.test").records, kept)


@check("exactly maxset records: no header")
def exactly():
    answer = small().ask("just.test")
    eq((len(answer.records), answer.errors, answer.all("x-dribble-errors")), (3, None, []), answer)


@check("maxset with a filter tells only of that type")
def with_filter():
    answer = small().ask("set.test", rrtype="NS")
    eq((len(answer.records), answer.errors), (3, maxset(("set.test", 3, "NS", 4))), answer)
    answer = small().ask("set.test", rrtype="MX,TXT")
    eq((len(answer.records), answer.errors), (5, None), answer)


@check("total_value counts a record that matches in two ways once: {0}", rows=[
    ("dup.test", "PTR", 4), ("one.name.test", "SOA", 4), ("203.0.113.9", "HTTPS", 4)])
def total_once(value, rrtype, total):
    answer = small().ask(value)
    eq((len(answer.records), answer.errors), (3, maxset((value, 3, rrtype, total))), answer)


@check("maxset of a type without a mnemonic")
def odd_type():
    answer = small().ask("odd.test")
    told = json.loads(answer.errors)
    eq([list(t) for t in told], [["error", "record", "value", "rrtype", "total_value"]], answer)
    eq((told[0]["value"], told[0]["total_value"]), (3, 5), answer)
    among(told[0]["rrtype"], (65280, "TYPE65280"), answer)


@check("HEAD tells of the maxset, too")
def head():
    answer = small().request("HEAD", "/pdns/query/set.test")
    eq(answer.errors, small().ask("set.test").errors, answer)


@check("the value in the maxset header cannot break it: {0!r}", rows=['a"b.test', "a\\.b.test", "é.test"])
def quoted_record(value):
    owner = "xn--9ca.test" if value == "é.test" else value.replace('"', '\\"')
    small().feed([cof(owner, "A", f"192.0.2.{i}") for i in range(5)])
    answer = small().ask(value)
    if answer.errors is None:
        eq(value, 'a"b.test', "found nothing", answer)
        answer = small().ask(owner)
    told = json.loads(answer.errors)
    ok(answer.errors.isascii(), answer)
    eq((told[0]["rrtype"], told[0]["total_value"]), ("A", 5), answer)


@once
def wix():
    """cdn1.wixdns.net as on the page, in small: 2345 aliases, and a second type beside them."""
    rows = [cof(f"h{i:05d}.example.com", "CNAME", "cdn1.wixdns.net", first=1600000000 + i) for i in range(2345)]
    rows += [cof("cdn1.wixdns.net", "A", f"192.0.2.{i}") for i in range(10)]
    exact = [cof(f"e{i:05d}.example.com", "CNAME", "exact.wixdns.net") for i in range(1000)]
    over = [cof(f"o{i:05d}.example.com", "CNAME", "over.wixdns.net") for i in range(1001)]
    return Server(store_of(temp("wix.ndjson", ndjson(rows + exact + over))))


@check("1000 records of a type by default, and the page's header exactly")
def default_maxset():
    answer = clean_body(wix().ask("cdn1.wixdns.net"))
    eq(len([r for r in answer.records if r["rrtype"] == "CNAME"]), 1000)
    eq(len([r for r in answer.records if r["rrtype"] == "A"]), 10)
    eq(answer.errors, '[{"error": "maxset", "record": "cdn1.wixdns.net", "value": 1000, "rrtype": "CNAME", "total_value": 2345}]', answer.head)
    eq(answer.cursor, None)


@check("exactly 1000: no header; 1001: total_value 1001")
def around():
    answer = wix().ask("exact.wixdns.net")
    eq((len(answer.lines), answer.errors), (1000, None), answer.head)
    answer = wix().ask("over.wixdns.net")
    eq((len(answer.lines), answer.errors), (1000, maxset(("over.wixdns.net", 1000, "CNAME", 1001))), answer.head)


@check("total_value stays exact while records arrive, and merging does not raise it")
def total_follows():
    for n in range(1002, 1006):
        wix().feed([cof(f"o{n:05d}.example.com", "CNAME", "over.wixdns.net"), cof("o00001.example.com", "CNAME", "over.wixdns.net")])
        eq(wix().ask("over.wixdns.net").errors, maxset(("over.wixdns.net", 1000, "CNAME", n)))


@check("total_value adds up when a text is found as it is and in lower case, in whatever order it was counted")
def total_of_two_texts():
    rows = [cof(f"u{i}.text.test", "TXT", "ABC def") for i in range(6)] + [cof(f"l{i}.text.test", "TXT", "abc def") for i in range(5)]
    small().feed(rows)
    for value, total in (('"ABC def"', 11), ('"abc def"', 5), ('"ABC def"', 11)):
        answer = small().ask(value)
        eq((len(answer.lines), json.loads(answer.errors)[0]["total_value"]), (3, total), answer.head)


@check("total_value is exact again after a restart")
def total_after_restart():
    old = wix()
    want = old.ask("over.wixdns.net").errors
    old.stop()
    server = Server(old.store)
    eq(server.ask("over.wixdns.net").errors, want)
    eq(json.loads(server.ask("cdn1.wixdns.net").errors)[0]["total_value"], 2345)
    server.stop()


if __name__ == "__main__":
    main()
