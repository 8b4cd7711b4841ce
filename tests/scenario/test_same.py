# SPDX-License-Identifier: GPL-3.0-or-later
"""One traffic, told by every format: packets, dnstap, COF, passivedns, EVE in its versions and Zeek. Each gives the same records,
counts and times, as far as it tells of them: what a format does not tell is said here once more, beside dribble-sources(7)."""
import datetime
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dns  # noqa: E402
from dribble import *  # noqa: E402,F403

dice = seeded()
CLIENT, SERVER = ("203.0.113.99", 40000), ("203.0.113.53", 53)
LONG = "x" * 254


# ---------------------------------------------------------------- the traffic

class Exchange:
    """A question, and its answer some time later."""

    def __init__(self, us, name, rrtype, answers=(), authorities=(), additionals=(), rcode="NOERROR", truncated=False):
        self.us, self.rtt = us, dice.randrange(1, 1500000)
        self.name, self.rrtype, self.rcode, self.truncated = name, rrtype, rcode, truncated
        self.answers, self.authorities, self.additionals = list(answers), list(authorities), list(additionals)

    @property
    def at(self):
        return self.us + self.rtt

    @property
    def second(self):
        return self.at // 1000000

    def counts(self):
        return self.rcode in ("NOERROR", "NXDOMAIN") and not self.truncated

    def message(self):
        return dns.response(self.name, self.rrtype, self.answers, self.authorities, self.additionals + [("", "OPT", "")],
                            self.rcode, self.truncated, self.us % 65536)


SOA = ("example", "SOA", ("ns1.example", "host.example", 2026010101, 3600, 600, 86400, 60))
NS = [("example", "NS", "ns1.example"), ("example", "NS", "ns2.example")]
GLUE = [("ns1.example", "A", "198.51.100.1"), ("ns2.example", "AAAA", "2001:db8::2")]


def hosts():
    made = []
    for i in range(6):
        addresses = [(f"h{i}.example", "A", f"192.0.2.{10 * i + k}") for k in range(dice.randrange(1, 4))]
        made.append((f"h{i}.example", "A", addresses))
        made.append((f"h{i}.example", "AAAA", [(f"h{i}.example", "AAAA", f"2001:db8::a{i:x}")]))
        chain = [(f"w{i}.example", "CNAME", f"c{i}.cdn.test"), (f"c{i}.cdn.test", "CNAME", f"h{i}.example")]
        made.append((f"w{i}.example", "A", chain + addresses))
        reverse = f"{i}.2.0.192.in-addr.arpa"
        made.append((reverse, "PTR", [(reverse, "PTR", f"h{i}.example")]))
    return made


def special():
    srv = ("_sip._tcp.example", "SRV", (10, 5, 5060, "h1.example"))
    return [
        ("example", "MX", [("example", "MX", (10, "h1.example")), ("example", "MX", (20, "h2.example"))], NS, GLUE[:1]),
        ("example", "NS", NS, [], GLUE),
        ("example", "SOA", [SOA], NS, []),
        ("example", "TXT", [("example", "TXT", ('v=spf1 "a" \\ -all',)), ("example", "TXT", ("a, b || c",))], [], []),
        ("long.example", "TXT", [("long.example", "TXT", (LONG,))], [], []),
        ("_sip._tcp.example", "SRV", [srv], [], [("h1.example", "A", "192.0.2.10")]),
        ("alias.example", "CNAME", [("alias.example", "CNAME", "h0.example")], NS, []),
        ("t.example", "TXT", [("t.example", "CNAME", "long.example"), ("long.example", "TXT", (LONG,))], [], []),
        ("w0.example", "HTTPS", [("w0.example", "CNAME", "c0.cdn.test")], [], []),
        # in two sections: counts once a message
        ("twice.example", "A", [("twice.example", "A", "192.0.2.200")], [], [("twice.example", "A", "192.0.2.200")]),
    ]


@once
def traffic():
    us, made = 1700000000 * 1000000, []
    known = [(*h, [], []) for h in hosts()] + special()
    for name, rrtype, answers, authorities, additionals in known + [dice.choice(known) for _ in range(60)]:
        us += dice.randrange(1, 30000000)
        made.append(Exchange(us, name, rrtype, answers, authorities, additionals))
        if dice.random() < 0.3:
            us += dice.randrange(1, 1000000)
            made.append(Exchange(us, "nx.example", "A", [], [SOA], [], "NXDOMAIN"))
        if dice.random() < 0.1:
            made.append(Exchange(us + 7, "h0.example", "A", [("h0.example", "A", "192.0.2.250")], rcode="SERVFAIL"))
            made.append(Exchange(us + 8, "h0.example", "A", [("h0.example", "A", "192.0.2.251")], truncated=True))
    made.append(Exchange(us + 9, "gone.example", "MX", [("gone.example", "CNAME", "nx.example")], [SOA], [], "NXDOMAIN"))
    return made


# ---------------------------------------------------------------- what a format tells

