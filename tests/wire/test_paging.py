# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §2: pages and cursors, also while records arrive."""
import json
import threading
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403



@once
def seed():
    return Server(store_of(SEED))


PAGE_MAX = 500


@once
def pool():
    """120 + 1200 aliases, a mixed name, and two values that share a prefix."""
    rows = [cof(f"n{i:04d}.example.org", "CNAME", "hub.test") for i in range(120)]
    rows += [cof(f"m{i:04d}.example.org", "CNAME", "big.test") for i in range(1200)]
    rows += [cof("mix.test", t, d) for t, d in
             [("A", f"192.0.2.{i}") for i in range(7)] + [("NS", f"ns{i}.test") for i in range(5)] + [("TXT", f'"{"x" * 200}{i}"') for i in range(6)]]
    rows += [cof(f"q{i}.example.org", "MX", f"{i} mix.test") for i in range(4)]
    rows += [cof(f"n{i:04d}.example.org", "CNAME", "hub.test.example") for i in range(120)]
    return Server(store_of(temp("pool.ndjson", ndjson(rows))), "--page-max", PAGE_MAX, "--maxset", 100)


def keys(answers):
    return [(r["rrtype"], r["rrname"], r["rdata"]) for a in answers for r in a.records]


def check_page(page):
    eq(page.errors, "[]", "x-dribble-errors on a page", page.head)
    if page.cursor is not None:
        ok(re.fullmatch(r"[1-9][0-9]*", page.cursor), "cursor", page.head)
        ok(len(page.cursor) < 700, "cursor of", len(page.cursor), "digits")
    return clean_body(page)


@check("com with the page's headers: five SOA, byte for byte in doc (names in lower case)")
def com():
    answer = check_page(seed().ask("com", rrtype="SOA", count=5, style="doc"))
    with open(SEED) as f:
        rows = [json.loads(line) for line in f]
    want = [json.dumps({"rrtype": "SOA", "rrname": r["rdata"].lower(), "rdata": "com", **{k: str(r[k]) for k in ("count", "time_first", "time_last")}})
            for r in rows if r["rrname"] == "com"]
    eq([line.decode() for line in answer.lines], want, answer)
    eq(answer.cursor, None, "five records at five a page: no next page", answer.head)


