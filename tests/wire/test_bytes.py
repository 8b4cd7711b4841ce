# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §1 and §2: every body is clean, whatever is stored in it."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403


# Names and data that tempt a printer to break a line, a string or a client.
NASTY = [
    ("quote\\\"d.nasty.test", "A", "192.0.2.1"),
    ("back\\\\slash.nasty.test", "A", "192.0.2.2"),
    ("dot\\.inside.nasty.test", "A", "192.0.2.3"),
    ("nul\\000.nasty.test", "A", "192.0.2.4"),
    ("lf\\010.nasty.test", "A", "192.0.2.5"),
    ("cr\\013.nasty.test", "A", "192.0.2.6"),
    ("del\\127.nasty.test", "A", "192.0.2.7"),
    ("high\\255\\128.nasty.test", "A", "192.0.2.8"),
    ("utf\\195\\169.nasty.test", "A", "192.0.2.9"),
    ("space\\032in.nasty.test", "A", "192.0.2.10"),
    ("semi\\;colon.nasty.test", "A", "192.0.2.11"),
    ("at\\@sign.nasty.test", "A", "192.0.2.12"),
    ("dollar\\$.nasty.test", "A", "192.0.2.13"),
    ("paren\\(s\\).nasty.test", "A", "192.0.2.14"),
    ("sla/sh.nasty.test", "A", "192.0.2.15"),
    ("per%cent.nasty.test", "A", "192.0.2.16"),
    ("q?mark.nasty.test", "A", "192.0.2.17"),
    ("ha#sh.nasty.test", "A", "192.0.2.18"),
    ("com,ma.nasty.test", "A", "192.0.2.19"),
    ("txt1.nasty.test", "TXT", '"quote \\" inside"'),
    ("txt2.nasty.test", "TXT", '"back \\\\ slash"'),
    ("txt3.nasty.test", "TXT", '"nul \\000 lf \\010 cr \\013 del \\127 high \\255"'),
    ("txt4.nasty.test", "TXT", '"utf8 \\195\\169 u2028 \\226\\128\\168 u0085 \\194\\133"'),
    ("txt5.nasty.test", "TXT", '""'),
    ("txt6.nasty.test", "TXT", '"{\\"json\\": true}"'),
    ("txt7.nasty.test", "TXT", '"<script>&amp;"'),
    ("txt8.nasty.test", "TXT", '"bad utf8 \\237\\160\\128 \\192\\128"'),
    ("cn.nasty.test", "CNAME", "quote\\\"d.lf\\010.target.test"),
    ("caa.nasty.test", "CAA", '0 iodef "mailto:a\\"b@x.test"'),
    ("unk.nasty.test", "TYPE65281", "\\# 5 00017f80ff"),
    ("unk0.nasty.test", "TYPE65281", "\\# 0"),
    ("hinfo.nasty.test", "HINFO", '"C\\"P\\\\U" "O\\010S"'),
]

# The same as JSON may carry it: raw and escaped non-ASCII. Kept or refused, but never passed on raw.
RAW = [
    b'{"rrname": "raw1.test", "rrtype": "TXT", "rdata": "\\"caf\xc3\xa9\\"", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw2.test", "rrtype": "TXT", "rdata": "\\"caf\\u00e9\\"", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw3.test", "rrtype": "TXT", "rdata": "\\"nul\\u0000nul\\"", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw4\\u0000.test", "rrtype": "A", "rdata": "192.0.2.44", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw5\xc3\xa9.test", "rrtype": "A", "rdata": "192.0.2.45", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw6.test", "rrtype": "TXT", "rdata": "\\"\\ud83d\\ude00 \\u2028 \\u007f\\"", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw7.test", "rrtype": "TXT", "rdata": "\\"lone \\ud83d\\"", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw8.test", "rrtype": "TXT", "rdata": "\\"invalid \xff\xfe\\"", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw9.test", "rrtype": "TXT", "rdata": "\\"tab\\t lf\\n cr\\r\\"", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw10.test", "rrtype": "A", "rdata": "no address \\u0000 \\n \xc3\xa9 at all", "time_first": 1, "time_last": 2}',
    b'{"rrname": "raw11.test", "rrtype": "MX", "rdata": "not \\"an\\" mx \\\\ \\u007f", "time_first": 1, "time_last": 2}',
]


@once
def server():
    s = Server("memory:")
    told = s.feed([cof(n, t, d) for n, t, d in NASTY])
    eq(told, {"accepted": len(NASTY), "rejected": 0, "errors": []})
    return s


def address(n):
    return NASTY[n][2]


