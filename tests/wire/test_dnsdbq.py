# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's dnsdbq -u circl, as its users run it, against the server."""
import json
import shutil as sh
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403


if not sh.which("dnsdbq"):
    print("1..0 # SKIP dnsdbq is not installed")
    sys.exit(0)


@once
def guarded():
    accounts = os.path.join(tempdir(), "accounts")
    cli("user", "add", "anna", "--accounts", accounts, "--role", "reader", "--password-stdin", stdin=b"s3:cret\n")
    return Server(store_of(SEED), "--accounts", accounts)


def dnsdbq(*args, auth="anna:s3:cret", path="/pdns/query"):
    env = {"DNSDBQ_CONFIG_FILE": "/dev/null", "CIRCL_SERVER": guarded().url(path), "HOME": tempdir()}
    if auth:
        env["CIRCL_AUTH"] = auth
    return run(["dnsdbq", "-u", "circl", *args], env=env)


@check("-r circl.lu -j: the eight records")
def eight():
    ran = dnsdbq("-r", "circl.lu", "-j")
    eq(ran.code, 0, ran)
    rows = [json.loads(line) for line in ran.out.splitlines()]
    eq(len(rows), 8, ran)
    eq(sorted(r["rrtype"] for r in rows), ["A", "AAAA", "MX", "NS", "NS", "NS", "NS", "SOA"], ran)
    eq(ran.err, b"", ran)


@check("the text output names all eight")
def text():
    ran = dnsdbq("-r", "circl.lu")
    for word in (b"185.194.93.14", b"2a00:5980:93::14", b"cppy.circl.lu", b"ns4.eurodns.com", b"2023091306"):
        ok(word in ran.out, ran)


@check("base path {0} works", rows=["/pdns/query/", "/cof/pdns/query", "//pdns/query", "/circl/pdns/query"])
def base(path):
    eq(len(dnsdbq("-r", "circl.lu", "-j", path=path).out.splitlines()), 8)


@check("with /cof the owner is the rrname, as dnsdbq's text output reads it")
def cof_text():
    ran = dnsdbq("-r", "circl.lu", "-j", path="/cof/pdns/query")
    eq({json.loads(line)["rrname"].rstrip(".") for line in ran.out.splitlines()}, {"circl.lu"}, ran)


@check("an IPv6 address, which it sends with %3A")
def ipv6():
    for option in ("-i", "-n"):
        eq(len(dnsdbq(option, "2a00:5980:93::14", "-j").out.splitlines()), 1, option)


@check("an IPv4 address and a name in data")
def others():
    eq(len(dnsdbq("-i", "185.194.93.14", "-j").out.splitlines()), 1)
    eq(len(dnsdbq("-n", "ns1.eurodns.com", "-j").out.splitlines()), 2)


@check("-i with a CIDR block shows the refusal")
def cidr():
    ran = dnsdbq("-i", "185.194.93.0/24")
    ok(b"CIDR blocks are not supported" in ran.out + ran.err, ran)


@check("nothing found: nothing printed, no complaint")
def nothing():
    ran = dnsdbq("-r", "nothing.example", "-j")
    eq((ran.code, ran.out), (0, b""), ran)
    ok(b"ERROR" not in ran.err, ran)


@check("{0}: the error line is shown", rows=["wrong password", "no password"])
def wrong(kind):
    ran = dnsdbq("-r", "circl.lu", auth="anna:wrong" if kind == "wrong password" else None)
    line = guarded().get("/pdns/query/circl.lu").body.strip()
    ok(line and b"ERROR" in ran.err + ran.out and line in ran.err + ran.out, f"the server's line is {line!r}", ran)


@check("-L 1 ends the connection in mid-body; the server goes on")
def limit():
    for _ in range(5):
        dnsdbq("-r", "cdn1.wixdns.net", "-j", "-L", "1")
    eq(len(dnsdbq("-r", "circl.lu", "-j").out.splitlines()), 8)


@check("what is nasty does not abort it (an empty line, NUL and bad UTF-8 do)")
def nasty():
    store = store_of(temp("n.ndjson", ndjson([
        cof("nasty.test", "TXT", '"nul \\000 high \\255"'), cof("nasty.test", "TXT", '"caf\\195\\169"'), cof("nasty.test", "TXT", '""'),
        cof("nasty.test", "CNAME", "nul\\000.test"), cof("nasty.test", "A", "192.0.2.1")])))
    server = Server(store)
    ran = run(["dnsdbq", "-u", "circl", "-r", "nasty.test", "-j"],
              env={"DNSDBQ_CONFIG_FILE": "/dev/null", "CIRCL_SERVER": server.url("/pdns/query"), "CIRCL_AUTH": "x:y"})
    eq((ran.code, len(ran.out.splitlines())), (0, 5), ran)
    server.stop()


if __name__ == "__main__":
    main()
