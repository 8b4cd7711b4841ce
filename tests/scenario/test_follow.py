# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of COF over WebSocket: every way to cut lines, and servers of every manner."""
import base64
import json
import os
import re
import shutil
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403
from websocket import *  # noqa: E402,F403


def line(name, **more):
    return json.dumps(cof(name, "A", "192.0.2.1", **more)).encode()


def info(server):
    answer = server.get("/info")
    eq(answer.status, 200, answer)
    return json.loads(answer.body)


def state(server, i=0):
    return info(server)["feeders"][i]


def follow(*urls, args=(), **more):
    told = [x for u in urls for x in ("--follow", u)]
    return Server(os.path.join(tempdir("store"), "db"), "--feed-hold", "50ms", *told, *args, **more)


def pair(**how):
    """(a WebSocket server, dribble, the connection between them)"""
    ws = WebSocketServer(**how)
    server = follow(f"ws://127.0.0.1:{ws.port}/feed?x=1")
    wait_for(lambda: ws.peers, 20, "it connects")
    return ws, server, ws.peers[0]


def seen(server, name, n=1):
    wait_for(lambda: sum(r["count"] for r in server.ask(name, style="cof").records) >= n, 20, f"{name} is seen")


@check("{0}", rows=["a line a message, with LF and without", "several lines a message", "binary messages", "fragments, a ping between them",
                    "a message for each octet of a frame's end", "a message of 300,000 octets in one frame"])
def ways(what):
    ws, server, peer = pair()
    eq(peer.head.split("\r\n")[0], "GET /feed?x=1 HTTP/1.1")
    names = [f"n{i}.follow.test" for i in range(3)]
    if what.startswith("a line"):
        peer.frame(TEXT, line(names[0]))
        peer.frame(TEXT, line(names[1]) + b"\n")
        peer.frame(TEXT, line(names[2]) + b"\r\n")
    elif what.startswith("several"):
        peer.frame(TEXT, b"\n".join(line(n) for n in names))
    elif what.startswith("binary"):
        peer.frame(BINARY, b"\n".join(line(n) for n in names) + b"\n")
    elif what.startswith("fragments"):
        whole = b"\n".join(line(n) for n in names)
        for i in range(0, len(whole), 7):
            peer.frame(MORE if i else TEXT, whole[i:i + 7], final=False)
            if i % 70 == 0:
                peer.frame(PING, b"there?")
        peer.frame(MORE, b"")
        wait_for(lambda: b"there?" in peer.pongs, 10, "a pong")
    elif what.startswith("a message for"):
        octets = b"".join(bytes([0x81, 126]) + len(line(n)).to_bytes(2, "big") + line(n) for n in names)
        for i in range(len(octets)):
            peer.raw(octets[i:i + 1])
    else:
        names = [f"n{i}.follow.test" for i in range(3000)]
        peer.frame(TEXT, b"\n".join(line(n) for n in names))
    for name in names[-3:]:
        seen(server, name)
    s = state(server)
    eq((s["kind"], s["connected"], s["observations"], s["rejected"]), ("follow", 1, len(names), {"malformed": 0}), s)
    where = f"ws://127.0.0.1:{ws.port}/feed?x=1"
    eq([(x["sensor_id"], x["count"]) for x in info(server)["sensors"]], [("follow:" + where, len(names))])
    server.stop()
    ok(peer.closed.wait(10 * SLOW), "it does not leave when the server ends")
    ws.close()


@check("garbage costs itself; sensors that lines name are counted as themselves")
def garbage():
    ws, server, peer = pair()
    peer.frame(TEXT, b"no line\n" + line("good.follow.test", sensor_id="named") + b"\n\n{]\n")
    peer.frame(BINARY, os.urandom(300).replace(b"\n", b"x"))
    peer.frame(TEXT, b"")
    peer.frame(TEXT, line("better.follow.test"))
    seen(server, "better.follow.test")
    s = state(server)
    eq((s["observations"], s["rejected"]["malformed"]), (2, 3), s)
    named = next(x for x in info(server)["sensors"] if x["sensor_id"] == "named")
    eq(named["count"], 1)
    server.stop()
    ok(b"rejected, the last because:" in server.err)
    ws.close()


@check("{0}: it is connected to again, and goes on", rows=["dropped", "dropped within a message", "closed politely", "an invalid frame", "an unknown opcode"])
def again(how):
    ws, server, peer = pair()
    peer.frame(TEXT, line("before.follow.test"))
    seen(server, "before.follow.test")
    if how == "dropped within a message":
        peer.frame(TEXT, line("cut.follow.test")[:-9], final=False)
    elif how == "closed politely":
        peer.frame(CLOSE, b"\x03\xe8")
    elif how == "an invalid frame":
        peer.raw(b"\xff\xff" + b"\xff" * 20)
    elif how == "an unknown opcode":
        peer.raw(b"\x83\x01x")
    if how.startswith("dropped"):
        peer.drop()
    wait_for(lambda: len(ws.peers) > 1, 20, "it comes again")
    ws.peers[-1].frame(TEXT, line("after.follow.test"))
    seen(server, "after.follow.test")
    s = state(server)
    ok(s["connections"] >= 2 and s["observations"] >= 2 and s["connected"] == 1 and s["error"], s)
    if how == "dropped within a message":
        eq(s["rejected"]["malformed"], 1, s)
    server.stop()
    ws.close()