@check("{1!r} {2} is stored, found by its data, and found again by what was printed",
       rows=[(n, name, t) for n, (name, t, _) in enumerate(NASTY) if t == "A"])
def nasty_owner(n, name, rrtype):
    answer = clean_body(server().ask(address(n), style="cof"))
    eq([r["rdata"] for r in answer.records], [address(n)], answer)
    printed = answer.records[0]["rrname"]
    ok(not printed.endswith("."), answer)
    again = clean_body(server().ask(printed, style="cof"))
    eq(again.records, answer.records, f"asked for {printed!r}")
    told = server().feed([dict(answer.records[0])])
    eq(told["accepted"], 1, "what was printed is no valid input", told)
    eq([r["count"] for r in server().ask(address(n)).records], [2], "and is not the same record")


@check("{0} {1} {2!r} is printed cleanly, and found by what was printed", rows=[(n, t, d) for n, t, d in NASTY if t != "A"])
def nasty_data(name, rrtype, rdata):
    for style in ("circl", "cof", "doc"):
        clean_body(server().ask(name, style=style))
    answer = server().ask(name, style="cof")
    eq(len(answer.records), 1, answer)
    printed = answer.records[0]["rdata"]
    again = clean_body(server().ask(printed, style="cof"))
    eq([r["rrname"] for r in again.records], [name], f"asked for {printed!r}")
    told = server().feed([dict(answer.records[0])])
    eq(told["accepted"], 1, "what was printed is no valid input", told)
    eq([r["count"] for r in server().ask(name).records], [2], "and is not the same record")


@check("quotes and backslashes are escaped as JSON wants")
def exact_escapes():
    body = server().ask("txt1.nasty.test", style="cof").body
    eq(json.loads(body)["rdata"], '"quote \\" inside"')
    ok(b'"rdata": "\\"quote \\\\\\" inside\\""' in body, body)
    eq(json.loads(server().ask("txt2.nasty.test", style="cof").body)["rdata"], '"back \\\\ slash"')


@check("a name printed twice means the same name")
def idempotent():
    for name in ("dot\\.inside.nasty.test", "dot\\046inside.nasty.test"):
        eq([r["rdata"] for r in server().ask(name, style="cof").records], ["192.0.2.3"], name)


@check("raw non-ASCII, NUL and controls in input never come out raw: line {0}", rows=[(i,) for i in range(len(RAW))])
def raw_input(i):
    line = RAW[i]
    told = server().feed(line + b"\n")
    eq(told["accepted"] + told["rejected"], 1, told)
    value = json.loads(line.decode("utf-8", "replace"))
    for asked in {value["rrname"], "192.0.2.44", "192.0.2.45"}:
        answer = server().get("/pdns/query/" + quote(asked), {"dribble-style": "cof"})
        if "\0" in asked:
            error_body(answer, 400)
        else:
            eq(answer.status, 200, answer)
            clean_body(answer)
    if told["accepted"] and "\0" not in value["rrname"] and value["rrname"].isascii():
        eq(len(server().ask(value["rrname"]).records), 1, "accepted but not found")


@check("data that is not what its type says is kept as opaque text and found by its exact text")
def opaque():
    for name, rrtype, text in (("op1.test", "A", "not an address"), ("op2.test", "MX", "what is this"),
                               ("op3.test", "AAAA", "300.1.2.3"), ("op4.test", "TYPE65282", "free text")):
        told = server().feed([cof(name, rrtype, text, count=4)])
        eq(told["accepted"], 1, text, told)
        answer = clean_body(server().ask(name, style="cof"))
        eq([(r["rdata"], r["count"]) for r in answer.records], [(text, 4)], answer)
        eq([r["rrname"] for r in clean_body(server().ask(text, style="cof")).records], [name], f"by {text!r}")


@check("error bodies stay clean whatever was asked: {0}", rows=["%0a%0d%00", "%c3%a9%00", "%22%00", "192.0.2.0/24%0aX", "%1b%5b31m/24%00"])
def error_text(value):
    answer = server().get("/pdns/query/" + value)
    if answer.status != 200:
        error_body(answer, 400)


@check("no header can be split by what is asked: {0}", rows=["a%0d%0ax-evil:%201", "%0d%0a%0d%0a"])
def header_split(value):
    for count in (None, 1):
        answer = server().get("/pdns/query/" + value, {"dribble-paginate-count": count} if count else {})
        eq(answer.all("x-evil"), [], answer)
        among(answer.status, (200, 400), answer)


if __name__ == "__main__":
    main()
