# SPDX-License-Identifier: GPL-3.0-or-later
"""dnstap of real senders: knotd and named write files, unbound sends to a socket. What dribble makes of them is what the servers
were asked for and answered, as kdig prints it."""
import json
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403
from servers import Knot, Named, TapReceiver, Unbound, ask  # noqa: E402

ZONES = {
    "example": """$ORIGIN example.
$TTL 300
@ SOA ns1 Host\\.Master 1 3600 600 86400 60
@ NS ns1
@ NS ns.elsewhere.test.
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
WWW A 192.0.2.10
www A 192.0.2.11
www AAAA 2001:db8::10
alias CNAME alias2
alias2 CNAME www
out CNAME host.elsewhere.test.
@ MX 10 mail
@ MX 20 mail.elsewhere.test.
mail A 192.0.2.25
@ TXT "v=spf1 -all"
@ TXT "two" "strings; \\"quoted\\" \\195\\169"
_sip._tcp SRV 1 2 5060 www
naptr NAPTR 1 2 "S" "SIP+D2U" "" _sip._tcp
svc HTTPS 1 . alpn=h2 ipv4hint=192.0.2.80
@ CAA 0 issue "ca.example"
tree DNAME www.elsewhere.test.
*.wild A 192.0.2.77
odd TYPE65280 \\# 3 0102FF
sub NS ns.sub
ns.sub A 192.0.2.53
""",
    "elsewhere.test": """$ORIGIN elsewhere.test.
$TTL 300
@ SOA ns root 7 3600 600 86400 60
@ NS ns
ns A 198.51.100.1
mail A 198.51.100.25
host A 198.51.100.2
x.www A 198.51.100.3
""",
}

QUESTIONS = [
    ("example", "SOA"), ("example", "NS"), ("example", "MX"), ("example", "TXT"), ("example", "CAA"), ("www.example", "A"),
    ("WwW.eXample", "AAAA"), ("www.example", "A"), ("alias.example", "A"), ("out.example", "A"), ("_sip._tcp.example", "SRV"),
    ("naptr.example", "NAPTR"), ("svc.example", "HTTPS"), ("x.tree.example", "A"), ("a.wild.example", "A"), ("b.wild.example", "A"),
    ("odd.example", "TYPE65280"), ("host.sub.example", "A"), ("nothing.example", "A"), ("www.example", "MX"), ("elsewhere.test", "NS"),
]

CLIENT = "127.9.8.7"


def kdig(port, name, rrtype, *more):
    """The records of one answer, of all sections, as lines of presentation form; each once."""
    ran = run(["kdig", "@127.0.0.1", "-p", port, "-b", CLIENT, "+noidn", "+norec", "+noall", "+answer", "+authority", "+additional",
               *more, name, rrtype])
    eq(ran.code, 0, ran)
    lines = [re.split(r"\s+", line, maxsplit=4) for line in ran.out.decode().split("\n") if line and not line.startswith(";")]
    return sorted({(owner, rrtype, data) for owner, _, _, rrtype, data in lines})


def records_of(store):
    """{(owner, type, data): (count, first, last)}"""
    found = {}
    for line in cli("export", "--store", store).out.splitlines():
        r = json.loads(line)
        key = (r["rrname"], r["rrtype"], r["rdata"])
        ok(key not in found, "twice in the export", key)
        found[key] = (r["count"], r["time_first"], r["time_last"])
    return found


def imported(path, *more, code=0):
    store = os.path.join(tempdir("store"), "db")
    ran = cli("import", "--store", store, *more, path, code=code)
    cli("check", "--store", store)
    return records_of(store), ran


def as_dribble_writes(records, moment):
    """The same records by way of COF: names and data in dribble's spelling."""
    lines = [cof(owner, rrtype[4:] if rrtype.startswith("TYPE") else rrtype, data, 1, moment) for owner, rrtype, data in records]
    found, _ = imported(temp("kdig.ndjson", ndjson(lines)))
    return {key: count for key, (count, _, _) in found.items()}


