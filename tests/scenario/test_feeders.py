# SPDX-License-Identifier: GPL-3.0-or-later
"""Live dnstap into a server: senders of every manner, and what is known of them."""
import json
import os
import re
import resource
import socket
import stat
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403
from dnstap import *  # noqa: E402,F403
from servers import Knot, Named, Unbound, ask  # noqa: E402

ZONE = {"example": "$ORIGIN example.\n$TTL 300\n@ SOA ns1 host 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\n*.wild A 192.0.2.77\n"
                   "www A 192.0.2.10\n"}


def info(server):
    answer = server.get("/info")
    eq(answer.status, 200, answer)
    return json.loads(answer.body)


def sensor(server, name):
    return next((s for s in info(server)["sensors"] if s["sensor_id"] == name), None)


def feeder(server, where):
    return next(f for f in info(server)["feeders"] if f["where"] == where)


def serve(*args, hold="100ms", store=None, **more):
    """(server, path of its socket)"""
    folder = tempdir("tap")
    path = os.path.join(folder, "tap.sock")
    store = store or os.path.join(tempdir("store"), "db")
    return Server(store, "--dnstap-unix", path, "--feed-hold", hold, *args, **more), path


def records(store):
    return {(r["rrname"], r["rrtype"], r["rdata"]): r["count"] for r in map(json.loads, cli("export", "--store", store).out.splitlines())}


def seen(server, name, n=1):
    """Waits until a name has been seen n times."""
    wait_for(lambda: sum(r["count"] for r in server.ask(name, style="cof").records) >= n, 15, f"{name} is seen")


@check("a {0} sender on {1}: what it says is there within the time of feed_hold", rows=[
    ("polite", "unix"), ("curt", "unix"), ("polite", "tcp"), ("curt", "tcp")])
def sending(manner, kind):
    server, path = serve("--dnstap-tcp", "127.0.0.1:0")
    port = int(next(f["where"] for f in info(server)["feeders"] if f["where"].startswith("127")).split(":")[1])
    sender = Sender(path if kind == "unix" else port, polite=manner == "polite")
    sender.send(said("a.live.test") + said("b.live.test", identity=b"") + said("a.live.test"))
    seen(server, "a.live.test", 2)
    seen(server, "b.live.test")
    where = path if kind == "unix" else f"127.0.0.1:{port}"
    state = feeder(server, where)
    eq((state["connected"], state["connections"], state["messages"], state["observations"], state["failed"]), (1, 1, 3, 3, 0), state)
    sender.end()
    wait_for(lambda: feeder(server, where)["connected"] == 0, 10, "the connection is forgotten")
    now = time.time()
    for name, n in (("sender.test", 2), (f"dnstap:{where}", 1)):
        s = sensor(server, name)
        eq(s["count"], n, s)
        ok(now - 60 * SLOW < s["first_contact"] <= s["last_contact"] <= now + 1, s)
    server.stop()
    eq(records(server.store), {("a.live.test", "A", "192.0.2.1"): 2, ("b.live.test", "A", "192.0.2.1"): 1})
    cli("check", "--store", server.store)


@check("what had been sent when the server was told to stop is in the store")
def stop_loses_nothing():
    server, path = serve(hold="1h")
    senders = [Sender(path) for _ in range(4)]
    for i in range(50):
        for k, sender in enumerate(senders):
            sender.send(b"".join(said(f"n{j}.s{k}.stop.test") for j in range(i * 20, i * 20 + 20)))
    server.stop()
    eq(len(records(server.store)), 4000)


LIES = {
    "a length over the limit": (control(START) + struct.pack(">I", 1 << 30), "a length is wrong"),
    "noise": (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "a length is wrong"),
    "a frame before START": (said("liar.test"), "a frame before START"),
    "another content type": (control(READY, b"protobuf:other"), "another content type"),
    "START with another content type": (control(START, b"protobuf:other"), "another content type"),
    "READY twice": (control(READY) + control(READY), "READY where it may not be"),
    "START twice": (control(START) + control(START), "START where it may not be"),
    "STOP first": (control(STOP, None), "STOP where it may not be"),
    "ACCEPT": (control(ACCEPT), "only receivers send"),
    "a control frame of no type": (struct.pack(">3I", 0, 4, 77), "no known type"),
    "a control frame with a field beyond it": (struct.pack(">5I", 0, 12, START, 1, 999), "malformed"),
    "a control frame of 2 octets": (struct.pack(">2I", 0, 2) + b"xx", "control frame"),
}


@once
def lied_to():
    return serve()