def all_sections(e):
    return e.answers + e.authorities + e.additionals


def full(e):
    return [(o, t, dns.data_text(t, d)) for o, t, d in all_sections(e)]


def partly(records, names_of):
    """As full, but of these types the name alone."""
    return [(o, t, d[names_of[t]] if t in names_of else dns.data_text(t, d)) for o, t, d in records]


def passivedns_tells(e):
    return partly(e.answers, {"MX": 1, "SRV": 3, "SOA": 0})


def eve1_tells(e):
    return partly([r for r in e.answers + e.authorities if r[1] not in ("SOA", "SRV")], {"MX": 1})


def eve2_tells(e):
    return partly(e.answers + e.authorities, {"MX": 1})


def eve3_tells(e):
    return partly(all_sections(e), {"MX": 1})


def zeek_tells(e):
    names = [r for r in e.answers if r[1] == "CNAME"]
    if e.rrtype in ("A", "AAAA", "TXT", "PTR", "CNAME"):
        return partly(e.answers, {})
    return partly(names, {}) if e.rrtype == "HTTPS" or e.rcode == "NXDOMAIN" else []


def expected(tells):
    """Records with their count and times, each once a message."""
    seen = {}
    for e in traffic():
        for record in set(tells(e)) if e.counts() else ():
            count, first, last = seen.get(record, (0, e.second, e.second))
            seen[record] = (count + 1, min(first, e.second), max(last, e.second))
    return seen


# ---------------------------------------------------------------- the formats

def as_pcap():
    frames = []
    for e in traffic():
        frames.append((e.us, dns.udp_frame(CLIENT, SERVER, dns.question(e.name, e.rrtype, e.us % 65536))))
        frames.append((e.at, dns.udp_frame(SERVER, CLIENT, e.message())))
    return dns.pcap(sorted(frames))


def as_dnstap():
    return dns.dnstap_file(dns.dnstap_frame(e.message(), e.at) for e in traffic())


def as_cof():
    return ndjson(cof(o, t, d, 1, e.second) for e in traffic() if e.counts() for o, t, d in sorted(set(full(e))))


def as_passivedns():
    """As the program does it: a line when a record is new, and one with the rest of its count at the end."""
    new, rest = [], {}
    for e in traffic():
        for owner, rrtype, data in sorted(set(passivedns_tells(e))) if e.counts() else ():
            dotted = data + "." if rrtype in dns.NAMES or rrtype in ("MX", "SRV", "SOA") else data
            tail = f"||{CLIENT[0]}||{SERVER[0]}||IN||{owner}.||{rrtype}||{dotted}||300||"
            if tail in rest:
                rest[tail] = (rest[tail][0] + 1, e.at)
            else:
                rest[tail] = (0, e.at)
                new.append(f"{e.at // 1000000}.{e.at % 1000000:06}{tail}1\n")
        if e.rcode == "NXDOMAIN" and not e.answers:
            new.append(f"{e.at // 1000000}.{e.at % 1000000:06}||c||s||IN||{e.name}.||{e.rrtype}||NXDOMAIN||0||1\n")
    return "".join(new + [f"{at // 1000000}.{at % 1000000:06}{tail}{n}\n" for tail, (n, at) in rest.items() if n])


def event(e, body, **more):
    zone = datetime.timezone(datetime.timedelta(hours=1))
    moment = datetime.datetime.fromtimestamp(e.at // 1000000, zone).replace(microsecond=e.at % 1000000)
    return {"timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%f%z"), "event_type": "dns", "src_ip": CLIENT[0], "src_port": CLIENT[1],
            "dest_ip": SERVER[0], "dest_port": 53, "proto": "UDP", "dns": body, **more}


def eve_record(owner, rrtype, data, objects=True):
    record = {"rrname": owner, "rrtype": rrtype, "ttl": 300}
    if rrtype == "SOA" and objects:
        record["soa"] = dict(zip(("mname", "rname", "serial", "refresh", "retry", "expire", "minimum"), data))
    elif rrtype == "SRV" and objects:
        record["srv"] = dict(zip(("priority", "weight", "port", "name"), data))
    elif rrtype == "AAAA":
        record["rdata"] = dns.ipaddress.ip_address(data).exploded
    elif rrtype not in ("SOA", "SRV"):
        record["rdata"] = data[1] if rrtype == "MX" else data[0] if rrtype == "TXT" else data
    return record


def eve_lines(respond):
    lines = [{"timestamp": "2023-11-14T22:13:20.000000+0000", "event_type": "flow", "src_ip": CLIENT[0]}]
    for e in traffic():
        lines.append(event(e, {"type": "query", "id": 1, "rrname": e.name, "rrtype": e.rrtype, "tx_id": 0}))
        lines += respond(e)
    return ndjson(lines)


def as_eve1():
    def respond(e):
        if e.truncated:
            return []
        head = {"type": "answer", "id": 1, "rcode": e.rcode}
        if e.rcode != "NOERROR":
            yield event(e, {**head, "rrname": e.name})
        for r in e.answers + e.authorities if e.counts() else ():
            yield event(e, {**head, **eve_record(*r, objects=False)})
    return eve_lines(respond)


