# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures of real writers: what knotd answers to kdig over UDP and TCP, as tcpdump and dumpcap write it, in pcap and pcapng, with
microseconds and nanoseconds, of one interface and of any; and `dribble capture` on the same traffic. Spoofed answers stay out."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dns  # noqa: E402
from dribble import *  # noqa: E402,F403
from servers import Knot, ask, free_port, query  # noqa: E402

BIG = " ".join(f'"{chr(97 + i % 26) * 255}"' for i in range(16))  # larger than a datagram: truncated, then over TCP
ZONE = f"""$ORIGIN example.
$TTL 300
@ SOA ns1 host 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.10
www AAAA 2001:db8::10
alias CNAME www
@ MX 10 mail
mail A 192.0.2.25
big TXT {BIG}
"""
QUESTIONS = [("example", "SOA"), ("example", "NS"), ("www.example", "A"), ("www.example", "AAAA"), ("alias.example", "A"),
             ("example", "MX"), ("nothing.example", "A"), ("www.example", "A")]
WANT = {("example", "SOA", "ns1.example host.example 1 3600 600 86400 60"): 2, ("example", "NS", "ns1.example"): 1,
        ("ns1.example", "A", "192.0.2.1"): 1, ("www.example", "A", "192.0.2.10"): 3, ("www.example", "AAAA", "2001:db8::10"): 1,
        ("alias.example", "CNAME", "www.example"): 1, ("example", "MX", "10 mail.example"): 1, ("mail.example", "A", "192.0.2.25"): 1,
        ("big.example", "TXT", BIG): 1}


@once
def knot():
    return Knot({"example": ZONE})


def traffic(port):
    """Asks over UDP, and twice over TCP on one connection; one answer is truncated and asked for again."""
    for name, rrtype in QUESTIONS:
        ok(ask(port, name, rrtype), f"{name} {rrtype} is answered")
    ok(ask(port, "big.example", "TXT"), "big.example is answered, truncated")
    with socket.create_connection(("127.0.0.1", port), 10 * SLOW) as s:
        s.settimeout(10 * SLOW)
        message = query("big.example", "TXT", 99)
        octets = struct.pack(">H", len(message)) + message
        for octet in octets:  # one by one: as many segments as the kernel likes
            s.sendall(bytes([octet]))
        got = b""
        while len(got) < 2 or len(got) < 2 + struct.unpack(">H", got[:2])[0]:
            part = s.recv(65535)
            ok(part, "the answer over TCP is whole")
            got += part


def records(lines):
    """{(owner, type, data): count}; lines of one record add up."""
    found = {}
    for line in lines:
        r = json.loads(line)
        key = (r["rrname"], r["rrtype"], r["rdata"])
        found[key] = found.get(key, 0) + r["count"]
    return found


def exported(store):
    return records(cli("export", "--store", store).out.splitlines())


def is_capturing(process, log, words):
    """When the writer says that it has begun."""
    def begun():
        if process.poll() is not None:
            with open(log, errors="replace") as f:
                raise Skip(f"capturing is not possible here: {f.read()[-200:]}")
        with open(log, errors="replace") as f:
            return any(word in f.read() for word in words)
    wait_for(begun, 20, "the writer captures")


def with_writer(argv, words, path=None):
    """The traffic, while a writer captures. path: its file, which must have got the last packet before it is stopped."""
    if not shutil.which(argv[0]):
        raise Skip(f"{argv[0]} is not installed")
    log = os.path.join(tempdir("writer"), "log")
    port = knot().port
    with open(log, "wb") as err:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if path is None else err, stderr=err)
    try:
        is_capturing(process, log, words)
        traffic(port)
        if path is None:
            return process, log
        wait_for(lambda: seen_last(path), 20, f"{argv[0]} writes the last answer")
    except BaseException:
        process.kill()
        process.wait()
        raise
    process.send_signal(signal.SIGINT)
    process.wait(20 * SLOW)
    return process, log


def seen_last(path):
    """Whether the end of the answer over TCP is in a file."""
    with open(path, "rb") as f:
        return f.read().count(b"p" * 255) >= 1


def tcpdump(*more):
    def argv(path):
        return ["tcpdump", *more, "-U", "-B", "32768", "-w", path, "-Z", "root", "port", str(knot().port)]
    return argv


