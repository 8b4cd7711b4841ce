# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §2: what a value finds, how it is read, and which paths and methods there are."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403


# (rrtype, rdata, [values that must find it by its data]); the owner is NN.look.test.
DATA = [
    ("A", "192.0.2.10", ["192.0.2.10"]),
    ("AAAA", "2001:db8::10", ["2001:db8::10"]),
    ("NS", "ns.t1.test", ["ns.t1.test"]),
    ("CNAME", "cname.t2.test", ["cname.t2.test"]),
    ("DNAME", "dname.t3.test", ["dname.t3.test"]),
    ("PTR", "ptr.t4.test", ["ptr.t4.test"]),
    ("MX", "10 mx.t5.test", ["mx.t5.test", "10 mx.t5.test"]),
    ("SRV", "1 2 5060 srv.t6.test", ["srv.t6.test", "1 2 5060 srv.t6.test"]),
    ("SOA", "mname.t7.test rname.t7.test 1 2 3 4 5", ["mname.t7.test", "rname.t7.test"]),
    ("SVCB", "1 svcb.t8.test port=853", ["svcb.t8.test"]),
    ("HTTPS", "1 https.t9.test ipv4hint=192.0.2.11,192.0.2.12 ipv6hint=2001:db8::11",
     ["https.t9.test", "192.0.2.11", "192.0.2.12", "2001:db8::11"]),
    ("HTTPS", "1 . alpn=h2 ipv4hint=192.0.2.13", ["192.0.2.13"]),
    ("SVCB", "0 alias.t10.test", ["alias.t10.test"]),
    ("RP", "mbox.t11.test txt.t11.test", ["mbox.t11.test", "txt.t11.test"]),
    ("AFSDB", "1 afsdb.t12.test", ["afsdb.t12.test"]),
    ("NAPTR", '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" naptr.t13.test', ["naptr.t13.test"]),
    ("KX", "10 kx.t14.test", ["kx.t14.test"]),
    ("RT", "10 rt.t15.test", ["rt.t15.test"]),
    ("MINFO", "rmail.t16.test email.t16.test", ["rmail.t16.test", "email.t16.test"]),
    ("PX", "10 map822.t17.test mapx400.t17.test", ["map822.t17.test", "mapx400.t17.test"]),
    ("MB", "mb.t18.test", ["mb.t18.test"]),
    ("MG", "mg.t19.test", ["mg.t19.test"]),
    ("MR", "mr.t20.test", ["mr.t20.test"]),
    ("LP", "10 lp.t21.test", ["lp.t21.test"]),
    ("NSEC", "next.t22.test A RRSIG NSEC", ["next.t22.test"]),
]


@once
def data():
    server = Server("memory:")
    told = server.feed([cof(f"{n}.look.test", t, d) for n, (t, d, _) in enumerate(DATA)])
    eq(told, {"accepted": len(DATA), "rejected": 0, "errors": []})
    server.feed([
        cof("0/25.2.0.192.in-addr.arpa", "NS", "ns.rfc2317.test"),
        cof("xn--bcher-kva.look.test", "A", "192.0.2.20"),
        cof("v6.look.test", "AAAA", "2001:db8:0:5::14"),
        cof("mapped.look.test", "AAAA", "::ffff:192.0.2.21"),
        cof("_sip._tcp.look.test", "A", "192.0.2.22"),
        cof("*.wild.test", "A", "192.0.2.23"),
        cof("www.wild.test", "A", "192.0.2.24"),
        cof("text.look.test", "TXT", '"v=spf1 include:_spf.look.test -all"'),
        cof("text.look.test", "TXT", '"Upper Case Kept"'),
        cof("text.look.test", "TXT", '"oneword"'),
        cof("tld", "NS", "ns.tld"),
        cof("a%2fb.look.test", "A", "192.0.2.25"),
        cof("mx.look.test", "MX", "10 cppy.circl.lu"),
        cof(".", "NS", "a.root-servers.test"),
        cof("null-mx.look.test", "MX", "0 ."),
    ])
    return server


@once
def seed():
    return Server(store_of(SEED))


def found(server, path, headers=()):
    """Owner names of what a raw path finds."""
    answer = server.get(path, [("dribble-style", "cof"), *headers])
    eq(answer.status, 200, path, answer)
    clean_body(answer)
    return sorted(r["rrname"] for r in answer.records)


@check("{1} of {0}.look.test is found by its owner", rows=[(n, t) for n, (t, _, _) in enumerate(DATA)])
def by_owner(n, rrtype):
    answer = clean_body(data().ask(f"{n}.look.test", style="cof"))
    eq([(r["rrtype"], r["rrname"]) for r in answer.records], [(rrtype, f"{n}.look.test")], answer)
    if rrtype not in ("HTTPS", "SVCB", "NSEC", "NAPTR"):
        eq(answer.records[0]["rdata"], DATA[n][1])