@once
def knot_was_asked():
    """(file, what it answered {record: count}, before, after)"""
    path = os.path.join(tempdir("tap"), "knot.dnstap")
    knot = Knot(ZONES, dnstap=path)  # its first answer, to the test that it is there, is in the file too
    before = seconds() - 20 * SLOW
    said = []
    for name, rrtype in QUESTIONS:
        said += kdig(knot.port, name, rrtype)
    said += kdig(knot.port, "www.example", "A", "+tcp")
    soa = kdig(knot.port, "example", "SOA")
    axfr = kdig(knot.port, "elsewhere.test", "AXFR")
    knot.stop()
    said += soa + soa + axfr  # once for the test that it is there
    return path, as_dribble_writes(said, 1600000000), before, seconds() + 1


@check("knotd: names, types, data and counts are those that kdig shows")
def knot_records():
    path, said, before, after = knot_was_asked()
    found, ran = imported(path)
    eq({key: count for key, (count, _, _) in found.items()}, said, ran)
    ok(len(found) > 30, found)
    for key, (_, first, last) in found.items():
        ok(before <= first <= last <= after, key, first, last)


@check("knotd: data of every type comes out as it stands in the zone")
def knot_spelling():
    found, _ = imported(knot_was_asked()[0])
    for record in [("www.example", "A", "192.0.2.10"), ("www.example", "AAAA", "2001:db8::10"), ("example", "MX", "20 mail.elsewhere.test"),
                   ("example", "TXT", '"v=spf1 -all"'), ("example", "TXT", '"twostrings; \\"quoted\\" \\195\\169"'),
                   ("example", "SOA", "ns1.example host\\.master.example 1 3600 600 86400 60"), ("x.tree.example", "CNAME", "x.www.elsewhere.test"),
                   ("tree.example", "DNAME", "www.elsewhere.test"), ("svc.example", "HTTPS", "1 . alpn=h2 ipv4hint=192.0.2.80"),
                   ("b.wild.example", "A", "192.0.2.77"), ("odd.example", 65280, "\\# 3 0102FF"), ("ns.sub.example", "A", "192.0.2.53")]:
        ok(record in found, record, *found)
    eq([key for key in found if key[1] in ("OPT", "AXFR")], [])
    eq([key for key in found if key[0].startswith("nothing")], [], "a name that is not there")


@check("knotd: the address of the client is in the file and nowhere in the store")
def client_addresses():
    path = knot_was_asked()[0]
    with open(path, "rb") as f:
        ok(bytes(map(int, CLIENT.split("."))) in f.read(), "the file has no address")
    store = os.path.join(tempdir("store"), "db")
    cli("import", "--store", store, path)
    stats = cli("stats", "--store", store).out
    ok(CLIENT.encode() not in cli("export", "--store", store).out + stats)
    ok(b"  knot.test " in stats, "its identity is the sensor", stats)
    eq(cli("query", "--store", store, CLIENT).out, b"")
    for folder, _, names in os.walk(store):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                ok(CLIENT.encode() not in f.read(), name)


@check("knotd: the file again, compressed or by a pipe, is not counted twice")
def again():
    path = knot_was_asked()[0]
    with open(path, "rb") as f:
        octets = f.read()
    store = os.path.join(tempdir("store"), "db")
    cli("import", "--store", store, path)
    once_only = records_of(store)
    packed = path + ".zst"
    if shutil.which("zstd"):
        eq(run(["zstd", "-q", "-f", path, "-o", packed]).code, 0)
        cli("import", "--store", store, packed)
    cli("import", "--store", store, "-", stdin=octets)
    eq(records_of(store), once_only)
    cli("import", "--store", store, "--again", "--format", "dnstap", path)
    eq({k: c for k, (c, _, _) in records_of(store).items()}, {k: 2 * c for k, (c, _, _) in once_only.items()})