def eve2_head(e):
    return {"version": 2, "type": "answer", "id": 1, "flags": "8180", "qr": True, "rd": True, "ra": True, "rrname": e.name,
            "rrtype": e.rrtype, "rcode": e.rcode, **({"tc": True} if e.truncated else {})}


def some(**sections):
    return {name: [eve_record(*r) for r in records] for name, records in sections.items() if records}


def as_eve2():
    return eve_lines(lambda e: [event(e, {**eve2_head(e), **some(answers=e.answers, authorities=e.authorities)})])


def as_eve2_grouped():
    def respond(e):
        grouped = {}
        for r in e.answers:
            made = eve_record(*r)
            grouped.setdefault(r[1], []).append(made.get("rdata", made.get("soa", made.get("srv"))))
        yield event(e, {**eve2_head(e), **({"grouped": grouped} if grouped else {}), **some(authorities=e.authorities)})
    return eve_lines(respond)


def as_eve3():
    def respond(e):
        head = {**eve2_head(e), "version": 3, "type": "response", "queries": [{"rrname": e.name, "rrtype": e.rrtype}]}
        del head["rrname"], head["rrtype"]
        yield event(e, {**head, **some(answers=e.answers, authorities=e.authorities, additionals=e.additionals)})
    return eve_lines(respond)


def zeek_text(rrtype, data):
    if rrtype == "TXT":
        return " ".join(f"TXT {len(s)} {s}" for s in data)
    return data[{"MX": 1, "SRV": 3, "SOA": 0}[rrtype]] if isinstance(data, tuple) else data


ZEEK = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "trans_id", "rtt", "query", "qclass", "qclass_name",
        "qtype", "qtype_name", "rcode", "rcode_name", "AA", "TC", "RD", "RA", "Z", "answers", "TTLs", "rejected")


def zeek_row(e):
    return dict(zip(ZEEK, (e.us / 1000000, "CW32Gp1Jcm75uTlXTh", *CLIENT, *SERVER, "udp", e.us % 65536, e.rtt / 1000000, e.name, 1,
                           "C_INTERNET", dns.TYPES[e.rrtype], e.rrtype, dns.RCODES[e.rcode], e.rcode, False, e.truncated, True, True, 0,
                           [zeek_text(t, d) for _, t, d in e.answers], [300.0] * len(e.answers), False)))


def zeek_column(value):
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list):
        return ",".join(zeek_column(v).replace(",", "\\x2c") for v in value) or "-"
    return str(value).replace("\\", "\\\\")


def as_zeek():
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tdns", "#open\t2023-11-14",
            "\t".join(("#fields", *ZEEK))]
    rows = ["\t".join(zeek_column(v) for v in zeek_row(e).values()) for e in traffic()]
    return "\n".join(head + rows[:20] + head + rows[20:] + ["#close\t2023-11-14", ""])


def as_zeek_json():
    return ndjson({k: v for k, v in zeek_row(e).items() if v != []} for e in traffic())


FORMATS = [("pcap", as_pcap, full), ("dnstap", as_dnstap, full), ("cof", as_cof, full),
           ("passivedns", as_passivedns, passivedns_tells), ("eve, version 1", as_eve1, eve1_tells),
           ("eve, version 2", as_eve2, eve2_tells), ("eve, version 2, grouped", as_eve2_grouped, eve2_tells),
           ("eve, version 3", as_eve3, eve3_tells), ("zeek, columns", as_zeek, zeek_tells), ("zeek, JSON", as_zeek_json, zeek_tells)]


# ---------------------------------------------------------------- the tests

def export(store):
    found = {}
    for line in cli("export", "--store", store).out.splitlines():
        r = json.loads(line)
        found[r["rrname"], r["rrtype"], r["rdata"]] = (r["count"], r["time_first"], r["time_last"])
    return found


def compare(got, want):
    for record in sorted(got.keys() | want.keys()):
        eq(got.get(record), want.get(record), record)


@check("{0}: the same records, counts and times", [(f[0],) for f in FORMATS])
def _same(name):
    _, make, tells = next(f for f in FORMATS if f[0] == name)
    want = expected(tells)
    ok(len(want) > 20, f"only {len(want)} records")
    store = store_of(temp("source", make()))
    compare(export(store), want)
    ok(CLIENT[0].encode() not in cli("export", "--store", store).out, "the client's address is in the store")


@check("every format keeps most, and only what the packets have, some of it in part")
def _subsets():
    whole = expected(full)
    names = {(o, t, d.split()[i]) for (o, t, d) in whole for i in {"MX": (1,), "SRV": (3,), "SOA": (0,)}.get(t, ())}
    for name, _, tells in FORMATS:
        told = expected(tells)
        ok(set(told) <= set(whole) | names, name)
        ok(len(told) > len(whole) / 2, name, len(told), len(whole))


main()
