# SPDX-License-Identifier: GPL-3.0-or-later
"""The options exclude and only: what they keep out of imports and of POST, and what is said of it."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403

EXCLUDE = "# kept out\nlan\nzen.spamhaus.org\n10.0.0.0/8\n2001:db8:1::/48\n"
RECORDS = [
    cof("www.example.org", "A", "192.0.2.1"),
    cof("www.example.org", "A", ["192.0.2.2", "10.0.0.1"]),
    cof("1.2.3.4.ZEN.spamhaus.org.", "A", "127.0.0.2"),
    cof("4.3.2.10.in-addr.arpa", "PTR", "host.example.org"),
    cof("mail.example.org", "CNAME", "box.lan"),
    cof("www.example.net", "AAAA", "2001:db8:1::5"),
    cof("www.example.net", "AAAA", "2001:db8:2::5"),
]
KEPT = [("www.example.net", "2001:db8:2::5"), ("www.example.org", "192.0.2.1"), ("www.example.org", "192.0.2.2")]


def records(store):
    return sorted((r["rrname"], r["rdata"]) for r in map(json.loads, cli("export", "--store", store).out.splitlines()))


def imported(*args, lines=RECORDS, code=0):
    store = os.path.join(tempdir(), "db")
    ran = cli("import", "--store", store, *args, temp("feed.ndjson", ndjson(lines)), code=code)
    return store, ran.err.decode()


@check("an import keeps out what is on a list of exclude, and says how much")
def exclude():
    store, said = imported("--exclude", temp("list", EXCLUDE))
    eq(records(store), KEPT)
    ok(": 3 observations, 0 lines rejected, 5 left out (excluded 5), " in said, said)
    cli("check", "--store", store)


@check("without lists everything is stored, and nothing is said of lists")
def without():
    store, said = imported()
    eq(len(records(store)), 8)
    ok("left out" not in said, said)


@check("only: what has nothing on the list is kept out; exclude wins")
def only():
    store, said = imported("--only", temp("list", "example.org\n"), "--exclude", temp("other", "10.0.0.0/8\n"))
    eq(records(store), [("mail.example.org", "box.lan"), ("www.example.org", "192.0.2.1"), ("www.example.org", "192.0.2.2")])
    ok("5 left out (excluded 5)" in said, said)


@check("lists add up, on the command line and in a file; the command line replaces those of the file")
def several():
    first, second = temp("first", "lan\n"), temp("second", "10.0.0.0/8\n")
    store, said = imported("--exclude", first, "--exclude", second)
    eq(len(records(store)), 5)
    config = temp("conf", f"exclude = {first}\nexclude = {second}\n")
    store, said = imported("--config", config)
    eq(len(records(store)), 5)
    store, said = imported("--config", config, "--exclude", first)
    eq(len(records(store)), 7)
    store, said = imported("--config", config, "--exclude", "")
    eq(len(records(store)), 8)


@check("--print-config shows lists as they can be read again")
def printed():
    text = cli("serve", "--exclude", "/a b", "--exclude", "/c", "--print-config").out.decode()
    ok('\nexclude = /a b\nexclude = /c\n' in text and '\nonly = ""\n' in text, text)
    eq(cli("serve", "--config", temp("conf", text), "--print-config").out.decode().count("exclude = "), 2)


@check("a wrong list is an error with its place: {0}", rows=[
    ("10.0.0.1/8\n", ":1: the address has bits behind the length of the block"),
    ("\n# x\n*.example\n", ":3: a name stands for all below it, too: write it without the *."),
])
def wrong(text, error):
    path = temp("list", text)
    store, said = imported("--exclude", path, code=1)
    ok(f"dribble import: {path}{error}\n" in said, said)
    store = os.path.join(tempdir(), "db")
    ran = cli("serve", "--store", store, "--listen", "127.0.0.1:0", "--exclude", path, code=1)
    ok(path.encode() + error.encode() in ran.err, ran)


@check("a list that is not there is an error; so are lists beside --server")
def missing():
    store, said = imported("--only", "/nonexistent/list", code=1)
    ok("/nonexistent/list: No such file" in said, said)
    ran = cli("import", "--server", "http://127.0.0.1:1", "--exclude", temp("list", "lan\n"), "/dev/null", code=2)
    ok(b"--exclude does not go with --server" in ran.err, ran)


@check("a server keeps out of POST what is on its lists, and tells how much; again with the same key")
def post():
    server = Server(os.path.join(tempdir(), "db"), "--exclude", temp("list", EXCLUDE))
    told = []
    for _ in range(2):
        answer = server.request("POST", "/pdns/import", {"idempotency-key": "k"}, ndjson(RECORDS))
        eq(answer.status, 200, answer)
        told.append(json.loads(answer.body))
    eq(told[0], {"accepted": 3, "rejected": 0, "errors": [], "excluded": 5})
    eq(told[1], told[0])
    eq(server.ask("10.0.0.1").records, [])
    eq(len(server.ask("www.example.org").records), 2)
    eq(server.feed([cof("a.example.org", "A", "192.0.2.1")]), {"accepted": 1, "rejected": 0, "errors": []})
    answer = server.request("POST", "/pdns/import", [], ndjson(RECORDS[2:3]))
    eq(json.loads(answer.body), {"accepted": 0, "rejected": 0, "errors": [], "excluded": 1})
    store = server.store
    server.stop()
    eq(len(records(store)), 4)


@check("a file of excluded records alone is known as imported afterwards")
def nothing_left():
    path = temp("feed.ndjson", ndjson(RECORDS[2:3]))
    store = os.path.join(tempdir(), "db")
    args = ("import", "--store", store, "--exclude", temp("list", EXCLUDE), path)
    ok(b"0 observations, 0 lines rejected, 1 left out (excluded 1)" in cli(*args).err)
    ok(b"already imported" in cli(*args).err)
    eq(records(store), [])


if __name__ == "__main__":
    main()
