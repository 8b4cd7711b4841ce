# SPDX-License-Identifier: GPL-3.0-or-later
"""`dribble import`: what makes a file another file, and options that are wrong or do not go together."""
import http.server
import json
import os
import signal
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dns  # noqa: E402
from dribble import *  # noqa: E402,F403

COF = b'{"rrname": "a.import.test", "rrtype": "A", "rdata": "192.0.2.1", "count": 3, "time_first": 1, "time_last": 2}\n'
LOG = b"1322849924.408856||10.1.1.1||8.8.8.8||IN||www.import.test.||A||192.0.2.61||43200||8\n"
TURNED = b"192.0.2.62||A||turned.import.test.||1322849924\n"
ORDER = "ATQS"
ZONE = b"$ORIGIN import.test.\n$TTL 300\n@ SOA ns host 1 2 3 4 5\na A 192.0.2.1\n"
TAP = dns.dnstap_file([dns.dnstap_frame(dns.response("tap.import.test", "A", [("tap.import.test", "A", "192.0.2.9")]), 1600000000_000000)])
CAPTURE = dns.pcap([(1600000000_000000, dns.udp_frame(("203.0.113.9", 4000), ("203.0.113.53", 53), dns.question("cap.import.test", "A"))),
                    (1600000000_000100, dns.udp_frame(("203.0.113.53", 53), ("203.0.113.9", 4000), dns.response(
                        "cap.import.test", "A", [("cap.import.test", "A", "192.0.2.7")])))])


def new_store():
    return os.path.join(tempdir("store"), "db")


def names(store):
    """{owner: count}; a zone has no counts."""
    return {r["rrname"]: r.get("count", 0) for r in map(json.loads, cli("export", "--store", store).out.splitlines())}


@check("{0} read as {1} by mistake can be imported as what it is", rows=[
    ("dnstap", "cof", TAP, "tap.import.test"), ("dnstap", "zone", TAP, "tap.import.test"), ("cof", "zeek", COF, "a.import.test"),
    ("cof", "passivedns", COF, "a.import.test"), ("passivedns", "eve", LOG, "www.import.test"), ("pcap", "cof", CAPTURE, "cap.import.test"),
    ("zone", "cof", ZONE, "a.import.test")])
def wrong_format(right, wrong, octets, name):
    store, path = new_store(), temp("a.data", octets)
    cli("import", "--store", store, "--format", wrong, path, code=(0, 1, 3))
    said = cli("import", "--store", store, path).err
    ok(b"already" not in said, said)
    count = names(store)[name]
    for more in ([], ["--format", right], ["--format", "auto"]):  # said in so many words it is the same file
        ok(b"already imported" in cli("import", "--store", store, *more, path).err, more)
    cli("import", "--store", store, "--format", wrong, path)
    eq(names(store)[name], count)


@check("the same of a server: {0} read as {1}", rows=[("dnstap", "cof", TAP, "tap.import.test"), ("cof", "zeek", COF, "a.import.test")])
def wrong_format_sent(right, wrong, octets, name):
    server = Server("memory:")
    path = temp("a.data", octets)
    cli("import", "--server", server.url(), "--format", wrong, path, code=(0, 1, 3))
    counts = set()
    for more in ([], ["--format", right], ["--format", "auto"]):
        cli("import", "--server", server.url(), *more, path)
        counts.add(tuple(r["count"] for r in server.ask(name).records))
    eq(len(counts), 1, counts)
    ok(counts.pop(), "it is not in")
    server.stop()


@check("of what looks like nothing each format is another file")
def unrecognised():
    store, path = new_store(), temp("a.data", b"; nothing\n" * 7000 + COF)
    cli("import", "--store", store, path, code=1)
    for wrong in ("eve", "zone", "dnstap"):
        cli("import", "--store", store, "--format", wrong, path, code=None)
    cli("import", "--store", store, "--format", "cof", path, code=3)
    eq(names(store), {"a.import.test": 3})
    ok(b"already imported" in cli("import", "--store", store, "--format", "cof", path).err)


@check("--fields says how logs are read, not that a file is one")
def fields_of_several():
    store = new_store()
    files = [temp("a.ndjson", COF), temp("turned.log", TURNED), temp("a.dnstap", TAP), temp("cap.pcap", CAPTURE)]
    cli("import", "--store", store, "--fields", ORDER, *files)
    eq(sorted(names(store)), ["a.import.test", "cap.import.test", "tap.import.test", "turned.import.test"])
    for more in ([], ["--format", "passivedns"]):
        ok(b"already imported" in cli("import", "--store", store, "--fields", ORDER, *more, files[1]).err, more)
    ok(b"already imported" in cli("import", "--store", store, files[0]).err, "COF is the same with --fields")


@check("wrong --fields first, right ones later")
def wrong_fields():
    store, path = new_store(), temp("turned.log", TURNED)
    cli("import", "--store", store, "--fields", "SQTA", path, code=3)
    eq(names(store), {})
    cli("import", "--store", store, "--fields", ORDER, path)
    eq(names(store), {"turned.import.test": 1})


@check("a capture read with {0} is {1} file", rows=[
    ("--filter", "another", ["--filter", "udp"]), ("--port", "another", ["--port", "53,5353"]), ("--unmatched", "another", ["--unmatched"]),
    ("the default ports", "the same", ["--port", "53"]), ("no filter", "the same", ["--filter", ""])])
