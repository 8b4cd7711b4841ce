#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Active query against servers on loopback: knotd, unbound, and small ones that are slow, silent, or lie."""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import DRIBBLE, ROOT, SLOW, Fail, Server, check, eq, main, ndjson, ok, once, quote, sanitized, seconds, tempdir, wait_for, write
from servers import TYPES, Knot, TapReceiver, Unbound, ask as dns_ask, wire_name

ZONE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ MX 10 mail
ns A 192.0.2.53
www CNAME web
web A 192.0.2.80
web AAAA 2001:db8::80
mail A 192.0.2.25
text TXT "only on request"
* .wild A 192.0.2.99
"""
BIG = "".join(f"big A 192.0.{2 + i // 250}.{1 + i % 250}\n" for i in range(400))
WAIT = f"{int(min(8000 * SLOW, 60000))}ms"  # a budget for answers that are to come in time, however slow the machine


# ---------------------------------------------------------------- a server that does as it is told

def question_of(packet):
    """Name, type and the octets of the question."""
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += packet[at] + 1
    kind, = struct.unpack(">H", packet[at + 1:at + 3])
    return ".".join(labels), kind, packet[12:at + 5]


def record(owner, kind, ttl, data):
    rdata = socket.inet_aton(data) if kind == "A" else wire_name(data)
    return wire_name(owner) + struct.pack(">2HIH", TYPES[kind], 1, ttl, len(rdata)) + rdata


class Puppet:
    """Authoritative for test. on UDP and TCP. answer(name, type) gives records, or None for silence."""

    def __init__(self, answer=lambda name, kind: [], delay=0, spoil=lambda octets: octets, truncate=False, rcode=0):
        self.answer, self.delay, self.spoil, self.truncate, self.rcode = answer, delay, spoil, truncate, rcode
        self.asked, self.over_tcp, self.lock = [], 0, threading.Lock()
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                self.tcp.bind(("127.0.0.1", self.port))
                break
            except OSError:
                self.udp.close()
        self.tcp.listen(16)
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def reply(self, packet, tcp=False):
        name, kind, question = question_of(packet)
        with self.lock:
            self.asked.append((name, kind))
            self.over_tcp += tcp
        records = self.answer(name, kind)
        if records is None:
            return None
        if self.truncate and not tcp:
            return packet[:2] + struct.pack(">5H", 0x8600, 1, 0, 0, 0) + question
        soa = b"" if records else wire_name("test") + struct.pack(">2HIH", 6, 1, 60, 31) + wire_name("a") + wire_name("b") \
            + struct.pack(">5I", 1, 60, 60, 60, 60)
        soa = soa.replace(struct.pack(">H", 31) + wire_name("a"), struct.pack(">H", 26) + wire_name("a"))
        return packet[:2] + struct.pack(">5H", 0x8400 | self.rcode, 1, len(records), 1 if soa else 0, 0) + question + b"".join(records) + soa

    def serve_udp(self):
        while True:
            try:
                packet, peer = self.udp.recvfrom(65535)
            except OSError:
                return
            reply = self.reply(packet)
            if reply is None:
                continue
            if self.delay:
                threading.Timer(self.delay, lambda r=reply, p=peer: self.udp.sendto(self.spoil(r), p)).start()
            else:
                self.udp.sendto(self.spoil(reply), peer)

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as f:
                head = f.read(2)
                if len(head) == 2:
                    reply = self.reply(f.read(struct.unpack(">H", head)[0]), True)
                    if reply:
                        connection.sendall(struct.pack(">H", len(reply)) + reply)

    def times(self, name, kind):
        with self.lock:
            return self.asked.count((name, TYPES[kind]))

    def names(self):
        with self.lock:
            return {name for name, _ in self.asked}


def address(ip, ttl=300, kinds=("A",)):
    return lambda name, kind: [record(name, "A", ttl, ip)] if kind == 1 and name != "test" else []


class Signed(Knot):
    """Signs signed.test by itself."""

    def arguments(self):
        arguments = super().arguments()
        path = arguments[-1]
        with open(path) as f:
            text = f.read()
        self.file("knot.conf", text + "  dnssec-signing: on\n")
        return arguments

    def anchor(self):
        told = subprocess.run(["keymgr", "-c", os.path.join(self.dir, "knot.conf"), "signed.test", "ds"], capture_output=True, text=True)
        eq(told.returncode, 0, told.stderr)
        return write(os.path.join(self.dir, "anchor"), told.stdout)


def zone(text=""):
    return (ZONE + text).replace("* .wild", "*.wild")


@once
def knot():
    return Knot({"shop.test": zone(BIG), "113.0.203.in-addr.arpa": "$TTL 300\n@ SOA ns.shop.test. h.shop.test. 1 60 60 60 60\n"
                                                                   "@ NS ns.shop.test.\n7 PTR www.shop.test.\n"})


@once
def signed():
    server = Signed({"signed.test": zone()})
    wait_for(lambda: (dns_ask(server.port, "signed.test", "SOA") or b"")[3:4] == b"\0" and server.anchor(), 20, "the zone is signed")
    return server


def active(*args, stub=None, budget=WAIT, anchor="", store=None, before=(), rates=True):
    more = ["--active-budget", budget, "--active-trust-anchor", anchor, "--style", "cof"]
    if stub:
        more += ["--active-stub", stub]
    if rates:  # tests ask as fast as they can
        more += ["--active-rate", "0", "--active-rate-zone", "0", "--active-rate-account", "0"]
    return Server(store or os.path.join(tempdir("active"), "s"), *more, *args)


@once
def shop():
    return active("--active-stub", f"113.0.203.in-addr.arpa=127.0.0.1@{knot().port}", stub=f"shop.test=127.0.0.1@{knot().port}")


def rows(answer):
    return sorted((r["rrname"], r["rrtype"], r["rdata"], r["count"]) for r in map(json.loads, answer.lines))


def metric(server, name):
    text = server.get("/metrics").body.decode()
    found = re.search(rf"^dribble_{re.escape(name)} (\d+)$", text, re.M)
    ok(found, f"no metric {name}", text)
    return int(found[1])


def reasons(answer):
    told = json.loads(answer.get("x-dribble-errors") or "[]")
    return {e["reason"] for e in told if e["error"] == "active"}


ERRORS = {"dribble-active-errors": ""}
OFF = {"dribble-disable-active-query": ""}


# ---------------------------------------------------------------- what is found

@check("a lookup has what the DNS says now, as one observation of the sensor active")
def found():
    began = seconds()
    answer = shop().ask("shop.test")
    eq(rows(answer), [("shop.test", "MX", "10 mail.shop.test", 1), ("shop.test", "NS", "ns.shop.test", 1),
                      ("shop.test", "SOA", "ns.shop.test hostmaster.shop.test 1 3600 600 86400 60", 1)])
    for line in map(json.loads, answer.lines):
        eq(line["sensor_id"], "active")
        ok(began <= line["time_first"] == line["time_last"] <= time.time(), line)


@check("records of a chain of aliases are stored, each once, and asking again in the TTL counts nothing")
def chain():
    first = shop().ask("www.shop.test")
    eq(rows(first), [("www.shop.test", "CNAME", "web.shop.test", 1)])
    asked = metric(shop(), "active_questions_total")
    eq(rows(shop().ask("www.shop.test")), rows(first))
    eq(metric(shop(), "active_questions_total"), asked, "questions")
    chained = [("web.shop.test", "A", "192.0.2.80", 1), ("web.shop.test", "AAAA", "2001:db8::80", 1), ("www.shop.test", "CNAME", "web.shop.test", 1)]
    eq(rows(shop().ask("web.shop.test", headers=OFF)), chained)
    eq(rows(shop().ask("web.shop.test")), chained)


@check("an address is asked for its PTR, in either spelling")
def pointer():
    want = [("7.113.0.203.in-addr.arpa", "PTR", "www.shop.test", 1)]
    shop().feed([{"rrname": "of.shop.zz", "rrtype": "A", "rdata": "203.0.113.7", "count": 3, "time_first": 1, "time_last": 2}])
    both = [*want, ("of.shop.zz", "A", "203.0.113.7", 3)]
    eq(rows(shop().ask("203.0.113.7")), both)
    eq(rows(shop().ask("203.0.113.7", headers=OFF)), both)
    eq(rows(shop().ask("203.0.113.7", rrtype="A")), both[1:])
    eq([rows(p)[0] for p in shop().pages("203.0.113.7", 1)], both[::-1])
    eq(rows(shop().ask("7.113.0.203.in-addr.arpa", headers=OFF)), want)
    eq(rows(shop().ask("7.113.0.203.in-addr.arpa")), want)


@check("only types of the filter are asked for; TXT when it has it, or it is configured")
def types():
    asked = metric(shop(), "active_questions_total")
    eq(rows(shop().ask("text.shop.test", rrtype="HINFO")), [])
    eq(metric(shop(), "active_questions_total"), asked)
    eq(rows(shop().ask("mail.shop.test", rrtype="A")), [("mail.shop.test", "A", "192.0.2.25", 1)])
    eq(metric(shop(), "active_questions_total"), asked + 1)
    eq(rows(shop().ask("text.shop.test", rrtype="MX")), [])
    eq(rows(shop().ask("text.shop.test", rrtype="TXT")), [("text.shop.test", "TXT", '"only on request"', 1)])
    eq(metric(shop(), "active_questions_total"), asked + 3)
    server = active("--active-types", "TXT", stub=f"shop.test=127.0.0.1@{knot().port}")
    eq(rows(server.ask("text.shop.test")), [("text.shop.test", "TXT", '"only on request"', 1)])
    server.stop()


@check("an answer that UDP cuts comes over TCP, and maxset counts what came")
def truncated():
    server = active("--maxset", "150", stub=f"shop.test=127.0.0.1@{knot().port}")
    answer = server.ask("big.shop.test")
    eq(len(answer.lines), 150)
    eq(json.loads(answer.get("x-dribble-errors"))[0]["total_value"], 400)
    pages = server.pages("big.shop.test", 130)
    eq([len(p.lines) for p in pages], [130, 130, 130, 10])
    server.stop()
    puppet = Puppet(address("192.0.2.1"), truncate=True)
    server = active(stub=f"test=127.0.0.1@{puppet.port}")
    eq(rows(server.ask("a.test")), [("a.test", "A", "192.0.2.1", 1)])
    ok(puppet.over_tcp, "nothing came over TCP")
    server.stop()


@check("what was found survives the server")
def durable():
    store = os.path.join(tempdir("active"), "s")
    server = active(stub=f"shop.test=127.0.0.1@{knot().port}", store=store)
    want = rows(server.ask("web.shop.test"))
    eq(len(want), 2)
    server.kill()
    server = Server(store, "--style", "cof")
    eq(rows(server.ask("web.shop.test")), want)
    server.stop()


@check("a resolver is asked as a forwarder")
def forwarder():
    authority = Knot({"shop.zz": zone()})
    resolver = Unbound(["shop.zz"], authority.port)
    server = active("--active-forwarder", f"127.0.0.1@{resolver.port}")
    eq(rows(server.ask("web.shop.zz")), [("web.shop.zz", "A", "192.0.2.80", 1), ("web.shop.zz", "AAAA", "2001:db8::80", 1)])
    server.stop()
    resolver.stop()
    authority.stop()


# ---------------------------------------------------------------- history

@check("a changed address is a second record; the first one's times stay")
def changed():
    puppet = Puppet(address("192.0.2.1", ttl=1))
    server = active("--active-ttl-min", "0", "--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}")
    first = json.loads(server.ask("host.test").lines[0])
    puppet.answer = address("192.0.2.2", ttl=1)

    def again():
        lines = [json.loads(line) for line in server.ask("host.test").lines]
        return lines if len(lines) == 2 else None
    lines = {r["rdata"]: r for r in wait_for(again, 10, "the new address")}
    eq(lines["192.0.2.1"]["time_first"], first["time_first"])
    ok(lines["192.0.2.2"]["time_first"] >= first["time_first"])
    puppet.answer = address("192.0.2.1", ttl=1)
    old = wait_for(lambda: (r := {x["rdata"]: x for x in map(json.loads, server.ask("host.test").lines)}["192.0.2.1"])["time_last"]
                   > first["time_last"] and r, 10, "the old address is seen again")
    eq(old["time_first"], first["time_first"])
    ok(old["count"] > first["count"], old)
    server.stop()


@check("a name is asked again after its TTL, not before, within the bounds that are set")
def ttl():
    puppet = Puppet(address("192.0.2.1", ttl=86400))
    server = active("--active-ttl-min", "1s", "--active-ttl-max", "1s", "--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}")
    began = time.monotonic()
    eq(rows(server.ask("host.test"))[0][3], 1)
    wait_for(lambda: rows(server.ask("host.test"))[0][3] == 2, 10, "it is counted again")
    ok(time.monotonic() - began > 0.9, "too early")
    eq(puppet.times("host.test", "A"), 2)
    server.stop()


@check("a record of an alias counts once in its own TTL, however often the rest is asked for")
def alias_ttl():
    def answer(name, kind):
        return [record(name, "CNAME", 3600, "web.test")] if name == "www.test" else address("192.0.2.1", ttl=1)(name, kind)
    puppet = Puppet(answer)
    server = active("--active-ttl-min", "1s", "--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}")
    wait_for(lambda: rows(server.ask("www.test")) and puppet.times("web.test", "A") > 1, 15, "the address is asked for again")
    wait_for(lambda: rows(server.ask("web.test", rrtype="A", headers=OFF))[0][3] > 1, 5, "the address is counted again")
    eq([r for r in rows(server.ask("www.test", headers=OFF)) if r[1] == "CNAME"], [("www.test", "CNAME", "web.test", 1)])
    server.stop()


@check("what libunbound would make up of a zone is not asked of it where there is a stub")
def apex():
    puppet = Puppet(lambda name, kind: [])
    server = active("--active-types", "SOA,NS", stub=f"test=127.0.0.1@{puppet.port}")
    eq(rows(server.ask("test")), [row for row in rows(server.ask("test", headers=OFF)) if "localhost" not in row[2]])
    eq(puppet.times("test", "NS"), 1)
    server.stop()


# ---------------------------------------------------------------- what goes wrong

@check("bogus answers store nothing; the same answers without validation do")
def bogus():
    def lie(octets):
        return octets.replace(socket.inet_aton("192.0.2.80"), socket.inet_aton("192.0.2.66"))

    class Liar(Puppet):
        def reply(self, packet, tcp=False):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(5 * SLOW)
                s.connect(("127.0.0.1", signed().port))
                s.send(packet)
                return s.recv(65535)
    liar = Liar(spoil=lie)
    honest = active("--active-types", "A", stub=f"signed.test=127.0.0.1@{signed().port}", anchor=signed().anchor())
    eq([r for r in rows(honest.ask("web.signed.test")) if r[1] == "A"], [("web.signed.test", "A", "192.0.2.80", 1)])
    honest.stop()
    server = active("--active-types", "A", stub=f"signed.test=127.0.0.1@{liar.port}", anchor=signed().anchor())
    answer = server.ask("web.signed.test", headers=ERRORS)
    eq(rows(answer), [])
    eq(reasons(answer), {"bogus"})
    eq(metric(server, 'active_failed_total{reason="bogus"}'), 1)
    server.stop()
    server = active("--active-types", "A", "--active-dnssec", "no", stub=f"signed.test=127.0.0.1@{liar.port}")
    eq([r for r in rows(server.ask("web.signed.test")) if r[1] == "A"], [("web.signed.test", "A", "192.0.2.66", 1)])
    server.stop()


@check("SERVFAIL stores nothing and is not asked again at once; REFUSED neither")
def servfail():
    for rcode in (2, 5):
        puppet = Puppet(address("192.0.2.1"), rcode=rcode)
        server = active("--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}")
        answer = server.ask("a.test", headers=ERRORS)
        eq((rows(answer), len(reasons(answer))), ([], 1))
        began = time.monotonic()
        eq(reasons(server.ask("a.test", headers=ERRORS)), reasons(answer))
        ok(time.monotonic() - began < 1 * SLOW)
        server.stop()


@check("answers with a wrong id are none")
def wrong_id():
    puppet = Puppet(address("192.0.2.1"), spoil=lambda octets: bytes([octets[0] ^ 1]) + octets[1:])
    server = active("--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}", budget="200ms")
    answer = server.ask("a.test", headers=ERRORS)
    eq((rows(answer), reasons(answer)), ([], {"timeout"}))
    ok(puppet.times("a.test", "A"), "it was not asked")
    server.stop()


@check("a loop of aliases ends")
def loop():
    def answer(name, kind):
        other = {"one.test": "two.test", "two.test": "one.test"}.get(name)
        return [record(name, "CNAME", 60, other)] if other else []
    puppet = Puppet(answer)
    server = active(stub=f"test=127.0.0.1@{puppet.port}", budget="2s")
    began = time.monotonic()
    ok(("one.test", "CNAME", "two.test", 1) in rows(server.ask("one.test")), "the alias")
    ok(time.monotonic() - began < 4 * SLOW)
    eq(len(server.ask("two.test", headers=OFF).lines) >= 1, True)
    server.stop()


@check("a slow server costs the budget; what it says is there for the next lookup")
def slow():
    puppet = Puppet(address("192.0.2.1"), delay=0.6 * SLOW)
    server = active("--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}", budget="100ms")
    began = time.monotonic()
    answer = server.ask("a.test", headers=ERRORS)
    took = time.monotonic() - began
    eq((rows(answer), reasons(answer)), ([], {"timeout"}))
    ok(0.09 < took < 0.5 * SLOW, f"took {took:.3f} s")
    eq(json.loads(answer.get("x-dribble-errors")), [{"error": "active", "record": "a.test", "rrtype": "A", "reason": "timeout"}])
    wait_for(lambda: len(server.ask("a.test", headers=OFF).lines) == 1, 10, "the late answer is stored")
    eq(rows(server.ask("a.test")), [("a.test", "A", "192.0.2.1", 1)])
    eq(metric(server, "active_late_answers_total"), 1)
    server.stop()


@check("however many ask, a question is in flight once")
def shared():
    puppet = Puppet(address("192.0.2.1"), delay=0.3)
    server = active("--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(rows(server.ask("a.test")))) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    eq(answers, [[("a.test", "A", "192.0.2.1", 1)]] * 20)
    eq(puppet.times("a.test", "A"), 1)
    server.stop()


@check("a server that is silent costs each name the budget once, then nothing; it is found again when it answers")
def silent():
    puppet = Puppet(lambda name, kind: None)
    server = active("--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}", budget="150ms")

    def lookup(name):
        began = time.monotonic()
        answer = server.ask(name, headers=ERRORS)
        return time.monotonic() - began, reasons(answer)
    took, why = lookup("a.test")
    ok(took >= 0.14 and why == {"timeout"}, took, why)
    for name in "bcd":
        lookup(f"{name}.test")
    wait_for(lambda: metric(server, "active_silent") == 1, 5, "the resolver counts as silent")
    times = [lookup(f"n{i}.test") for i in range(50)]
    ok(sum(t for t, _ in times) < 50 * 0.15 / 2 * SLOW, "lookups waited", times)
    eq({r for _, r in [(t, *why) for t, why in times]}, {"unreachable"})
    eq(lookup("a.test")[1], {"timeout"})
    before = resident(server)
    with server.connect() as connection:
        for i in range(2000):
            eq(connection.ask("GET", f"/pdns/query/m{i}.test").status, 200)
    ok(resident(server) - before < (20 << 10) * sanitized(), f"{resident(server) - before} KiB more")
    ok(metric(server, "active_in_flight") < 100)
    puppet.answer = address("192.0.2.1")
    number = iter(range(1000000))
    wait_for(lambda: lookup(f"x{next(number)}.test") and metric(server, "active_silent") == 0, 30, "it answers again")
    server.stop()


@check("dead names cost themselves only, however many in a row: somebody answers the probe")
def dead_names():
    dead = Puppet(lambda name, kind: None)
    puppet = Puppet(lambda name, kind: None if name.startswith("dead") else address("192.0.2.1")(name, kind))
    server = active("--active-types", "A", "--active-stub", f"gone.zz=127.0.0.1@{dead.port}", stub=f"test=127.0.0.1@{puppet.port}", budget="100ms")
    for i in range(12):
        name = f"dead{i}.test" if i % 2 else f"d{i}.gone.zz"
        eq(reasons(server.ask(name, headers=ERRORS)), {"timeout"}, name)
        eq(metric(server, "active_silent"), 0)
    wait_for(lambda: puppet.times("test", "SOA"), 10, "the probe")
    began = time.monotonic()
    eq(reasons(server.ask("dead1.test", headers=ERRORS)), {"timeout"})
    ok(time.monotonic() - began < 0.08 * SLOW, "a name that failed costs nothing again")
    wait_for(lambda: rows(server.ask("live.test")) == [("live.test", "A", "192.0.2.1", 1)], 10, "others are asked")
    eq(metric(server, 'active_failed_total{reason="unreachable"}'), 0)
    server.stop()


@check("a server that is told to stop answers those who wait, with what is stored")
def stopping():
    puppet = Puppet(lambda name, kind: None)
    server = active("--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}", budget="60s")
    server.feed([{"rrname": "known.test", "rrtype": "A", "rdata": "192.0.2.1", "count": 1, "time_first": 1, "time_last": 2}])
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.ask("known.test")))
    thread.start()
    wait_for(lambda: metric(server, "active_waiting") == 1, 10, "it waits")
    began = time.monotonic()
    server.stop()
    thread.join()
    eq(rows(answers[0]), [("known.test", "A", "192.0.2.1", 1)])
    ok(time.monotonic() - began < 4 * SLOW, "it took long")


@check("many that wait keep nobody else waiting, and hold little memory")
def waiting():
    puppet = Puppet(lambda name, kind: None)
    server = active("--active-types", "A", "--connections-max", "400", stub=f"test=127.0.0.1@{puppet.port}", budget=f"{int(3000 * SLOW)}ms")
    server.feed([{"rrname": "known.test", "rrtype": "A", "rdata": "192.0.2.1", "count": 1, "time_first": 1, "time_last": 2}])
    before = resident(server)
    connections = [server.connect() for _ in range(200)]
    for i, connection in enumerate(connections):
        connection.send(b"GET /pdns/query/w%d.test HTTP/1.1\r\nhost: a\r\n\r\n" % i)
    wait_for(lambda: metric(server, "active_waiting") > 150, 3, "they wait")
    began = time.monotonic()
    for _ in range(20):
        eq(len(server.ask("known.test", headers=OFF).lines), 1)
    ok(time.monotonic() - began < 1 * SLOW, "others waited")
    ok(resident(server) - before < (60 << 10) * sanitized(), f"{resident(server) - before} KiB more")
    for connection in connections:
        eq(connection.response().status, 200)
        connection.close()
    server.stop()


def resident(server):
    with open(f"/proc/{server.process.pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


@check("thousands of random names of a wildcard zone: the queue is bounded, and so is memory")
def wildcard():
    count = 2000 if SLOW > 1 else 10000
    server = active("--active-types", "A", "--active-queue", "100", stub=f"shop.test=127.0.0.1@{knot().port}", budget="1ms")

    def some(numbers):
        with server.connect() as connection:
            for i in numbers:
                eq(connection.ask("GET", f"/pdns/query/n{i}.wild.shop.test").status, 200)
                if i % 100 == 0:
                    most.append(metric(server, "active_in_flight"))
    most, failed = [], []
    some(range(200))
    before = resident(server)

    def run(numbers):
        try:
            some(numbers)
        except Exception as error:
            failed.append(error)
    threads = [threading.Thread(target=run, args=(range(200 + i, count, 4),)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    eq(failed, [])
    ok(max(most) <= 100, most)
    grown = resident(server) - before
    print(f"# {count} names: {grown} KiB more, {metric(server, 'active_answers_total')} answers")
    ok(grown < (200 << 10) * sanitized(), f"{grown} KiB more")
    ok(metric(server, "active_answers_total") > count / 200, "hardly anything was answered",
       [line for line in server.get("/metrics").body.decode().splitlines() if line.startswith("dribble_active")])
    server.stop()


# ---------------------------------------------------------------- what is not asked

@check("private and special-use names, text and blocks are never asked, nor what the exclude lists say, nor outside stub zones")
def refused():
    puppet = Puppet(address("192.0.2.1"))
    lists = write(os.path.join(tempdir("lists"), "l"), "secret.zz\n198.18.0.0/15\n")
    server = active("--active-forwarder", f"127.0.0.1@{puppet.port}", "--exclude", lists)
    for value in ("printer.local", "a.onion", "localhost", "host.internal", "x.home.arpa", "a.test", "10.1.2.3", "192.168.1.1", "fd00::1",
                  "fe80::1", "127.0.0.1", "::1", "100.64.1.1", "172.20.0.1", "192.0.2.7", "2001:db8::1", "1.0.0.10.in-addr.arpa"):
        eq(reasons(server.ask(value, headers=ERRORS)), {"special"}, value)
    for value in ("a.secret.zz", "secret.zz"):
        eq(reasons(server.ask(value, headers=ERRORS)), {"excluded"}, value)
    for value in ("v=spf1 -all", "10 mail.example.zz", "*.zz", "a b.zz"):
        eq(reasons(server.ask(value, headers=ERRORS)), set(), value)
    eq(puppet.names(), set())
    server.ask("open.zz", rrtype="A")
    ok("open.zz" in puppet.names())
    server.stop()
    server = active(stub=f"test=127.0.0.1@{puppet.port}")
    eq(reasons(server.ask("elsewhere.zz", headers=ERRORS)), {"unreachable"})
    server.stop()


@check("an alias does not lead to special names either")
def leading_out():
    def answer(name, kind):
        if name == "lead.zz":
            return [record(name, "CNAME", 60, "inside.local")]
        return [record(name, "A", 60, "192.0.2.1")] if kind == 1 else []
    puppet = Puppet(answer)
    server = active("--active-stub", f"zz=127.0.0.1@{puppet.port}", "--active-forwarder", f"127.0.0.1@{puppet.port}")
    eq(rows(server.ask("lead.zz")), [("lead.zz", "CNAME", "inside.local", 1)])
    ok("inside.local" not in puppet.names(), puppet.names())
    server.stop()


@check("no question for a name of the exclude lists leaves: not by an alias, a server's name, nor the reverse name of a block")
def leading_into_excluded():
    secret = "$TTL 300\n@ SOA ns h 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.66\ndeep.er A 192.0.2.67\n"
    tap = TapReceiver()
    authority = Knot({"zz": zone("alias CNAME www.secret\nfar CNAME deep.er.secret\ntree DNAME secret\nto CNAME near\nnear CNAME alias\n"
                                 'odd CNAME a\\"b.od\\"d.zz.\n'
                                 "secret NS ns.secret\nns.secret A 127.0.0.1\nlost NS ns.secret\nopen CNAME www.shown\n"),
                      "secret.zz": secret, "shown.zz": secret, "8.in-addr.arpa": "$TTL 300\n@ SOA a.zz. b.zz. 1 60 60 60 60\n@ NS a.zz.\n5.5.5 PTR www.zz.\n"
                                        "6.6.6 CNAME 5.5.5\n7.9.9 PTR www.zz.\n"}, dnstap=f"unix:{tap.path}")
    lists = write(os.path.join(tempdir("lists"), "l"), 'secret.zz\nbelow.secret.zz\nod\\"d.zz\n8.5.4.0/23\n2a00::/13\n')
    stubs = [s for name in ("zz", "secret.zz", "shown.zz", "8.in-addr.arpa")
             for s in ("--active-stub", f"{name}=127.0.0.1@{authority.port}")]
    server = active(*stubs, "--exclude", lists, budget=f"{int(2000 * SLOW)}ms")
    eq(rows(server.ask("open.zz"))[0][:3], ("open.zz", "CNAME", "www.shown.zz"))
    for name in ("alias.zz", "far.zz", "www.tree.zz", "to.zz", "odd.zz", "www.lost.zz", "9.9.9.8.in-addr.arpa", "8.6.6.6", "8.5.5.5"):
        server.ask(name, headers=ERRORS)
    eq(reasons(server.ask("8.5.4.1", headers=ERRORS)), {"excluded"})
    eq([r[:3] for r in rows(server.ask("to.zz", headers=OFF))], [("to.zz", "CNAME", "near.zz")])
    server.stop()
    authority.stop()
    ok(any(b"\5shown" in frame for frame in tap.frames), "the authority tells its questions")
    asked = {question_of(message)[0] for message in tapped(tap.frames)}
    ok({"alias.zz", "far.zz", "to.zz", "near.zz"} <= asked, asked)
    eq({name for name in asked if "secret" in name or 'd.zz' in name.replace("odd.zz", "") or name.endswith("5.5.8.in-addr.arpa")}, set())


def tapped(frames):
    """The queries in frames of dnstap: field 10 of the message."""
    for frame in frames:
        fields = dict(protobuf(dict(protobuf(frame))[14]))
        if 10 in fields:
            yield fields[10]


def protobuf(octets):
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            value |= (octets[at] & 127) << shift
            shift += 7
            at += 1
            if octets[at - 1] < 128:
                return value
    while at < len(octets):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = varint() if key & 7 == 2 else {1: 8, 5: 4}[key & 7]
            at += size
            yield key >> 3, octets[at - size:at]


@check("a request, an account, a cursor and the server can do without it")
def switches():
    puppet = Puppet(address("192.0.2.1"))
    server = active("--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}")
    for value in ("", "no", "1"):
        eq(server.ask("a.test", headers={"dribble-disable-active-query": value}).lines, [])
    eq(server.ask("a.test", headers=OFF, count=5).lines, [])
    server.feed([{"rrname": "p.test", "rrtype": "A", "rdata": f"192.0.2.{i}", "count": 1, "time_first": 1, "time_last": 2} for i in range(3, 9)])
    page = server.ask("p.test", count=2, headers=OFF)
    server.ask("p.test", count=2, cursor=page.cursor)
    eq(puppet.names(), set())
    eq(len(server.ask("p.test", count=100).lines), 7)
    eq(puppet.names() - {"test"}, {"p.test"})
    server.stop()
    server = active("--active", "no", stub=f"test=127.0.0.1@{puppet.port}")
    eq(server.ask("b.test").lines, [])
    server.stop()
    store = os.path.join(tempdir("active"), "s")

    def user(*args):
        told = subprocess.run([DRIBBLE, "user", *args, "--store", store], capture_output=True, text=True)
        eq(told.returncode, 0, told.stderr)
        return told.stdout.strip()
    quiet, loud = user("add", "quiet", "--token", "--no-active"), user("add", "loud", "--token")
    server = active("--active-types", "A", stub=f"test=127.0.0.1@{puppet.port}", store=store)
    eq(server.ask("c.test", headers={"authorization": quiet}).lines, [])
    eq(server.get("/metrics").status, 401)
    eq(len(server.ask("c.test", headers={"authorization": loud}).lines), 1)
    ok("quiet  reader,no-active" in user("list"), user("list"))
    user("set", "quiet", "--active", "yes")
    number = iter(range(100000))
    wait_for(lambda: server.ask(f"d{next(number)}.test", headers={"authorization": quiet}).lines, 5, "the account may again")
    server.stop()


@check("rates: overall, of a zone, of an account; errors are told to those alone who want them")
def rates():
    puppet = Puppet(address("192.0.2.1"))
    for option, reason in (("--active-rate", "rate"), ("--active-rate-zone", "rate-zone"), ("--active-rate-account", "rate-account")):
        server = active("--active-types", "A", option, "1", stub=f"zz=127.0.0.1@{puppet.port}")
        told = [reasons(server.ask(f"n{i}.onezone.zz", headers=ERRORS)) for i in range(20)]
        ok({reason} in told and set() in told, option, told)
        answer = server.ask("m0.onezone.zz")
        eq(answer.get("x-dribble-errors"), None)
        ok("dribble-active-errors" in answer.get("vary"))
        pages = [server.ask(f"p{i}.onezone.zz", count=5, headers=ERRORS) for i in range(20)]
        ok({reason} in [reasons(p) for p in pages])
        eq(server.ask("q.onezone.zz", count=5).get("x-dribble-errors"), "[]")
        server.stop()


@check("without somebody to ask there is no active query; options that make no sense end serve")
def options():
    server = Server(os.path.join(tempdir("active"), "s"))
    ok("active_questions" not in server.get("/metrics").body.decode())
    server.stop()
    for args, word in ((["--active-forwarder", "nobody"], "active_forwarder"), (["--active-stub", "zone"], "active_stub"),
                       (["--active-types", "A,NOTYPE", "--active-recursion", "yes"], "active_types"),
                       (["--active-trust-anchor", "/nonexistent", "--active-recursion", "yes"], "active_trust_anchor"),
                       (["--active-forwarder", "127.0.0.1", "--active-recursion", "yes"], "exclude each other")):
        told = subprocess.run([DRIBBLE, "serve", "--store", os.path.join(tempdir("active"), "s"), "--listen", "127.0.0.1:0", *args],
                              capture_output=True, text=True, timeout=30 * SLOW)
        ok(told.returncode != 0 and word in told.stderr, args, told.stderr)


if __name__ == "__main__":
    main()