@check("{0}: tried again and again, more and more slowly", rows=["nobody listens", "404", "no WebSocket", "closes at once"])
def nobody(what):
    answers = {"404": b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "no WebSocket": b"220 mail ready\r\n", "closes at once": b""}
    tries = []
    if what in ("nobody listens", "closes at once"):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        if what == "closes at once":
            ws = WebSocketServer(answer=lambda head: tries.append(time.monotonic()) or b"")
            port = ws.port
    else:
        ws = WebSocketServer(answer=lambda head: tries.append(time.monotonic()) or answers[what])
        port = ws.port
    server = follow(f"ws://127.0.0.1:{port}/")
    s = wait_for(lambda: state(server) if state(server)["failed"] >= 3 else None, 20, "three attempts")
    eq((s["connected"], s["connections"]), (0, 0), s)
    ok(s["error"], s)
    if tries:
        ok(tries[2] - tries[1] > tries[1] - tries[0] - 0.2 * SLOW and tries[1] - tries[0] >= 0.24, tries)
    if what == "nobody listens":  # and now somebody does
        ws = WebSocketServer(port=port)
        wait_for(lambda: ws.peers, 20, "it connects")
        ws.peers[0].frame(TEXT, line("late.follow.test"))
        seen(server, "late.follow.test")
    server.stop()
    ws.close()


@check("credentials of the URL are sent, and shown nowhere")
def credentials():
    ws = WebSocketServer(answer=lambda head: None if f"authorization: Basic {base64.b64encode(b'me:p@ss word').decode()}\r\n" in head
                         else b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
    server = follow(f"ws://me:p%40ss%20word@127.0.0.1:{ws.port}/x")
    wait_for(lambda: ws.peers or ws.refused, 20, "it connects")
    ok(ws.peers, "other credentials came")
    ws.peers[0].frame(TEXT, line("secret.follow.test"))
    seen(server, "secret.follow.test")
    eq(state(server)["where"], f"ws://127.0.0.1:{ws.port}/x")
    server.stop()
    ok(b"ss word" not in server.err and b"p%40ss" not in server.err and b"me:" not in server.err, server.err)
    ws.close()


def authority(folder, names):
    """(a certificate authority, a certificate of it for the names, its key)"""
    ca, ca_key, request, ext, cert, key = (os.path.join(folder, n) for n in ("ca", "ca.key", "request", "ext", "cert", "key"))
    write(ext, f"subjectAltName={names}\n".encode())
    new = ["-newkey", "rsa:2048", "-nodes"]
    for args in (["req", "-x509", *new, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=an authority"],
                 ["req", *new, "-keyout", key, "-out", request, "-subj", "/CN=a server"],
                 ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", ext, "-out", cert]):
        ran = run(["openssl", *args])
        eq(ran.code, 0, ran)
    return ca, cert, key


@check("wss: {0}", rows=["a certificate of a trusted authority", "an unknown authority", "another name"])
def tls(what):
    if not shutil.which("openssl"):
        raise Skip("no openssl")
    ca, cert, key = authority(tempdir("tls"), "DNS:elsewhere.test" if what == "another name" else "DNS:localhost")
    ws = WebSocketServer(certificate=(cert, key))
    server = follow(f"wss://localhost:{ws.port}/", env={"SSL_CERT_FILE": ca} if what != "an unknown authority" else None)
    if what.startswith("a certificate"):
        wait_for(lambda: ws.peers, 20, "it connects")
        ws.peers[0].frame(TEXT, line("tls.follow.test"))
        seen(server, "tls.follow.test")
        eq(state(server)["failed"], 0)
    else:
        wait_for(lambda: state(server)["failed"] >= 2, 20, "it fails")
        eq((ws.peers, state(server)["connections"]), ([], 0))
        why = "the certificate is refused: " + ("hostname mismatch" if what == "another name" else "unable to get local issuer")
        ok(why in state(server)["error"], state(server))
        told = [text for text in server.err.decode().splitlines() if why in text]
        ok(len(told) == 1 and f"wss://localhost:{ws.port}/: " in told[0], server.err)
    server.stop()
    ws.close()


@check("more than it can take is held back, not lost and not kept in memory")
def back_pressure():
    ws = WebSocketServer()
    server = follow(f"ws://127.0.0.1:{ws.port}/", args=("--feed-hold-records", "500"))
    wait_for(lambda: ws.peers, 20, "it connects")
    n = 40000
    for i in range(0, n, 100):
        ws.peers[0].frame(TEXT, b"\n".join(line(f"n{k}.much.test") for k in range(i, i + 100)))
    wait_for(lambda: state(server)["observations"] == n, 60, "all is in")
    with open(f"/proc/{server.process.pid}/status") as f:
        peak = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])
    ok(peak < 600000 or "san" in os.path.dirname(DRIBBLE), f"{peak} KiB")
    eq(len(ws.peers), 1, "it was disconnected")
    server.stop()
    eq(sum(1 for _ in cli("export", "--store", server.store).out.splitlines()), n)
    ws.close()


@check("several streams at once")
def several():
    servers = [WebSocketServer() for _ in range(3)]
    server = follow(*(f"ws://127.0.0.1:{ws.port}/" for ws in servers))
    for i, ws in enumerate(servers):
        wait_for(lambda: ws.peers, 20, "it connects")
        ws.peers[0].frame(TEXT, line(f"s{i}.several.test"))
    for i in range(3):
        seen(server, f"s{i}.several.test")
    eq([f["observations"] for f in info(server)["feeders"]], [1, 1, 1])
    server.stop()
    for ws in servers:
        ws.close()


@check("refused at the start: {0}", rows=["http://127.0.0.1/", "ws://", "ws://host:0/", "ws://host:99999/", "ws://[::1/", "ws://a%zz@host/", "ws://ho st/", "nothing"])
def refused(url):
    ran = cli("serve", "--store", "memory:", "--listen", "127.0.0.1:0", "--follow", url, code=(1, 2))
    ok(b"follow" in ran.err, ran)


if __name__ == "__main__":
    main()