@check("{0}: the connection is closed, it is counted and named", rows=list(LIES))
def lie(what):
    server, path = lied_to()
    octets, reason = LIES[what]
    before = feeder(server, path)
    liar, honest = Sender(path, begin=False), Sender(path)
    liar.send(octets)
    ok(liar.is_closed(), "it is not closed")
    honest.send(said("honest.test"))
    wait_for(lambda: feeder(server, path)["failed"] == before["failed"] + 1, 10, "it is counted")
    after = feeder(server, path)
    ok(reason in after["error"], after)
    eq(after["rejected"]["malformed"], before["rejected"]["malformed"] + 1, after)
    honest.end()
    liar.close()


@check("a frame that is no dnstap costs itself: {0}", rows=["noise", "cut", "a message that loops", "empty message", "no message"])
def bad_frame(what):
    server, path = lied_to()
    loops = struct.pack(">6H", 7, 0x8180, 1, 0, 0, 0) + b"\xc0\x0c" + struct.pack(">2H", 1, 1)
    octets = {"noise": os.urandom(60), "cut": payload(response("x.test", "192.0.2.1"))[:-30], "a message that loops": payload(loops),
              "empty message": payload(b""), "no message": member(14, member(1, 6)) + member(15, 1)}[what]
    before, sender = feeder(server, path), Sender(path)
    sender.send(frame(octets) + said("behind.test"))
    wait_for(lambda: feeder(server, path)["messages"] == before["messages"] + 2, 10, "both are read")
    after = feeder(server, path)
    eq(after["rejected"]["malformed"] + after["rejected"].get("other", 0), before["rejected"]["malformed"] + before["rejected"].get("other", 0) + 1, after)
    eq(after["observations"], before["observations"] + 1)
    sender.end()


@check("a sender that leaves in the midst of a frame: the frame is counted as malformed, what was whole counts")
def mid_frame():
    server, path = serve()
    sender = Sender(path)
    sender.send(said("whole.mid.test") + said("cut.mid.test")[:-7])
    seen(server, "whole.mid.test")
    sender.close()
    wait_for(lambda: feeder(server, path)["rejected"]["malformed"] == 1, 10, "it is counted")
    ok("within a frame" in feeder(server, path)["error"])
    server.stop()
    ok(b"1 rejected, the last because: the connection ended within a frame" in server.err, server.err.decode())
    eq(list(records(server.store)), [("whole.mid.test", "A", "192.0.2.1")])


@check("a sender of an octet at a time, and one that says nothing for long after START, are kept")
def slow():
    server, path = serve("--connection-timeout", "1s")
    quiet, sender = Sender(path), Sender(path, begin=False)
    for octet in control(READY):
        sender.send(bytes([octet]))
    eq(sender.receive()[0], ACCEPT)
    sender.send(control(START))
    began = time.monotonic()
    for octet in said("slow.test"):
        sender.send(bytes([octet]))
        time.sleep(0.012)  # what is tested is slowness
    while time.monotonic() - began < 2.5:
        time.sleep(0.05)
    seen(server, "slow.test")
    quiet.send(said("quiet.test"))
    seen(server, "quiet.test")
    eq(feeder(server, path)["connected"], 2)
    sender.end()
    quiet.end()


@check("a connection that does not begin is closed after connection_timeout: {0}", rows=["silent", "half a READY", "READY only"])
def no_start(what):
    server, path = serve("--connection-timeout", "1s")
    sender = Sender(path, begin=False)
    sender.send({"silent": b"", "half a READY": control(READY)[:9], "READY only": control(READY)}[what])
    ok(sender.is_closed(), "it is not closed")
    ok("no START in time" in feeder(server, path)["error"])
    wait_for(lambda: feeder(server, path)["connected"] == 0, 10, "it is forgotten")


