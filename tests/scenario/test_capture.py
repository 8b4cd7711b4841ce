# SPDX-License-Identifier: GPL-3.0-or-later
"""`dribble capture --server`, while the server is slow, refuses, or says nothing; and what capture does not take."""
import http.server
import json
import os
import pwd
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dns  # noqa: E402
from dribble import *  # noqa: E402,F403


class Slow(http.server.BaseHTTPRequestHandler):
    """Takes batches, and refuses the first ones."""
    protocol_version = "HTTP/1.1"  # which says 100 Continue
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.posts += 1
            refused = self.server.posts <= self.server.refusals
            if not refused:
                self.server.lines += body.count(b"\n")
        said = b"not now\n" if refused else b"{}"
        self.send_response(503 if refused else 200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


def many(n):
    """A capture of n answers of long names, whose lines are some 400 octets each."""
    tail = ".".join(["x" * 60] * 3)
    frame = dns.udp_frame(("203.0.113.53", 53), ("203.0.113.9", 4000),
                          dns.response(f"n00000000.{tail}", "A", [(f"n00000000.{tail}", "A", "192.0.2.1")]))
    return dns.pcap((1600000000_000000 + i, frame.replace(b"n00000000", b"n%08d" % i)) for i in range(n))


@check("of a capture nothing is lost when the server is slower, or away at first")
def slower():
    n = 260_000  # more than what may wait in memory
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.lock, server.posts, server.refusals, server.lines = threading.Lock(), 0, 3, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run([DRIBBLE, "capture", "-r", temp("many.pcap", many(n)), "--server",
                               f"http://127.0.0.1:{server.server_address[1]}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=120 * SLOW)
    finally:
        server.shutdown()
        server.server_close()
    eq((done.returncode, server.lines), (0, n), done.stderr)
    ok(f"{n} sent, 0 waiting, 0 dropped".encode() in done.stderr, done.stderr)
    eq(done.stderr.count(b"answers 503: not now; it is tried again"), 1, done.stderr)


class Choosy(http.server.BaseHTTPRequestHandler):
    """Answers with server.status where server.refuses says so."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            refused = self.server.refuses(body)
            key = self.headers["idempotency-key"]
            self.server.repeated |= key in self.server.keys
            self.server.keys.add(key)
            if not refused:
                self.server.lines += body.splitlines()
        said = b"never\n" if refused else b"{}"
        self.send_response(self.server.status if refused else 200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


def choosy(n, status, refuses):
    """(what capture said of n answers, the server)"""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Choosy)
    server.lock, server.lines, server.keys, server.repeated = threading.Lock(), [], set(), False
    server.status, server.refuses = status, refuses
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run([DRIBBLE, "capture", "-r", temp("many.pcap", many(n)), "--server",
                               f"http://127.0.0.1:{server.server_address[1]}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=60 * SLOW)
    finally:
        server.shutdown()
        server.server_close()
    ok(not server.repeated, "what was refused for good was sent again", done.stderr)
    return done, server


@check("what a server answers with {0} is not sent again, told once, counted, and fails", rows=[400, 401, 403, 404])
def refused(status):
    lost = []  # batches are cut by time, too

    def refuses(body):
        if b"n00000000." in body:
            lost.append(body.count(b"\n"))
        return b"n00000000." in body
    done, server = choosy(45_000, status, refuses)
    eq((done.returncode, len(lost), len(server.lines)), (1, 1, 45_000 - lost[0]), done.stderr)
    ok(f"{45_000 - lost[0]} sent, 0 waiting, {lost[0]} dropped ({lost[0]} refused by the server)".encode() in done.stderr, done.stderr)
    ok(f"{lost[0]} observations did not reach the server: ".encode() in done.stderr, done.stderr)
    eq(done.stderr.count(b"answers %d: never; what it refuses is lost" % status), 1, done.stderr)


@check("a batch that is too large for the server arrives in parts, each line once")
def too_large():
    done, server = choosy(3001, 413, lambda body: len(body) > 100_000)
    eq((done.returncode, len(server.lines), len(set(server.lines))), (0, 3001, 3001), done.stderr)
    ok(b"3001 sent, 0 waiting, 0 dropped" in done.stderr, done.stderr)


@check("a line that is too large for the server is lost alone")
def line_too_large():
    done, server = choosy(100, 413, lambda body: b"n00000037." in body)
    eq((done.returncode, len(set(server.lines)), len(server.lines)), (1, 99, 99), done.stderr)
    ok(b"99 sent, 0 waiting, 1 dropped (1 refused by the server)" in done.stderr, done.stderr)


@check("a server that takes a batch and says nothing does not keep it from ending")
def silent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run([DRIBBLE, "capture", "-r", temp("one.pcap", many(1)), "--server",
                               f"http://127.0.0.1:{server.getsockname()[1]}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=60 * SLOW)
    eq(done.returncode, 1)
    ok(b"0 sent, 1 waiting, 0 dropped" in done.stderr, done.stderr)
    ok(b"1 observations did not reach the server" in done.stderr and b"not answered" in done.stderr, done.stderr)


@check("capture refuses a wrong {0} {1!r}", rows=[
    ("--buffer", "5x"), ("--buffer", "0"), ("--buffer", ""), ("--port", "53,"), ("--port", ""), ("--sensor", ""), ("--sensor", "x" * 256),
    ("--memory", "1M"), ("--feed_hold", "1s"), ("--user", "a:b"), ("--token", "t")])
def usage(option, value):
    said = cli("capture", "-i", "lo", option, value, code=2).err
    ok(option.encode() in said, said)


@check("capture of a file refuses {0}", rows=[
    ("--filter", "((", []), ("--buffer", "64", []), ("--no-promiscuous", None, []), ("--store", "memory:", ["--server", "http://127.0.0.1:1"]),
    ("--cache", "8M", ["--server", "http://127.0.0.1:1"]), ("--token", "t", ["--server", "http://127.0.0.1:1", "--user", "a:b"])])
def useless(option, value, more):
    path = temp("one.pcap", many(1))
    given = [option] if value is None else [option, value]
    said = cli("capture", "-r", path, *more, *given, code=2)
    ok(option.encode() in said.err and not said.out, said)


@check("on standard output --sensor is the sensor_id of every line")
def sensor():
    path = temp("one.pcap", many(3))
    lines = [json.loads(line) for line in cli("capture", "-r", path, "--unmatched", "--sensor", 'fra "1"').out.splitlines()]
    eq([line["sensor_id"] for line in lines], ['fra "1"'] * 3)


@check("an interface that is not there is told once")
def no_interface():
    said = cli("capture", "-i", "nope0", code=1).err
    eq(said.count(b"nope0"), 1, said)
    ok(said.count(b"No such device") <= 1, said)


@check("a reader of standard output that goes away is a loss: exit 1")
def closed_pipe():
    path = temp("many.pcap", many(20_000))  # more than a pipe holds
    process = subprocess.Popen([DRIBBLE, "capture", "-r", path, "--unmatched"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    ok(process.stdout.readline(), "a line is read")
    process.stdout.close()
    said = process.stderr.read()
    eq(process.wait(60 * SLOW), 1, said)
    ok(b"went away" in said, said)


def as_root():
    if os.geteuid() != 0:
        raise Skip("this takes root")


def uids_while_reading(*options):
    """The user that `capture -r -` is once it reads."""
    process = subprocess.Popen([DRIBBLE, "capture", "-r", "-", "--unmatched", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        process.stdin.write(many(20))
        process.stdin.flush()
        if "--store" not in options:
            ok(process.stdout.readline(), "it reads")
        else:
            wait_for(lambda: os.path.exists(os.path.join(options[options.index("--store") + 1], "rocksdb")), 20, "the store is opened")
        with open(f"/proc/{process.pid}/status") as f:
            uids = next(line for line in f if line.startswith("Uid:")).split()[1:]
        _, said = process.communicate(timeout=60 * SLOW)
    except BaseException:
        process.kill()
        process.wait()
        raise
    eq(process.returncode, 0, said)
    eq(len(set(uids)), 1, uids)
    return int(uids[0])


@check("a file is not read as root either")
def file_rights():
    as_root()
    ok(uids_while_reading() != 0)
    eq(uids_while_reading("--run-as", "root"), 0)
    eq(uids_while_reading("--run-as", "daemon"), pwd.getpwnam("daemon").pw_uid)


@check("a store is written by its owner: {0}", rows=["one that is there", "one that is made", "one that is root's"])
def store_rights(which):
    as_root()
    folder, owner = tempdir("store"), 0 if which == "one that is root's" else pwd.getpwnam("daemon").pw_uid
    open_ways(folder)
    os.chown(folder, owner, -1)
    store = os.path.join(folder, "db")
    if which == "one that is there":
        os.mkdir(store)
        os.chown(store, owner, -1)
        os.chown(folder, 0, -1)
    eq(uids_while_reading("--store", store), owner)
    for path, folders, files in os.walk(store):
        for name in [*folders, *files]:
            eq(os.stat(os.path.join(path, name)).st_uid, owner, name)
    eq(len(cli("export", "--store", store).out.splitlines()), 20)


def open_ways(path):
    """Other users may go to a folder of this test."""
    top = os.path.dirname(os.path.dirname(path))  # what was made for this test program
    os.chmod(path, 0o755)
    os.chmod(os.path.dirname(path), 0o711)
    while top != os.path.dirname(top):
        if not os.stat(top).st_mode & 0o001 and os.path.basename(top).startswith("dribble-"):
            os.chmod(top, 0o711)
        if not os.stat(top).st_mode & 0o001:
            raise Skip(f"other users cannot go through {top}")
        top = os.path.dirname(top)


if __name__ == "__main__":
    main()