@check("{1} is found by {2!r} in its data",
       rows=[(n, t, v) for n, (t, _, values) in enumerate(DATA) for v in values])
def by_data(n, rrtype, value):
    answer = clean_body(data().ask(value, style="cof"))
    eq([(r["rrtype"], r["rrname"]) for r in answer.records], [(rrtype, f"{n}.look.test")], answer)


@check("{1} of {0}.look.test is found by its data as printed", rows=[(n, t) for n, (t, _, _) in enumerate(DATA)])
def by_printed(n, rrtype):
    printed = data().ask(f"{n}.look.test", style="cof").records[0]["rdata"]
    answer = data().ask(printed, style="cof")
    eq([(r["rrtype"], r["rrname"], r["rdata"]) for r in answer.records],
       [(rrtype, f"{n}.look.test", printed)], f"value {printed!r}", answer)


@check("the exact text of {0!r} is found", rows=[
    '"v=spf1 include:_spf.look.test -all"', '"Upper Case Kept"', '"oneword"'])
def exact_text(text):
    answer = clean_body(data().ask(text, style="cof"))
    eq([(r["rrname"], r["rdata"]) for r in answer.records], [("text.look.test", text)], answer)


@check("part of a text finds nothing: {0!r}", rows=['"one"', '"v=spf1 include:_spf.look.test', "Upper Case"])
def part_of_text(text):
    eq(data().ask(text).body, b"")


@check("a name inside a TXT is not a name in its data")
def name_in_txt():
    eq(data().ask("_spf.look.test").body, b"")


@check("10%20cppy.circl.lu finds the seed's MX, as does cppy.circl.lu; circl.lu's eight do not mix")
def mx_text():
    for path in ("/pdns/query/10%20cppy.circl.lu", "/pdns/query/cppy.circl.lu"):
        answer = seed().get(path, {"dribble-style": "doc"})
        eq(answer.lines, [b'{"rrtype": "MX", "rrname": "10 cppy.circl.lu", "rdata": "circl.lu", "count": "149", '
                          b'"time_first": "1696786636", "time_last": "1697897232"}'], path)
    eq(seed().ask("20 cppy.circl.lu").body, b"")


SPELLED = [
    ("CIRCL.LU", 8), ("circl.lu.", 8), ("CiRcL.lU.", 8), ("circl.lu?", 8), ("circl.lu.?", 8), ("%63ircl.lu", 8),
    ("circl%2Elu", 8), ("circl%2elu%2e", 8), ("185.194.93.14", 1), ("185.194.93.14?", 1),
    ("185%2E194.93.14", 1), ("2a00:5980:93::14", 1), ("2A00:5980:93::14", 1), ("2a00%3A5980%3A93%3A%3A14", 1),
    ("2a00%3a5980%3a93%3a%3a14", 1), ("2a00:5980:93:0:0:0:0:14", 1), ("2a00:5980:0093:0000:0000:0000:0000:0014", 1),
    ("[2a00:5980:93::14]", 1), ("%5B2a00:5980:93::14%5D", 1), ("%5b2A00%3A5980%3A93%3A%3A14%5d", 1),
    ("NS1.EuroDNS.com", 2), ("hostmaster.eurodns.com", 1), ("cppy.circl.lu", 1), ("COM", 5), ("com.", 5),
    ("nstld.verisign-grs.com", 5), ("NSTLD.verisign-grs.COM", 5), ("a.gtld-servers.net", 5),
    ("circl.lu..", None), ("10%20CPPY.circl.lu", None),
]


@check("GET /pdns/query/{0}: {1} records", rows=[row for row in SPELLED if row[1] is not None])
def spelled(value, count):
    answer = seed().get("/pdns/query/" + value)
    eq(answer.status, 200, answer)
    eq(len(clean_body(answer).records), count, answer)


@check("GET {0}: repeated slashes collapse", rows=[
    "//pdns/query/circl.lu", "/pdns//query/circl.lu", "/pdns/query//circl.lu", "///pdns///query///circl.lu",
    "//query//circl.lu", "/cof//pdns/query/circl.lu", "//doc/pdns//query/circl.lu"])
def slashes(path):
    answer = seed().get(path)
    eq((answer.status, len(answer.lines)), (200, 8), answer)


@check("a name that holds a slash: {0}", rows=[
    "/pdns/query/0%2F25.2.0.192.in-addr.arpa", "/pdns/query/0%2f25.2.0.192.in-addr.arpa",
    "/pdns/query/0/25.2.0.192.in-addr.arpa"])