def dumpcap(*more):
    def argv(path):
        return ["dumpcap", *more, "-w", path, "-f", f"port {knot().port}"]
    return argv


WRITERS = [
    ("tcpdump, pcap", tcpdump("-i", "lo"), ["listening on"], b"\xd4\xc3\xb2\xa1"),
    ("tcpdump, nanoseconds", tcpdump("-i", "lo", "--time-stamp-precision=nano"), ["listening on"], b"\x4d\x3c\xb2\xa1"),
    ("tcpdump, any interface", tcpdump("-i", "any"), ["listening on"], b"\xd4\xc3\xb2\xa1"),
    ("dumpcap, pcapng", dumpcap("-i", "lo", "-n"), ["File:"], b"\x0a\x0d\x0d\x0a"),
    ("dumpcap, pcap", dumpcap("-i", "lo", "-P"), ["File:"], None),
]


@check("a capture of {0} gives what was answered", rows=WRITERS)
def real_writers(name, argv, words, magic):
    path = os.path.join(tempdir("capture"), "traffic")
    os.chmod(os.path.dirname(path), 0o777)
    with_writer(argv(path), words, path)
    with open(path, "rb") as f:
        octets = f.read()
    if magic:
        eq(octets[:4], magic, "the file is of the kind that is tested")
    for packed in (path, temp("packed.gz", __import__("gzip").compress(octets))):
        store = os.path.join(tempdir("store"), "db")
        cli("import", "--store", store, "--port", knot().port, packed)
        got = exported(store)
        eq(got, WANT)
        again = cli("import", "--store", store, "--port", knot().port, packed)
        ok(b"already imported" in again.err, again)
        clients = cli("export", "--store", store).out
        ok(b"127.0.0.1" not in clients, "addresses of clients are not stored")


@check("dribble capture on an interface gives what was answered: {0}", rows=["output", "store", "server"])
def live(where):
    argv = [DRIBBLE, "capture", "-i", "lo", "--port", knot().port, "--run-as", "root"]
    store = os.path.join(tempdir("store"), "db")
    server = None
    if where == "store":
        argv += ["--store", store]
    elif where == "server":
        server = Server(store)
        argv += ["--server", server.url(), "--sensor", "probe-7"]
    process, log = with_writer([str(a) for a in argv], ["capturing on lo"])
    try:
        out, _ = stop_when_complete(process, log)
    finally:
        process.kill()
        process.wait()
    with open(log) as f:
        eq(process.returncode, 0, f.read())
    if where == "output":
        got = records(out.splitlines())
    elif where == "store":
        got = exported(store)
    else:
        answer = server.get("/cof/pdns/query/www.example")
        got = records(answer.body.splitlines())
        eq({k: v for k, v in got.items() if k[0] == "www.example"}, {k: v for k, v in WANT.items() if k[0] == "www.example"})
        sensors = json.loads(server.get("/info").body)["sensors"]
        ok(any(s["sensor_id"] == "probe-7" for s in sensors), sensors)
        return
    eq(got, WANT)
    with open(log) as f:
        ok("dropped by the kernel" in f.read(), "figures are shown at the end")


def stop_when_complete(process, log):
    """Asks for figures until all was seen, then ends it."""
    def complete():
        ok(process.poll() is None, "it goes on until it is told to stop")
        process.send_signal(signal.SIGUSR1)
        with open(log, errors="replace") as f:
            return any(int(line.split()[0]) >= sum(WANT.values()) for line in f if " observations, " in line)
    wait_for(complete, 20, "all was captured")
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=30 * SLOW)