@check("a file that is cut off: what is whole counts, the rest is one reject")
def cut_off():
    path = knot_was_asked()[0]
    with open(path, "rb") as f:
        octets = f.read()
    whole, _ = imported(path)
    found, ran = imported(temp("cut.dnstap", octets[:-20]), code=3)  # in the last frame: STOP has 12 octets
    ok(b"the frame is cut off" in ran.err and b"1 line" in ran.err, ran)
    ok(0 < sum(c for c, _, _ in found.values()) < sum(c for c, _, _ in whole.values()) and set(found) <= set(whole))
    found, ran = imported(temp("noise.dnstap", octets[:-12] + os.urandom(3) + b"\xff" * 9 + octets[40:]), code=3)
    eq(found, whole)
    ok(b"a length is wrong" in ran.err or b"control frame" in ran.err, ran)


def resolver_said(resolver, port, questions):
    for name, rrtype in questions:
        if not rrtype.startswith("TYPE") and "sub" not in name:  # whose server is elsewhere
            ok(ask(port, name, rrtype, source=CLIENT), f"{resolver} does not answer {name} {rrtype}")


def through_unbound(zones, questions):
    """(what knotd said to it, what unbound says it was told), two files of dnstap"""
    path = os.path.join(tempdir("tap"), "knot.dnstap")
    receiver = TapReceiver()
    knot = Knot(zones, dnstap=path)
    resolver = Unbound(["example", "elsewhere.test"], knot.port, dnstap=receiver.path)
    resolver_said("unbound", resolver.port, [*questions, ("last.wild.example", "A")])
    wait_for(lambda: any(b"\4last\4wild" in frame for frame in receiver.frames), 20, "unbound sends its last answer")
    resolver.stop()
    knot.stop()
    receiver.close()
    return path, receiver.as_file(os.path.join(tempdir("tap"), "unbound.dnstap"))


@check("unbound: what it was told is what knotd said to it")
def unbound():
    by_knot, by_unbound = through_unbound(ZONES, QUESTIONS)
    said, _ = imported(by_knot)
    found, ran = imported(by_unbound)
    eq(set(found), set(said), ran)
    # knotd was asked by the test, too, and what is late on a busy machine is sent twice and heard once
    eq([key for key in found if found[key][0] > said[key][0]], [])
    ok(len(found) > 25, *found)


@check("unbound: a server is not believed beyond the zone that was asked")
def beyond_the_zone():
    root = """$ORIGIN .
$TTL 300
. SOA ns.test root.test 1 3600 600 86400 60
. NS ns.test.
ns.test A 192.0.2.1
out.example CNAME host.elsewhere.test.
host.elsewhere.test A 198.51.100.2
*.wild.example A 192.0.2.77
"""
    by_knot, by_unbound = through_unbound({".": root}, [("out.example", "A")])
    host = ("host.elsewhere.test", "A", "198.51.100.2")
    said, found = imported(by_knot)[0], imported(by_unbound)[0]
    ok(("out.example", "CNAME", "host.elsewhere.test") in found, *found)
    # knotd said it behind out.example, and when it was asked for by itself
    ok(1 <= found[host][0] < said[host][0], "the answer for example is believed about elsewhere.test", said[host], found[host])


@check("named: a file of what it was told as a forwarder")
def named():
    path = os.path.join(tempdir("tap"), "knot.dnstap")
    knot = Knot(ZONES, dnstap=path)
    resolver = Named(["example", "elsewhere.test"], knot.port, dnstap='file "tap"')
    resolver_said("named", resolver.port, QUESTIONS)
    resolver.stop()
    knot.stop()
    by_knot, _ = imported(path)
    found, _ = imported(os.path.join(resolver.dir, "tap"))
    ok(len(found) > 20, *found)
    eq(set(found) - set(by_knot), set())
    ok(("alias2.example", "CNAME", "www.example") in found and ("svc.example", "HTTPS", "1 . alpn=h2 ipv4hint=192.0.2.80") in found, *found)


if __name__ == "__main__":
    main()