def slash_name(path):
    eq(found(data(), path), ["0/25.2.0.192.in-addr.arpa"])


@check("the value is decoded once, not twice")
def decoded_once():
    eq(found(data(), "/pdns/query/a%252fb.look.test"), ["a%2fb.look.test"])
    eq(found(data(), "/pdns/query/%2563ircl.lu"), [])


@check("a Unicode name becomes its A-label: {0}", rows=[
    "b%C3%BCcher.look.test", "B%C3%9CCHER.look.test", "bücher.look.test", "b%c3%bccher.look.test.",
    "bu%CC%88cher.look.test", "b%C3%BCcher%E3%80%82look%E3%80%82test", "xn--bcher-kva.look.test", "XN--BCHER-KVA.look.test"])
def unicode_name(value):
    eq(found(data(), "/pdns/query/" + value), ["xn--bcher-kva.look.test"])


@check("an address in any spelling: {0}", rows=[
    ("2001:db8:0:5::14", "v6.look.test"), ("2001:0DB8:0:5:0:0:0:14", "v6.look.test"),
    ("2001:db8:0:5::0.0.0.20", "v6.look.test"), ("::ffff:192.0.2.21", "mapped.look.test"),
    ("::FFFF:c000:215", "mapped.look.test"), ("0:0:0:0:0:ffff:192.0.2.21", "mapped.look.test")])
def addresses(value, owner):
    eq(found(data(), "/pdns/query/" + value), [owner])


@check("a star is an ordinary label")
def star():
    eq(found(data(), "/pdns/query/%2A.wild.test"), ["*.wild.test"])
    eq(found(data(), "/pdns/query/*.wild.test"), ["*.wild.test"])


@check("a name finds neither its subdomains nor its parents")
def exact_name():
    eq(found(data(), "/pdns/query/look.test"), [])
    eq(found(data(), "/pdns/query/x.0.look.test"), [])
    eq(found(data(), "/pdns/query/tld"), ["tld"])
    eq(found(data(), "/pdns/query/_sip._tcp.look.test"), ["_sip._tcp.look.test"])


@check("the root: its own records, and those that name it")
def root():
    owners = found(data(), "/pdns/query/.")
    ok("." in owners and "null-mx.look.test" in owners, owners)


@check("nothing found is 200 with an empty body: {0}", rows=[
    "nothing.example", "192.0.2.250", "2001:db8::ffff", "10%20nothing.example", "%22nothing%22", "co.circl.lu"])
def nothing(value):
    answer = seed().get("/pdns/query/" + value)
    eq((answer.status, answer.body, answer.get("content-length")), (200, b"", "0"), answer)
    eq(answer.get("content-type"), "application/x-ndjson", answer)
    eq((answer.errors, answer.cursor), (None, None), answer)


@check("content-type is application/x-ndjson whatever accept says: {0}", rows=[
    "application/json", "*/*", "text/html", "application/json, text/xml, application/xml, */*", "image/png;q=0", ""])
def content_type(accept):
    answer = seed().get("/pdns/query/circl.lu", {"accept": accept})
    eq((answer.status, answer.get("content-type")), (200, "application/x-ndjson"), answer)


@check("server, date and content-length")
def usual_headers():
    answer = seed().ask("circl.lu")
    eq(answer.get("server"), "dribble", answer)
    day = re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
                       r"\d{4} \d\d:\d\d:\d\d GMT", answer.get("date") or "")
    ok(day, "date is no IMF-fixdate", answer)
    from email.utils import parsedate_to_datetime
    ok(abs(parsedate_to_datetime(answer.get("date")).timestamp() - time.time()) < 5 * SLOW, answer.get("date"))
    if answer.get("content-length") is not None:
        eq(int(answer.get("content-length")), len(answer.body))


@check("the header block of the page: its names in its order")
def header_order():
    answer = seed().ask("cdn1.wixdns.net", count=5, rrtype="CNAME")
    names = [n.lower() for n, _ in answer.headers]
    page = ["date", "content-type", "server", "x-dribble-errors", "x-dribble-cursor", "content-length"]
    eq([n for n in names if n in page], page, answer)


@check("header names go out in lower case, as the page prints them (those of the HTTP library aside)")
def header_case():
    answer = seed().ask("cdn1.wixdns.net", count=5)
    eq([n for n, _ in answer.headers if n != n.lower() and n not in ("Connection", "Content-Length")], [], answer)


@check("HEAD answers as GET does, without the body: {0}", rows=["circl.lu", "nothing.example"])
def head(value):
    got, headed = seed().get("/pdns/query/" + value), seed().request("HEAD", "/pdns/query/" + value)
    eq((headed.status, headed.body), (200, b""), headed)
    keep = lambda a: sorted((n.lower(), v) for n, v in a.headers if n.lower() not in ("date", "content-length"))
    eq(keep(headed), keep(got))
    eq(headed.get("content-length"), got.get("content-length"))