@check("com by pages of {0}", rows=[1, 2, 3, 4])
def com_pages(count):
    pages = [check_page(p) for p in seed().pages("com", count, rrtype="SOA")]
    eq([len(p.lines) for p in pages], [count] * (5 // count) + ([5 % count] if 5 % count else []))


@check("cdn1.wixdns.net by 25: every owner once")
def wix():
    pages = [check_page(p) for p in seed().pages("cdn1.wixdns.net", 25, rrtype="CNAME", style="doc")]
    with open(SEED) as f:
        owners = sorted(r["rrname"] for r in map(json.loads, f) if r["rdata"] == "cdn1.wixdns.net")
    ok(len(owners) > 25)
    eq(sorted(r["rdata"] for p in pages for r in p.records), owners)
    eq([len(p.lines) for p in pages], [25, len(owners) - 25])


@check("120 records at {0} a page: {1} requests, all once, in the unpaged order", rows=[
    (1, 120), (7, 18), (25, 5), (40, 3), (50, 3), (60, 2), (119, 2), (120, 1), (121, 1), (500, 1)])
def sizes(count, requests):
    pages = [check_page(p) for p in pool().pages("hub.test", count)]
    eq(len(pages), requests)
    ok(all(len(p.lines) == count for p in pages[:-1]), [len(p.lines) for p in pages])
    ok(pages[-1].lines, "an empty last page")
    got = keys(pages)
    eq((len(got), len(set(got))), (120, 120))
    eq(got, sorted(got, key=lambda k: k[2]), "owners in byte order")


@check("an exactly full last page has no cursor")
def full_last():
    page = check_page(pool().ask("hub.test", count=120))
    eq((len(page.lines), page.cursor), (120, None), page.head)


@check("count is clamped to the server's page_max: {0}", rows=[501, 1000, 10000, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64, 10 ** 30])
def clamped(count):
    page = check_page(pool().ask("big.test", count=count))
    eq(len(page.lines), PAGE_MAX, page.head)
    ok(page.cursor, "no cursor though more follow", page.head)


@check("the default page_max is 10,000")
def default_page_max():
    server = Server("memory:")
    server.feed([cof(f"d{i:05d}.example.org", "CNAME", "ten.test") for i in range(10001)])
    page = server.ask("ten.test", count=20000)
    eq(len(page.lines), 10000, page.head)
    eq(len(server.ask("ten.test", count=20000, cursor=page.cursor).lines), 1)
    server.stop()


@once
def wide():
    """20,000 records under one name, and room for pages that are streamed."""
    server = Server("memory:", "--page-max", 30000)
    server.feed([cof(f"w{i:05d}.example.org", "CNAME", "wide.test") for i in range(20000)])
    return server


@check("pages of {0} of 20,000 records are full, and nothing is lost between them", rows=[1000, 5000, 6000, 9000, 9999, 12345, 19999, 20000])
def big_pages(count):
    pages = wide().pages("wide.test", count)
    eq([len(p.lines) for p in pages], [count] * (20000 // count) + ([20000 % count] if 20000 % count else []))
    eq(len(set(keys(pages))), 20000)


@check("a count that is none is 400: {0!r}", rows=["0", "-1", "abc", "1.5", "", "1e3", "0x10", "5 5", "5,", "-0", "00", "∞", "5;"])
def bad_count(count):
    error_body(pool().get("/pdns/query/hub.test", {"dribble-paginate-count": count}), 400)


@check("a cursor that was never issued is 400: {0!r}", rows=[
    "-1", "abc", "1", "7", "7346046680497455128", "18446744073709551615", "18446744073709551616", str(10 ** 40), "9" * 300,
    "1.5", "", "null", "1e9", "12345678901234567890123", "0x41"])
def bad_cursor(cursor):
    for headers in ({"dribble-paginate-cursor": cursor}, {"dribble-paginate-cursor": cursor, "dribble-paginate-count": 5}):
        error_body(pool().get("/pdns/query/hub.test", headers), 400)


@check("an absurdly long cursor is an error, never a restart: {0} digits", rows=[5000, 20000])
def long_cursor(digits):
    error_body(pool().get("/pdns/query/hub.test", {"dribble-paginate-cursor": "7" * digits}), 400, 431)


@check("a changed cursor is 400: digit {0}", rows=[0, 1, 2, -1, -2, -3])
def changed_cursor(at):
    cursor = list(pool().ask("hub.test", count=50).cursor)
    ok(len(cursor) > 3, cursor)
    refused = tried = 0
    for digit in "123456789":
        if digit != cursor[at]:
            changed = cursor.copy()
            tried += 1
            changed[at] = digit
            answer = pool().get("/pdns/query/hub.test", {"dribble-paginate-cursor": "".join(changed), "dribble-paginate-count": 50})
            if answer.status != 200:
                error_body(answer, 400)
                refused += 1
    eq(refused, tried, "changed cursors that were refused, of those tried")


@check("the cursor of another value is 400: {0}", rows=["big.test", "mix.test", "hub.test.example", "nothing.test", "192.0.2.1", "test"])
def foreign_value(value):
    cursor = pool().ask("hub.test", count=10).cursor
    error_body(pool().get(f"/pdns/query/{value}", {"dribble-paginate-cursor": cursor, "dribble-paginate-count": 10}), 400)


@check("the cursor of another filter is 400: {0!r}", rows=["A", "CNAME,A", "NOSUCHTYPE"])
def foreign_filter(rrtype):
    headers = {"dribble-paginate-count": 2, "dribble-paginate-cursor": pool().ask("mix.test", count=2, rrtype="NS").cursor}
    error_body(pool().get("/pdns/query/mix.test", {**headers, "dribble-filter-rrtype": rrtype}), 400)
    error_body(pool().get("/pdns/query/mix.test", headers), 400)


@check("the cursor of no filter does not serve a filter")
def filter_added():
    cursor = pool().ask("mix.test", count=2).cursor
    error_body(pool().get("/pdns/query/mix.test", {"dribble-paginate-count": 2, "dribble-paginate-cursor": cursor,
                                                   "dribble-filter-rrtype": "A"}), 400)


@check("another spelling of the value and the filter keeps the cursor")
def spelled():
    first = pool().ask("mix.test", count=2, rrtype="NS")
    second = pool().ask("MIX.test.", count=2, rrtype="type2", cursor=first.cursor)
    eq(keys([first, second]), keys([pool().ask("mix.test", count=4, rrtype="NS")]))


@check("a cursor works with another count, and in another style")
def other_count():
    whole = keys([pool().ask("hub.test", count=120)])
    first = pool().ask("hub.test", count=13)
    second = pool().ask("hub.test", count=31, cursor=first.cursor)
    third = pool().ask("hub.test", count=200, cursor=second.cursor)
    eq(keys([first, second, third]), whole)
    styled = pool().ask("hub.test", count=31, cursor=first.cursor, style="cof")
    eq([(r["rrtype"], r["rdata"], r["rrname"]) for r in styled.records], keys([second]))


@check("a cursor can be used again")
def reused():
    cursor = pool().ask("hub.test", count=50).cursor
    first = pool().ask("hub.test", count=50, cursor=cursor)
    again = pool().ask("hub.test", count=50, cursor=cursor)
    eq((first.body, first.cursor), (again.body, again.cursor))


@check("cursor 0 is the start")
def zero():
    eq(pool().ask("hub.test", count=50, cursor=0).body, pool().ask("hub.test", count=50).body)


@check("a cursor without a count: the page is maxset long")
def no_count():
    page = check_page(pool().ask("big.test", cursor=0))
    eq(len(page.lines), 100, page.head)
    following = check_page(pool().ask("big.test", cursor=page.cursor))
    eq(len(following.lines), 100, following.head)
    eq(keys([page, following]), keys([pool().ask("big.test", count=200)]))


@check("with a pagination header there is no maxset")
def no_maxset():
    pages = [check_page(p) for p in pool().pages("big.test", 500)]
    eq([len(p.lines) for p in pages], [500, 500, 200])
    eq(len(set(keys(pages))), 1200)


@check("mixed types and both directions by pages of {0}: the unpaged answer", rows=[1, 2, 3, 5, 8, 21, 22])
def mixed(count):
    whole = pool().ask("mix.test")
    eq((len(whole.lines), whole.errors), (22, None), whole.head)
    pages = [check_page(p) for p in pool().pages("mix.test", count)]
    eq(b"".join(p.body for p in pages), whole.body)


@check("paging with a filter of {0!r}", rows=["A", "TXT", "MX,NS", "a,txt,cname"])
def filtered(rrtype):
    whole = pool().ask("mix.test", rrtype=rrtype)
    eq(b"".join(p.body for p in pool().pages("mix.test", 2, rrtype=rrtype)), whole.body)


@check("nothing found, paged: an empty 200 with x-dribble-errors [] and no cursor")
def nothing():
    page = check_page(pool().ask("nothing.test", count=5))
    eq((page.body, page.cursor, page.get("content-length")), (b"", None, "0"), page)


@check("a filter nobody matches, paged: empty, no cursor")
def nothing_filtered():
    page = check_page(pool().ask("hub.test", count=5, rrtype="SOA"))
    eq((page.body, page.cursor), (b"", None), page)


@check("HEAD of a page has the page's headers")
def head():
    got = pool().ask("hub.test", count=5)
    answer = pool().request("HEAD", "/pdns/query/hub.test", {"dribble-paginate-count": 5})
    eq((answer.errors, answer.cursor, answer.get("content-length")), (got.errors, got.cursor, got.get("content-length")), answer)


@check("a cursor survives a restart, and works on a replica of the same data")
def restart():
    old = Server(store_of(SEED))
    first = old.ask("cdn1.wixdns.net", count=10)
    want = old.ask("cdn1.wixdns.net", count=10, cursor=first.cursor).body
    old.stop()
    again = Server(old.store)
    eq(again.ask("cdn1.wixdns.net", count=10, cursor=first.cursor).body, want)
    again.stop()
    eq(seed().ask("cdn1.wixdns.net", count=10, cursor=first.cursor).body, want, "on the replica")
    replica = Server("memory:")
    with open(SEED, "rb") as f:
        replica.feed(f.read())
    eq(replica.ask("cdn1.wixdns.net", count=10, cursor=first.cursor).body, want, "on a replica in memory")
    replica.stop()


@check("long names and long data: pages of 1 visit every record once")
def long_keys():
    server = pool()
    label = "l" * 60
    rows = [cof(f"{i}.{label}.{label}.{label}", "CNAME", f"{label}.long.test") for i in range(9)]
    rows += [cof("data.long.test", "TXT", " ".join(f'"{"z" * 255}"' for _ in range(8)) + f' "{i:03d}"') for i in range(9)]
    rows += [cof("data.long.test", "TXT", " ".join(f'"{"z" * 255}"' for _ in range(i + 1))) for i in range(9)]
    server.feed(rows)
    for value, many in ((f"{label}.long.test", 9), ("data.long.test", 18)):
        got = keys([check_page(p) for p in server.pages(value, 1)])
        eq((len(got), len(set(got))), (many, many), value)


@check("the whole data comes back, however long")
def long_data():
    for rdata in (" ".join(f'"{"z" * 255}"' for _ in range(8)) + ' "004"',):
        ok(rdata in [r["rdata"] for r in pool().ask("data.long.test", style="cof").records], "lost")


def page_while_feeding(server, count):
    """Pages through live.test while a thread inserts before, between and after; returns the pages."""
    stop, problem, fed = threading.Event(), [], [0]

    def insert():
        n = 0
        try:
            while not stop.is_set():
                rows = [cof(f"k{(n * 7919 + j * 101) % 3000:04d}-new{n}x{j}.example.org", "CNAME", "live.test") for j in range(20)]
                rows += [cof(f"k{(n * 31 + j) % 3000:04d}.example.org", "CNAME", "live.test", first=1500000000 - n) for j in range(10)]
                rows += [cof("live.test", "A", f"10.{n % 256}.{j}.1") for j in range(5)]
                server.feed(rows)
                n += 1
                fed[0] = n
        except Exception as error:
            problem.append(error)
    feeder = threading.Thread(target=insert)
    feeder.start()
    try:
        wait_for(lambda: fed[0] or problem, 10, "the first insert")
        pages, cursor = [], None
        while True:
            pages.append(check_page(server.ask("live.test", count=count, cursor=cursor)))
            cursor = pages[-1].cursor
            if cursor is None:
                break
            seen = fed[0]
            if len(pages) % 5 == 0:
                wait_for(lambda: fed[0] > seen or problem, 10, "another insert")
            ok(len(pages) < 3000, "paging does not end")
    finally:
        stop.set()
        feeder.join()
    ok(not problem, *problem)
    ok(fed[0] > 5, "too few inserts to prove anything:", fed[0])
    return pages


@check("paging under inserts, {0}: nothing that was there is missed or repeated", rows=["rocksdb", "memory"])
def under_inserts(kind):
    base = [cof(f"k{i:04d}.example.org", "CNAME", "live.test") for i in range(3000)]
    server = Server(os.path.join(tempdir(), "db") if kind == "rocksdb" else "memory:")
    server.feed(base)
    got = keys(page_while_feeding(server, 97))
    eq(len(got), len(set(got)), "repeated records")
    missed = {("CNAME", "live.test", r["rrname"]) for r in base} - set(got)
    eq(len(missed), 0, "missed", sorted(missed)[:5])
    server.stop()


if __name__ == "__main__":
    main()