def capture_options(what, which, options):
    store, path = new_store(), temp("cap.pcap", CAPTURE)
    cli("import", "--store", store, path)
    said = cli("import", "--store", store, *options, path).err
    eq(b"already imported" in said, which == "the same", said)
    ok(b"already imported" in cli("import", "--store", store, *options, path).err)


@check("a value that makes no sense is wrong usage: {0} {1!r}", rows=[
    ("--port", "x"), ("--port", "0"), ("--port", "53,"), ("--port", "65536"), ("--filter", "(("), ("--origin", "a..b"), ("--fields", "SQ"),
    ("--fields", "S%QTA"), ("--time", "x"), ("--format", "x"), ("--sensor", "")])
def senseless(option, value):
    store = new_store()
    for files in ([], [temp("a.ndjson", COF)]):  # also where it would not be looked at
        ran = cli("import", "--store", store, option, value, *files, code=2)
        ok(option.encode() in ran.err, ran)
    ok(not os.path.exists(store), "no store is made")


@check("an option of another format than --format {0} is refused: {1}", rows=[
    ("cof", ["--fields", "SQTA"]), ("cof", ["--filter", "udp"]), ("passivedns", ["--port", "53"]), ("zone", ["--unmatched"]),
    ("pcap", ["--origin", "test"]), ("dnstap", ["--time", "now"]), ("eve", ["--include"])])
def of_another_format(name, option):
    ran = cli("import", "--store", new_store(), "--format", name, *option, temp("a.ndjson", COF), code=2)
    ok(option[0].encode() in ran.err, ran)


@check("what does not go with --server: {0}", rows=[
    ([o],) if o in ("--unmatched", "--include") else ([o, v],) for o, v in (
        ("--fields", "SQTA"), ("--filter", "udp"), ("--port", "53"), ("--unmatched", ""), ("--origin", "test"), ("--time", "now"),
        ("--include", ""), ("--rejects", "/dev/null"), ("--exclude", "/dev/null"), ("--only", "/dev/null"), ("--store", "memory:"),
        ("--memory", "8M"), ("--threads", "1"), ("--cache", "8M"))])
def not_sent(option):
    ran = cli("import", "--server", "http://127.0.0.1:1", *option, temp("a.ndjson", COF), code=2)
    ok(option[0].encode() in ran.err and b"--server" in ran.err, ran)


@check("who feeds is for --server, and one of two: {0}", rows=[
    ("import", ["--user", "a:b"]), ("import", ["--token", "t"]), ("query", ["--user", "a:b"]), ("query", ["--token", "t"]),
    ("import", ["--server", "http://127.0.0.1:1", "--user", "a:b", "--token", "t"]),
    ("import", ["--server", ""]), ("query", ["--server", ""]), ("query", ["--server", "http://127.0.0.1:1", "--store", "memory:"]), ("query", ["--server", "http://127.0.0.1:1", "--origin", "http://x.test"])])
def who(command, options):
    ran = cli(command, *options, temp("a.ndjson", COF) if command == "import" else "a.test", code=2)
    ok(options[-2].encode() in ran.err, ran)


@check("bench refuses what would do nothing: {0}", rows=[
    ("--write", "/dev/null", "--folder", "/tmp"), ("--write", "/dev/null", "--hot-name", "x"), ("--input", "/dev/null", "--records", "5")])
def bench(*options):
    ran = cli("bench", *options, code=2)
    ok(options[2].encode() in ran.err, ran)


@check("--rejects does not write over what is to be read: {0}", rows=["by name", "by another name", "on standard input"])
def rejects_over_input(how):
    path = temp("a.ndjson", COF)
    os.link(path, path + ".other")
    given = ["-"] if how == "on standard input" else [temp("b.ndjson", b""), path]
    named = path if how == "by name" else path + ".other"
    with open(path, "rb") as f:
        ran = subprocess.run([DRIBBLE, "import", "--store", new_store(), "--rejects", named, *given], stdin=f, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=30 * SLOW)
    eq(ran.returncode, 2, ran.stderr)
    ok(b"--rejects" in ran.stderr, ran.stderr)
    with open(path, "rb") as f:
        eq(f.read(), COF)


class Interrupts(http.server.BaseHTTPRequestHandler):
    """Takes a file, when it has told the sender to stop."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        while self.rfile.readline().strip() != b"0":  # chunks, and what is between them
            pass
        self.server.posts += 1
        self.server.process.send_signal(signal.SIGTERM)
        said = b'{"accepted": 1, "rejected": 0, "errors": []}\n'
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@check("an import that is told to stop between two files has not done its work")
def stopped_between():
    server = http.server.HTTPServer(("127.0.0.1", 0), Interrupts)
    server.posts = 0
    path, other = temp("a.ndjson", COF), temp("b.ndjson", COF)
    server.process = subprocess.Popen([DRIBBLE, "import", "--server", f"http://127.0.0.1:{server.server_address[1]}", path, other],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        _, said = server.process.communicate(timeout=60 * SLOW)
    finally:
        server.process.kill()
        server.shutdown()
        server.server_close()
    eq((server.process.returncode, server.posts), (1, 1), said)
    ok(other.encode() in said, said)


if __name__ == "__main__":
    main()