@check("HEAD and a GET on one connection: no body bytes in between")
def head_framing():
    with seed().connect() as conn:
        eq(conn.ask("HEAD", "/pdns/query/circl.lu").status, 200)
        eq(len(conn.ask("GET", "/pdns/query/circl.lu").lines), 8)


@check("{0} on a value is 405 with allow", rows=["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def other_methods(method):
    answer = error_body(seed().request(method, "/pdns/query/circl.lu", body=b"" if method != "OPTIONS" else None), 405)
    eq({m.strip() for m in (answer.get("allow") or "").split(",")} >= {"GET", "HEAD"}, True, answer)


@check("GET /pdns/import is 405 and allows POST")
def get_import():
    answer = error_body(seed().get("/pdns/import"), 405)
    ok("POST" in (answer.get("allow") or ""), answer)


@check("HEAD {0} is 404", rows=["/pdns/query", "/pdns/query/", "/", "/nothing"])
def head_404(path):
    answer = seed().request("HEAD", path)
    eq((answer.status, answer.body), (404, b""), answer)


@check("GET {0} is 404", rows=["/pdns/query", "/pdns/query/", "/pdns/query//", "/pdns", "/nothing", "/pdns/queryx/circl.lu",
                               "/query", "/cof/pdns/query/", "/pdns/query/?"])
def get_404(path):
    error_body(seed().get(path), 404)


@check("a CIDR block is 400 and says so: {0}", rows=[
    "192.0.2.0/24", "192.0.2.0%2F24", "192.0.2.0%2f24", "192.0.2.0,24", "192.0.2.0%2C24", "2001:db8::/32",
    "2001%3Adb8%3A%3A%2F32", "2001%3Adb8%3A%3A,32", "0.0.0.0/0"])
def cidr(value):
    answer = error_body(seed().get("/pdns/query/" + value), 400)
    ok(answer.body.startswith(b"CIDR blocks are not supported"), answer)


@check("a malformed value is 400, never 5xx: {0}", rows=["%00", "a%00b.example", "%zz", "%", "%4", "%ff%fe.example"])
def malformed(value):
    answer = seed().get("/pdns/query/" + value)
    if "%00" in value:
        error_body(answer, 400)
    elif answer.status != 200:
        error_body(answer, 400)
    else:
        eq(answer.body, b"", answer)


@check("an over-long value is refused or finds nothing: {0} bytes", rows=[256, 300, 1000, 5000])
def long_value(size):
    for value in ("a" * size, ".".join(["a" * 63] * (size // 64 + 1))):
        answer = seed().get("/pdns/query/" + value)
        if answer.status == 200:
            eq(answer.body, b"", answer)
        else:
            error_body(answer, 400, 414)


@check("a name of exactly 255 octets can be stored and found")
def longest_name():
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    data().feed([cof(name, "A", "192.0.2.99"), cof("short.look.test", "NS", name)])
    eq(found(data(), "/pdns/query/" + name), sorted([name, "short.look.test"]))


@check("a record that matches in two ways appears once: {0} {1}", rows=[
    ("self.test", "CNAME self.test"), ("soa.self.test", "SOA same.self.test same.self.test 1 2 3 4 5"),
    ("soa2.self.test", "SOA soa2.self.test soa2.self.test 1 2 3 4 5"),
    ("rp.self.test", "RP both.self.test both.self.test"),
    ("h.self.test", "HTTPS 1 h.self.test ipv4hint=192.0.2.77,192.0.2.77"), ("ns.self.test", "NS ns.self.test")])
def twice(owner, rr):
    rrtype, rdata = rr.split(" ", 1)
    data().feed([cof(owner, rrtype, rdata, count=3)])
    for value in (owner, "same.self.test", "both.self.test", "192.0.2.77"):
        if value in owner or value in rdata:
            answer = data().ask(value, style="cof")
            eq([(r["rrname"], r["rrtype"], r["count"]) for r in answer.records], [(owner, rrtype, 3)], value, answer)
            pages = data().pages(value, 1, style="cof")
            eq(sum(len(p.records) for p in pages), 1, value)


@check("dribble-disable-active-query changes nothing here, whatever its value: {0!r}", rows=["1", "", "false"])
def disable_active(value):
    eq(seed().ask("circl.lu", headers={"dribble-disable-active-query": value}).body, seed().ask("circl.lu").body)


@check("the answer is the same every time")
def stable():
    first = seed().ask("cdn1.wixdns.net").body
    for _ in range(5):
        eq(seed().ask("cdn1.wixdns.net").body, first)


if __name__ == "__main__":
    main()