@check("as root it becomes another user before it takes anything in")
def rights():
    if os.geteuid() != 0:
        raise Skip("this takes root")
    log = os.path.join(tempdir("writer"), "log")
    with open(log, "wb") as err:
        process = subprocess.Popen([DRIBBLE, "capture", "-i", "lo"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
    try:
        is_capturing(process, log, ["capturing on lo"])
        with open(f"/proc/{process.pid}/status") as f:
            status = f.read()
        uids = next(line for line in status.split("\n") if line.startswith("Uid:")).split()[1:]
        caps = next(line for line in status.split("\n") if line.startswith("CapEff:")).split()[1]
        ok("0" not in uids, uids)
        eq(int(caps, 16), 0, "no capability is left")
    finally:
        process.terminate()
        process.wait(20 * SLOW)


@check("a spoofed answer is no history, whatever of it is wrong")
def spoofed():
    client, server = ("203.0.113.9", 4000), ("203.0.113.53", 53)
    def answer(ident, name, last):
        return dns.response(name, "A", [(name, "A", f"192.0.2.{last}")], ident=ident)
    frames = [(1600000000_000000, dns.udp_frame(client, server, dns.question("www.example", "A", 7)))]
    wrong = [(server, client, answer(8, "www.example", 66)), (server, client, answer(7, "evil.example", 66)),
             (server, (client[0], 4001), answer(7, "www.example", 66)), (("203.0.113.54", 53), client, answer(7, "www.example", 66)),
             (server, ("203.0.113.10", 4000), answer(7, "www.example", 66))]
    for i, (source, destination, message) in enumerate(wrong):
        frames.append((1600000000_000100 + i, dns.udp_frame(source, destination, message)))
    frames.append((1600000001_000000, dns.udp_frame(server, client, answer(7, "www.example", 1))))
    frames.append((1600000002_000000, dns.udp_frame(server, client, answer(7, "www.example", 66))))
    store = os.path.join(tempdir("store"), "db")
    said = cli("import", "--store", store, temp("spoofed.pcap", dns.pcap(frames))).err
    ok(b"unmatched 6" in said, said)
    eq(exported(store), {("www.example", "A", "192.0.2.1"): 1})


@check("malformed captures: {0}", rows=[
    ("cut within a packet", lambda c: c[:-3], b"cut off"), ("a length that lies", lambda c: c[:32] + b"\xff\xff\xff\x7f" + c[36:], b"wrong"),
    ("noise behind the head", lambda c: c[:24] + bytes(range(200)), b"")])
def malformed(name, spoil, reason):
    capture = dns.pcap([(1600000000_000000, dns.udp_frame(("203.0.113.53", 53), ("203.0.113.9", 4000),
                                                          dns.response("a.example", "A", [("a.example", "A", "192.0.2.1")])))])
    store = os.path.join(tempdir("store"), "db")
    said = cli("import", "--store", store, "--format", "pcap", temp("malformed.pcap", spoil(capture)), code=3).err
    ok(reason in said, said)
    eq(cli("check", "--store", store).code, 0)


@check("captures and their options are told apart: {0}", rows=["--filter", "--unmatched"])
def identity(option):
    frames = [(1600000000_000000, dns.udp_frame(("203.0.113.9", 4000), ("203.0.113.53", 53), dns.question("q.example", "A", 3))),
              (1600000000_000000, dns.udp_frame(("203.0.113.53", 53), ("203.0.113.9", 4000),
                                                dns.response("a.example", "A", [("a.example", "A", "192.0.2.1")], ident=4)))]
    path, store = temp("identity.pcap", dns.pcap(frames)), os.path.join(tempdir("store"), "db")
    more = [option, "udp"] if option == "--filter" else [option]
    cli("import", "--store", store, path)
    said = cli("import", "--store", store, *more, path).err
    ok(b"already" not in said, said)
    eq(exported(store), {("a.example", "A", "192.0.2.1"): 1} if option == "--unmatched" else {})


@check("an import that was killed goes on, with the questions of before")
def resumed():
    client, server = ("203.0.113.9", 4000), ("203.0.113.53", 53)
    frames = []
    for i in range(40000):
        name = f"n{i}.example"
        frames.append((1600000000_000000 + i, dns.udp_frame(client, server, dns.question(name, "A", i & 0xffff))))
    for i in range(40000):
        name = f"n{i}.example"
        message = dns.response(name, "A", [(name, "A", "192.0.2.1")], ident=i & 0xffff)
        frames.append((1600000001_000000 + i, dns.udp_frame(server, client, message)))
    path, store = temp("long.pcap", dns.pcap(frames)), os.path.join(tempdir("store"), "db")
    for attempt in range(3):
        process = subprocess.Popen([DRIBBLE, "import", "--store", store, "--memory", "1M", path], stderr=subprocess.DEVNULL)
        try:
            process.wait(0.15 * (attempt + 1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    cli("import", "--store", store, "--memory", "1M", path)
    got = exported(store)
    eq(len(got), 40000)
    eq(set(got.values()), {1})


if __name__ == "__main__":
    main()
