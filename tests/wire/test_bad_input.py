# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §6: bad input, bad places to write to, and signals: one sentence, the right exit code, an intact store."""
import fcntl
import gzip
import os
import signal
import struct
import subprocess
import sys
import termios

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403

RECORDS = [cof(f"b{i}.bad.test", "A", f"192.0.2.{i}", 1, 1000, 2000) for i in range(50)]
GOOD = ndjson(RECORDS)
LONG = b'{"rrname": "long.bad.test", "rrtype": "TXT", "rdata": "' + b"x" * (64 << 20) + b'", "time_first": 1}\n'


def new_store():
    return os.path.join(tempdir(), "db")


@once
def seeded():
    return store_of(temp("good.ndjson", GOOD))


def lines(store):
    return cli("export", "--store", store).out.splitlines()


def is_intact(store):
    cli("check", "--store", store)


def one_sentence(ran):
    eq(len(ran.err.strip().splitlines()), 1, ran)


# ------------------------------------------------------------ what is read

@check("a good file is taken although it begins with {0}", rows=[
    "# a comment", "the end of a line that was cut", "[]", "null", "{}", '{"a": 1}', '{"rrname', "\x00\x01\x02"])
def first_line(text):
    store = new_store()
    ran = cli("import", "--store", store, temp("a.ndjson", text.encode() + b"\n" + GOOD), code=3)
    ok(b":1: " in ran.err, "does not name line 1", ran)
    eq(len(lines(store)), 50)
    is_intact(store)


@check("no known format: {0}", rows=["noise", "CSV", "UTF-16", "an array of records", "another object"])
def no_format(kind):
    data = {"noise": bytes(range(256)) * 1000, "CSV": b"rrname,rrtype\na.test,A\n", "UTF-16": GOOD.decode().encode("utf-16"),
            "an array of records": b"[" + GOOD.replace(b"\n", b",\n") + b"]\n", "another object": b'{"dns": {"rrname": "a.test"}}\n'}[kind]
    store = new_store()
    ran = cli("import", "--store", store, temp("a.ndjson", data), code=1)
    one_sentence(ran)
    ok(b"format" in ran.err, ran)
    is_intact(store)


@check("a line of 64 MiB costs no neighbour: {0}", rows=["plain", "gzip", "zstd"])
def long_line(form):
    data = GOOD[:len(GOOD) // 2].rpartition(b"\n")[0] + b"\n" + LONG + GOOD
    data = {"plain": lambda: data, "gzip": lambda: gzip.compress(data, 1), "zstd": lambda: run(["zstd", "-qc"], stdin=data).out}[form]()
    store = new_store()
    ran = cli("import", "--store", store, temp("a", data), code=3)
    ok(b"over 1048576 octets" in ran.err, ran)
    eq(len(lines(store)), 50)
    is_intact(store)


@check("compressed data that is {0}: exit 1, one sentence with the file's name", rows=["cut off", "damaged", "followed by something else"])
def bad_gzip(how):
    data = gzip.compress(GOOD)
    data = {"cut off": data[:-20], "damaged": data[:200] + b"\xff" * 50 + data[250:], "followed by something else": data + b"more"}[how]
    store, path = new_store(), temp("some.gz", data)
    for _ in range(2):
        ran = cli("import", "--store", store, path, code=1)
        one_sentence(ran)
        ok(path.encode() in ran.err and b"gzip" in ran.err, ran)
        is_intact(store)


# ------------------------------------------------------------ where it is written to

@check("results that cannot be written are exit 1: {0}", rows=[
    "check", "stats", "export", "query b1.bad.test", "serve --print-config", "--help", "--version", "import --help"])
def full(command):
    words = command.split()
    if words[0] in ("check", "stats", "export", "query"):
        words[1:1] = ["--store", seeded()]
    for how, place in (("a full disk", ">/dev/full"), ("closed", ">&-")):
        ran = run(["sh", "-c", f'"$0" "$@" {place}', DRIBBLE, *words])
        eq(ran.code, 1, how, ran)
        one_sentence(ran)


@check("closed standard descriptors never become the store's files: {0}", rows=["2>&-", "<&- 2>&-", "<&- >&- 2>&-", ">&- 2>&-"])
def closed(places):
    store, path = new_store(), temp("good.ndjson", GOOD)
    ran = run(["sh", "-c", f'"$0" "$@" {places}', DRIBBLE, "import", "--store", store, path])
    eq(ran.code, 0, ran)
    for folder, _, names in os.walk(store):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                ok(b"50 observations" not in f.read(), f"what was said is in {name}")
    eq(len(lines(store)), 50)


@check("a closed standard input is an error: exit 1")
def closed_input():
    one_sentence(run(["sh", "-c", '"$0" "$@" <&-; test $? = 1', DRIBBLE, "import", "--store", new_store()]))


@check("an argument where only options are taken is exit 2: dribble {0}", rows=["check", "stats"])
def argument(command):
    ran = cli(command, seeded(), code=2)
    one_sentence(ran)
    ok(b"--store" in ran.err, ran)


# ------------------------------------------------------------ other processes, signals

def feeding(store):
    """An import that waits for its input, and holds the store."""
    p = subprocess.Popen([DRIBBLE, "import", "--store", store, "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: os.path.exists(os.path.join(store, "rocksdb", "CURRENT")), what="the store")
    return p


def pending(pipe):
    """Octets in a pipe that nobody has read."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


@check("an import that waits for its input ends at {0}: exit 1, one sentence", rows=["SIGINT", "SIGTERM"])
def waiting(name):
    store = new_store()
    p = feeding(store)
    try:
        p.stdin.write(GOOD[:100])
        p.stdin.flush()
        wait_for(lambda: not pending(p.stdin), what="its reading")
        number, sent = getattr(signal, name), 0
        while p.poll() is None and sent < 5:  # a signal between two reads passes by; the second one kills
            p.send_signal(number)
            sent += 1
            try:
                p.wait(5 * SLOW)
            except subprocess.TimeoutExpired:
                pass
        eq(p.returncode, 1 if sent == 1 else -number, f"after {sent} signals")
        if sent == 1:
            eq(p.stderr.read().count(b"\n"), 1)
    finally:
        p.kill()
        p.communicate()
    is_intact(store)


@check("beside another import: exit 1, and no server is talked of")
def beside_import():
    store = new_store()
    p = feeding(store)
    try:
        ran = wait_for(lambda: [r for r in [cli("import", "--store", store, temp("a", GOOD), code=None)] if r.code == 1],
                       what="a store that is held")[0]
        one_sentence(ran)
        ok(b"held" in ran.err and b"server" not in ran.err, ran)
    finally:
        p.kill()
        p.communicate()


@check("serve ends cleanly at {0}", rows=["SIGTERM", "SIGINT", "SIGHUP"])
def serve_ends(name):
    store = store_of(temp("good.ndjson", GOOD))
    server = Server(store)
    server.signal(getattr(signal, name))
    eq(server.wait(), 0)
    eq(os.path.exists(os.path.join(store, "serving")), False, "the note of who serves is left")


if __name__ == "__main__":
    main()