@check("a thousand connections; one more waits until another ends")
def thousand():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        raise Skip("too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    server, path = serve("--connections-max", "1000")
    senders = [Sender(path) for _ in range(1000)]
    eq(feeder(server, path)["connected"], 1000)
    for i, sender in enumerate(senders):
        sender.send(said(f"n{i}.thousand.test") + (said("never.test")[:20] if i % 3 == 0 else b""))
    wait_for(lambda: feeder(server, path)["messages"] == 1000, 30, "all are read")
    late = Sender(path, begin=False)
    late.send(control(READY))
    late.socket.settimeout(0.2)
    try:
        late.receive()
        raise Fail("one more was let in")
    except socket.timeout:
        pass
    late.socket.settimeout(20 * SLOW)
    for sender in senders[:500]:
        sender.close()
    eq(late.receive()[0], ACCEPT)
    late.send(control(START) + said("late.thousand.test"))
    seen(server, "late.thousand.test")
    eq(server.ask("n999.thousand.test", style="cof").records[0]["count"], 1)
    for sender in senders[500:]:
        sender.close()
    late.end()
    wait_for(lambda: feeder(server, path)["connected"] == 0, 30, "all are gone")
    eq(feeder(server, path)["rejected"]["malformed"], 334)
    server.stop()
    eq(len(records(server.store)), 1001)


@check("what the lists keep out is not stored, and counted for the sensor")
def excluded():
    server, path = serve("--exclude", temp("list", "internal.test\n"))
    sender = Sender(path)
    sender.send(said("a.internal.test") + said("b.internal.test", identity=b"") + said("public.test"))
    seen(server, "public.test")
    eq(sensor(server, "sender.test")["rejected"], {"malformed": 0, "excluded": 1})
    eq(sensor(server, f"dnstap:{path}")["rejected"], {"malformed": 0, "excluded": 1})
    eq(feeder(server, path)["rejected"]["excluded"], 2)
    lines = server.get("/metrics").body.decode("ascii").splitlines()
    where = f'kind="dnstap",where="{path}"'
    for line in (f"dribble_feeder_connected{{{where}}} 1", f"dribble_feeder_messages_total{{{where}}} 3",
                 f"dribble_feeder_observations_total{{{where}}} 1", f'dribble_feeder_rejected_total{{{where},reason="excluded"}} 2',
                 f'dribble_feeder_rejected_total{{{where},reason="malformed"}} 0', "dribble_feeders_failing 0"):
        ok(line in lines, f"{line} is not in /metrics", lines)
    sender.end()
    server.stop()
    eq(list(records(server.store)), [("public.test", "A", "192.0.2.1")])


# ------------------------------------------------------------ sockets

@check("dnstap_unix_mode is the socket's permissions: {0}", rows=["0660", "600", "0666"])
def mode(text):
    server, path = serve("--dnstap-unix-mode", text)
    eq(stat.S_IMODE(os.stat(path).st_mode), int(text, 8))
    server.stop()
    ok(not os.path.exists(path), "the socket is left behind")


@check("the socket of a server that was killed is replaced")
def stale():
    server, path = serve()
    server.kill()
    ok(os.path.exists(path))
    again = Server(server.store, "--dnstap-unix", path, "--feed-hold", "50ms")
    Sender(path).send(said("again.test"))
    seen(again, "again.test")


@check("refused: {0}", rows=["a socket that is in use", "a file in the place of the socket", "a path that is too long", "no folder",
                             "TCP beyond loopback", "a wrong mode", "the same address twice"])
def refused(what):
    folder = tempdir("tap")
    path, options, word = os.path.join(folder, "s"), [], "cannot listen"
    if what == "a socket that is in use":
        other = socket.socket(socket.AF_UNIX)
        other.bind(path)
        other.listen(1)
    elif what == "a file in the place of the socket":
        write(path, "precious")
    elif what == "a path that is too long":
        path, word = os.path.join(folder, "x" * 150), "over 107 octets"
    elif what == "no folder":
        path = os.path.join(folder, "none", "s")
    elif what == "TCP beyond loopback":
        options, word = ["--dnstap-tcp", "0.0.0.0:0"], "dnstap_anyone"
    elif what == "a wrong mode":
        options, word = ["--dnstap-unix-mode", "0888"], "dnstap_unix_mode"
    elif what == "the same address twice":
        options, word = ["--dnstap-tcp", "127.0.0.1:9", "--dnstap-tcp", "127.0.0.1:9"], "twice"
    ran = cli("serve", "--store", "memory:", "--listen", "127.0.0.1:0", "--dnstap-unix", path, *options, code=(1, 2))
    ok(word in ran.err.decode(), ran)
    if what.startswith("a file"):
        eq(open(path).read(), "precious")


@check("beyond loopback when it is told so")
def anyone():
    server, _ = serve("--dnstap-tcp", "0.0.0.0:0", "--dnstap-anyone", "yes")
    port = int(next(f["where"] for f in info(server)["feeders"] if f["where"].startswith("0.0")).split(":")[1])
    Sender(port).send(said("anyone.test"))
    seen(server, "anyone.test")


# ------------------------------------------------------------ real senders

def let_in(path):
    """For servers that changed their user."""
    os.chmod(os.path.dirname(path), 0o777)


@check("{0} sends live what it was told; lookups go on meanwhile", rows=["knotd", "unbound", "named"])
def real(program):
    server, path = serve("--dnstap-unix-mode", "0666")
    let_in(path)
    os.chmod(os.path.dirname(os.path.dirname(path)), 0o755)
    knot = Knot(ZONE, dnstap=f"unix:{path}" if program == "knotd" else None)
    resolver = knot if program == "knotd" else Unbound(["example"], knot.port, dnstap=path) if program == "unbound" else \
        Named(["example"], knot.port, dnstap=f'unix "{path}"')
    wait_for(lambda: feeder(server, path)["connected"], 20, f"{program} connects")
    n = 200
    for i in range(n):
        ok(ask(resolver.port, f"n{i}.wild.example", "A"), f"{program} does not answer")
        if i % 10 == 0:
            eq(server.ask("nothing.test").body, b"")

    def have():
        if program == "unbound":  # what it knows to send waits for more, up to a second
            ask(resolver.port, f"flush{time.monotonic_ns()}.wild.example", "A")
        return len([k for k in (r["rrname"] for r in server.ask("192.0.2.77", style="cof").records) if k.startswith("n")]) >= n
    wait_for(have, 40, f"what {program} said is there")
    state = feeder(server, path)
    eq((state["failed"], state["rejected"]["malformed"]), (0, 0), state)
    name = {"knotd": "knot.test", "unbound": "unbound.test", "named": "named.test"}[program]
    ok(sensor(server, name)["count"] >= n, info(server))
    resolver.stop()
    wait_for(lambda: feeder(server, path)["connected"] == 0, 20, f"{program} leaves")
    knot.stop()
    server.stop()


# ------------------------------------------------------------ nothing lost, nothing twice

@check("kill -9 while it is fed: what is older than feed_hold is there, nothing twice, sensors agree")
def killed():
    store, path = os.path.join(tempdir("store"), "db"), None
    for round_ in range(4):
        server, path = serve(store=store, hold="150ms")
        sender, sent = Sender(path), []

        def feed():
            try:
                for i in range(100000):
                    sender.send(b"".join(said(f"n{i}-{k}.r{round_}.kill.test", identity=b"killed") for k in range(20)))
                    sent.append(time.monotonic())
                    time.sleep(0.002)
            except OSError:
                pass
        thread = threading.Thread(target=feed)
        thread.start()
        wait_for(lambda: server.ask(f"n0-0.r{round_}.kill.test", style="cof").records, 20, "it is fed")
        time.sleep(0.1 + 0.13 * round_ if round_ < 3 else 2.5 * SLOW)  # a moment as good as any
        listed = sum(1 for _ in sent)
        acknowledged = [i for i in range(listed) if i % 50 == 0 and server.ask(f"n{i}-7.r{round_}.kill.test").records]
        old = [i for i in range(listed) if sent[i] < time.monotonic() - 1.5 * SLOW]
        server.kill()
        thread.join()
        sender.close()
        found = records(store)
        ok(round_ < 3 or old, "nothing is old enough")
        for i in old:
            ok((f"n{i}-19.r{round_}.kill.test", "A", "192.0.2.1") in found, i, "was sent long before feed_hold, and is lost")
        for i in acknowledged:
            ok((f"n{i}-7.r{round_}.kill.test", "A", "192.0.2.1") in found, i)
        eq(set(found.values()), {1}, "something was counted twice")
        cli("check", "--store", store)
        again = Server(store)
        s = sensor(again, "killed")
        eq(s["count"], len(found), "the sensor's number is not that of its records")
        again.stop()


@check("nothing is lost at 50,000 responses a second while lookups go on")
def lossless():
    seconds = 60 if os.environ.get("DRIBBLE_LONG") else 3
    rate = 50000 if SLOW == 1 else int(50000 / SLOW / 4)
    server, path = serve(hold="1s")
    frames = [said(f"n{i}.z{i % 97}.rate.test", f"10.0.{i >> 8 & 255}.{i & 255}", identity=b"fast") for i in range(20000)]
    sender, asked, stop = Sender(path), [0], threading.Event()

    def look_up():
        while not stop.is_set():
            n = asked[0]
            eq(server.ask(f"n{n % 20000}.z{n % 20000 % 97}.rate.test").status, 200)
            asked[0] += 1
    lookups = threading.Thread(target=look_up)
    lookups.start()
    try:
        n, took = send_paced(sender, frames, rate, seconds)
    finally:
        stop.set()
        lookups.join()
    sender.end()
    state = wait_for(lambda: feeder(server, path) if feeder(server, path)["messages"] == n else None, 30, f"{n} frames are read")
    print(f"# {n} responses in {took:.1f} s ({n / took:.0f}/s), {asked[0]} lookups meanwhile")
    eq((state["observations"], state["failed"], state["rejected"]["malformed"]), (n, 0, 0), state)
    server.stop()
    found = records(server.store)
    chunk = rate // 50
    eq((len(found), sum(found.values())), (min(n, 20000 // chunk * chunk), n))
    ok(took < seconds * 1.5 + 1 or SLOW > 1, f"{rate * seconds} frames took {took:.1f} s")
    stats = cli("stats", "--store", server.store).out.decode()
    ok(re.search(rf"fast +{n} ", stats), stats)


if __name__ == "__main__":
    main()
