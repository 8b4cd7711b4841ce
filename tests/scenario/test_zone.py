# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files of a real server: what was written by hand, what knotd writes to disk and what it transfers are the same records, also signed."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403
from servers import Knot  # noqa: E402

ZONE = """$ORIGIN example.
$TTL 3600
@       IN SOA  ns1 host\\.master (
                2026112801 ; serial (not the date)
                7200 3600 1209600
                300 )
        NS      ns1
        NS      ns2.other.test.
        MX      10 mail
        TXT     "v=spf1; -all" "second ; part"
        CAA     0 issue "ca.test"
ns1     300     A       192.0.2.1
        IN 60   AAAA    2001:DB8::1
www     CNAME   web.sub
*.wild  A       192.0.2.2
mail    A       192.0.2.3
_sip._tcp SRV   0 5 5060 sip
sip     NAPTR   100 10 "S" "SIP+D2U" "!^.*$!sip:info@example!" _sip._tcp
a\\.b    A       192.0.2.4
t\\255   TXT     "\\000\\"\\200"
svc     HTTPS   1 . alpn=h2,h3 ipv4hint=192.0.2.5 ipv6hint=2001:db8::5
odd     TYPE65280 \\# 3 AB ( CD
        EF )
loc     LOC     52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
ssh     SSHFP   4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
sub     NS      ns.sub
        DS      12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
$ORIGIN sub.example.
ns      A       192.0.2.6
; the end"""


class Signer(Knot):
    """It signs its zones itself."""

    def arguments(self):
        arguments = super().arguments()
        path = arguments[-1]
        with open(path) as f:
            text = f.read()
        self.file("knot.conf", text.replace("- id: default\n", "- id: default\n  dnssec-signing: on\n", 1))
        return arguments


def records(*files, options=()):
    store = os.path.join(tempdir(), "db")
    cli("import", "--store", store, "--time", "1600000000", *options, *files)
    cli("check", "--store", store)
    rows = [json.loads(line) for line in cli("export", "--store", store).out.splitlines()]
    for row in rows:
        if "count" not in row:
            eq((row["zone_time_first"], row["zone_time_last"]), (1600000000, 1600000000), row)
    return {(r["rrname"], r["rrtype"], r["rdata"]) for r in rows}


def transfer(knot):
    return run(["kdig", "-p", knot.port, "@127.0.0.1", "example", "axfr"]).out


def as_cof(transferred):
    """The same records by another reader: COF, with the texts that kdig prints."""
    lines = []
    for line in transferred.decode().splitlines():
        if line and not line.startswith(";"):
            owner, _, _, rrtype, rdata = line.split(None, 4)
            lines.append(cof(owner, rrtype, rdata))
    return temp("transfer.ndjson", ndjson(lines))


def flushed(knot):
    folder = tempdir("flush")
    os.chmod(folder, 0o777)
    run(["knotc", "-s", os.path.join(knot.dir, "knot.sock"), "-b", "zone-flush", "+outdir", folder, "example"])
    found = [os.path.join(folder, name) for name in os.listdir(folder)]
    eq(len(found), 1, found)
    return found[0]


@check("a zone written by hand, its transfer, and what knotd flushes are the same records")
def plain():
    knot = Knot({"example": ZONE})
    transferred = transfer(knot)
    written = records(temp("hand.zone", ZONE))
    eq(len(written), 22)
    eq(records(temp("axfr", transferred)) ^ written, set())
    eq(records(as_cof(transferred)) ^ written, set())
    eq(records(flushed(knot)) ^ written, set())
    knot.stop()


@check("a signed zone: keys, signatures and NSEC records as they were transferred")
def signed():
    knot = Signer({"example": ZONE})
    transferred = wait_for(lambda: (lambda text: text if b"RRSIG" in text else None)(transfer(knot)), 20, "the zone is signed")
    got = records(temp("axfr", transferred))
    types = {rrtype for _, rrtype, _ in got}
    ok({"DNSKEY", "RRSIG", "NSEC", "CDS", "CDNSKEY"} <= types or {"DNSKEY", "RRSIG", "NSEC"} <= types, types)
    eq(records(as_cof(transferred)) ^ got, set())
    eq(records(flushed(knot)) ^ got, set())
    owners = {name for name, rrtype, _ in got if rrtype == "RRSIG"}
    ok({"example", "ns1.example", "*.wild.example"} <= owners, owners)
    knot.stop()


if __name__ == "__main__":
    main()
