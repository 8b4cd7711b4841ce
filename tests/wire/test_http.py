# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §2 and §3 on the connection: keep-alive, old and rude clients, and how errors look."""
import select
import socket
import threading
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403


PATH = "/pdns/query/circl.lu"


@once
def seed():
    return Server(store_of(SEED))


@once
def heavy():
    """One name with 3000 TXT records of 2 kB: an answer that no socket buffer swallows."""
    filler = " ".join(f'"{"x" * 250}"' for _ in range(8))
    rows = [cof("heavy.test", "TXT", f'"{i:05d}" {filler}') for i in range(3000)]
    return Server(store_of(temp("heavy.ndjson", ndjson(rows))), "--maxset", 100000)


def alive(server):
    eq(len(server.get(PATH if server is seed() else "/pdns/query/heavy.test").lines), 8 if server is seed() else 3000)


@check("several requests on one connection")
def keep_alive():
    with seed().connect() as conn:
        for value, lines in (("circl.lu", 8), ("nothing.example", 0), ("com", 5), ("circl.lu", 8), ("192.0.2.0/24", 1), ("circl.lu", 8)):
            answer = conn.ask("GET", "/pdns/query/" + value)
            eq((answer.version, len(answer.lines)), ("1.1", lines), value, answer)


@check("an error does not end the connection of a well-formed request: {1} on {0}", rows=[
    ("/nothing", 404), ("/pdns/query/192.0.2.0/24", 400), ("/pdns/query", 404)])
def keep_alive_error(path, status):
    with seed().connect() as conn:
        for _ in range(3):
            eq(error_body(conn.ask("GET", path)).status, status)
        eq(len(conn.ask("GET", PATH).lines), 8)


@check("/ping{0}: {1} octets", rows=[("", 5), ("/5", 5), ("/1", 1), ("/12", 12), ("/00377", 377), ("/65536", 65536)])
def ping(path, octets):
    with seed().connect() as conn:
        answer = conn.ask("GET", "/ping" + path)
        eq((answer.status, answer.body), (200, (b"pong\n" * octets)[:octets]))


@check("/ping/{0} is 400", rows=["0", "65537", "x", "-1", "1x", "99999999999999999999999999", "%31%00"])
def ping_not(what):
    with seed().connect() as conn:
        eq(error_body(conn.ask("GET", "/ping/" + what)).status, 400)
        eq(conn.ask("GET", "/ping/").status, 404)


@check("pipelined requests are answered in order")
def pipelining():
    values = ["circl.lu", "com", "nothing.example", "185.194.93.14", "ns1.eurodns.com"] * 4
    with seed().connect() as conn:
        conn.send(b"".join(request_bytes("GET", "/pdns/query/" + v) for v in values))
        eq([len(conn.response().lines) for _ in values], [8, 5, 0, 1, 2] * 4)


@check("a request that arrives a byte at a time")
def dribbled():
    with seed().connect() as conn:
        for byte in request_bytes("GET", PATH):
            conn.send(bytes([byte]))
        eq(len(conn.response().lines), 8)


@check("HTTP/1.0 gets a whole answer and the connection closes")
def http10():
    with seed().connect() as conn:
        conn.send(b"GET /pdns/query/circl.lu HTTP/1.0\r\n\r\n")
        answer = conn.response()
        eq((answer.status, len(answer.lines), answer.get("transfer-encoding")), (200, 8, None), answer)
        eq(conn.until_closed(), b"", "bytes after the answer")


@check("a big answer to HTTP/1.0 is whole and not chunked")
def http10_big():
    with heavy().connect() as conn:
        conn.send(b"GET /pdns/query/heavy.test HTTP/1.0\r\n\r\n")
        answer = conn.response()
        ok(answer.complete, "cut short")
        eq((len(answer.lines), answer.get("transfer-encoding")), (3000, None), answer.head)


@check("connection: close is honoured")
def close():
    with seed().connect() as conn:
        answer = conn.ask("GET", PATH, {"connection": "close"})
        eq((len(answer.lines), (answer.get("connection") or "").lower()), (8, "close"), answer.head)
        eq(conn.until_closed(), b"")


@check("a big answer is whole, clean and every record in it")
def big():
    answer = clean_body(heavy().ask("heavy.test", style="cof"))
    eq(sorted(r["rdata"][1:6] for r in answer.records), [f"{i:05d}" for i in range(3000)])


@check("a client that resets in mid-body is no event")
def reset():
    for read in (0, 1, 5000, 200000):
        for _ in range(3):
            conn = heavy().connect(rcvbuf=4096)
            conn.send(request_bytes("GET", "/pdns/query/heavy.test"))
            got = 0
            while got < read:
                ok(conn.more(), "the server closed first")
                got = len(conn.buffer)
            conn.reset()
    alive(heavy())


@check("a client that closes in mid-body is no event")
def half_read():
    for _ in range(5):
        conn = heavy().connect()
        conn.send(request_bytes("GET", "/pdns/query/heavy.test"))
        conn.more(1000)
        conn.close()
    alive(heavy())


@check("a client that resets in mid-request is no event: after {0!r}", rows=[
    b"GE", b"GET /pdns", b"GET /pdns/query/x HTTP/1.1\r\nhos", b"POST /pdns/import HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"rr",
    b"POST /pdns/import HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc"])
def reset_request(data):
    for ending in (Conn.reset, Conn.close):
        conn = seed().connect()
        conn.send(data)
        ending(conn)
    alive(seed())


@check("a slow reader gets everything and holds nobody up")
def slow_reader():
    with heavy().connect(rcvbuf=4096) as slow:
        slow.send(request_bytes("GET", "/pdns/query/heavy.test"))
        while b"\r\n\r\n" not in slow.buffer:
            ok(slow.more(500))
        began = time.monotonic()
        for _ in range(20):
            eq(heavy().get("/pdns/query/nothing.test").body, b"")
        ok(time.monotonic() - began < 3 * SLOW, "others waited", time.monotonic() - began)
        answer = slow.response()
        ok(answer.complete, "cut short")
        eq(len(answer.lines), 3000)


@check("sixteen slow readers at once, and a seventeenth client is served")
def slow_readers():
    slow = [heavy().connect(rcvbuf=4096) for _ in range(16)]
    for conn in slow:
        conn.send(request_bytes("GET", "/pdns/query/heavy.test"))
    for conn in slow:
        conn.more(100)
    began = time.monotonic()
    eq(heavy().get("/pdns/query/nothing.test").body, b"")
    ok(time.monotonic() - began < 2 * SLOW, "it waited", time.monotonic() - began)
    for conn in slow:
        conn.reset()
    alive(heavy())


@check("a client that shuts its sending side down is still answered")
def half_close():
    with seed().connect() as conn:
        conn.send(request_bytes("GET", PATH, {"connection": "close"}))
        conn.sock.shutdown(socket.SHUT_WR)
        eq(len(conn.response().lines), 8)


@check("fifty idle and half-open connections do not keep others out")
def half_open():
    idle = [seed().connect() for _ in range(50)]
    for n, conn in enumerate(idle):
        conn.send([b"", b"G", b"GET /pdns/query/circl.lu HTTP/1.1\r\n", b"GET /pdns/query/x HTTP/1.1\r\nhost: y\r\nx: "][n % 4])
    for _ in range(10):
        alive(seed())
    for conn in idle:
        conn.close()


@check("--connection-timeout closes a connection that sends its head an octet now and then")
def trickle():
    server = Server("memory:", "--connection-timeout", 1)
    with server.connect() as conn:
        start = time.monotonic()
        try:
            conn.send(b"GET /ping HTTP/1.1\r\nhost: x\r\nx-slow: ")
            while time.monotonic() - start < 15 * SLOW:
                conn.send(b"a")
                if select.select([conn.sock], [], [], 0.2)[0] and not conn.sock.recv(1):
                    break
        except OSError:
            pass
        took = time.monotonic() - start
        ok(0.9 < took < 10 * SLOW, took)
    server.stop()


@check("--connection-timeout closes a silent connection, and one that sends half a head")
def timeout():
    server = Server("memory:", "--connection-timeout", 1)
    for data in (b"", b"GET /pdns/query/circl.lu HTTP/1.1\r\nhost"):
        with server.connect() as conn:
            conn.send(data)
            began = time.monotonic()
            conn.until_closed()  # its deadline is the connection's
            ok(time.monotonic() - began < 10 * SLOW, "closed late")
            if conn.buffer:
                ok(not conn.buffer.startswith(b"HTTP/1.1 2"), conn.buffer)
    server.stop()


@check("--connections-max: one too many is turned away, and there is room again when one leaves")
def connections_max():
    server = Server("memory:", "--connections-max", 4)
    held = []
    for _ in range(4):
        conn = server.connect()
        eq(conn.ask("GET", "/pdns/query/x.test").status, 200)
        held.append(conn)
    extra = server.connect(timeout=2)
    try:
        extra.send(request_bytes("GET", "/pdns/query/x.test"))
        extra.until_closed()
        turned_away = b"200" not in extra.buffer[:15]
    except (Fail, OSError):  # silence or a reset: it was not served, which is the point
        turned_away = True
    extra.close()
    ok(turned_away, "a fifth connection was served", extra.buffer)
    for conn in held:
        conn.close()

    def served():
        try:
            return server.get("/pdns/query/x.test").status == 200
        except (Fail, OSError):
            return False
    wait_for(served, 10, "service after the others left")
    server.stop()


@once
def impatient():
    return Server(store_of(SEED), "--connection-timeout", 1)


@check("garbage on the socket: {0!r}", rows=[
    b"\0\0\0\0", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200, b"hello\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n", b"GET /pdns/query/circl.lu\r\n\r\n", b"\xff" * 3000, b"GET /pdns/query/x HTTP/1.1\r\n\x00: \x00\r\n\r\n",
    b"GET /pdns/query/circl.lu HTTP/1.1\r\nhost: a\r\nnocolon\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET http://x/pdns/query/circl.lu HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST /pdns/import HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n", b"POST /pdns/import HTTP/1.1\r\nhost: x\r\ncontent-length: zz\r\n\r\n",
    b"POST /pdns/import HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"])
def garbage(data):
    with impatient().connect() as conn:
        conn.send(data)
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        got = conn.until_closed()
        if got.startswith(b"HTTP/1.") and b" 200 " not in got[:15]:
            head, _, body = got.partition(b"\r\n\r\n")
            ok(int(head[9:12]) < 500 or head[9:12] in (b"501", b"505"), "a server error for a client's mistake", got)
            ok(not body.lstrip().startswith((b"{", b"[")), "JSON in an error", got)
    eq(len(impatient().get(PATH).lines), 8)


@check("the absolute form of a target is understood, as proxies send it")
def absolute_form():
    with seed().connect() as conn:
        eq(len(conn.ask("GET", "http://pdns.example.org/pdns/query/circl.lu").lines), 8)


LEFT = [b"", b"GET", b"GET /pdns", b"\0\0\0\0", b"GET /pdns/query/x.test HTTP/1.1\r\nhost"]


@once
def left_alone():
    """A server for each way to leave, after two hundred clients left it so; their waits run at the same time."""
    servers = []
    for data in LEFT:
        server = Server("memory:", "--connections-max", 20)
        for _ in range(200):
            try:
                with server.connect(timeout=1) as conn:
                    conn.send(data)
            except OSError:  # turned away: that is up to the server
                pass
        servers.append(server)
    return servers


@check("clients that say {1!r} and leave do not hold their places", rows=list(enumerate(LEFT)))
def left(n, _):
    def served():
        try:
            with left_alone()[n].connect(timeout=1) as conn:
                return conn.ask("GET", "/pdns/query/x.test").status == 200
        except (Fail, OSError):
            return False
    left_alone()
    wait_for(served, 10, "service after they left")


@check("a host header is wanted of HTTP/1.1, or not, but never 5xx")
def no_host():
    with seed().connect() as conn:
        conn.send(b"GET /pdns/query/circl.lu HTTP/1.1\r\n\r\n")
        among(conn.response().status, (200, 400))


@check("an over-long path is 414 (or 400 or 431), one line of text: {0} bytes", rows=[9000, 20000, 30000])
def uri_too_long(size):
    with seed().connect() as conn:
        try:
            conn.send(request_bytes("GET", "/pdns/query/" + "a" * size))
        except ConnectionError:
            pass
        error_body(conn.response(), 414, 400, 431)


@check("the largest head is taken: a value in escapes, and headers beside it: {0} of them", rows=[1, 40])
def largest_head(n):
    headers = [(f"x-{i:02}", "v" * (16000 // n - 8)) for i in range(n)]
    with seed().connect() as conn:
        conn.send(request_bytes("GET", "/pdns/query/" + "%61" * 4096, headers))
        eq(conn.response().status, 200)


@check("a head beyond all bounds is refused, in the library's own words: {0} bytes", rows=[50000, 200000, 1000000])
def beyond_bounds(size):
    for head in (b"GET /pdns/query/" + b"a" * size + b" HTTP/1.1\r\nhost: x\r\n\r\n",
                 b"GET /pdns/query/circl.lu HTTP/1.1\r\nhost: x\r\nx-big: " + b"a" * size + b"\r\n\r\n"):
        with seed().connect() as conn:
            try:
                conn.send(head)
            except ConnectionError:
                pass
            try:
                among(conn.response().status, (400, 413, 414, 431))
            except Fail:
                ok(conn.ended, "neither an answer nor the end")
    alive(seed())


@check("headers without end are 431 (or 400 or 413), one line of text: {0} bytes", rows=[17000, 30000])
def headers_too_long(size):
    with seed().connect() as conn:
        try:
            conn.send(b"GET /pdns/query/circl.lu HTTP/1.1\r\nhost: x\r\nx-big: " + b"a" * size + b"\r\n\r\n")
        except ConnectionError:
            pass
        try:
            answer = conn.response()
        except Fail:
            ok(conn.ended, "neither an answer nor the end")
            return
        error_body(answer, 431, 400, 413)
    alive(seed())


@check("a hundred small headers are no reason to fail, ten thousand may be")
def many_headers():
    eq(len(seed().get(PATH, [(f"x-{i}", "v") for i in range(100)]).lines), 8)
    with seed().connect() as conn:
        try:
            conn.send(request_bytes("GET", PATH, [(f"x-{i}", "v") for i in range(10000)]))
            among(conn.response().status, (200, 400, 413, 431))
        except (Fail, ConnectionError):
            pass
    alive(seed())


@check("a body with a GET is read past or refused, and the connection stays in step")
def get_with_body():
    with seed().connect() as conn:
        answer = conn.ask("GET", PATH, body=b"GET /evil HTTP/1.1\r\n\r\n")
        if answer.status == 200:
            eq(len(answer.lines), 8)
            if (answer.get("connection") or "").lower() != "close":
                eq(len(conn.ask("GET", PATH).lines), 8)
        else:
            error_body(answer, 400, 413)


@check("every kind of error is one line of text: {0}", rows=[
    ("GET", "/nothing", 404, ()), ("DELETE", PATH, 405, ()), ("GET", "/pdns/query/192.0.2.0/24", 400, ()),
    ("GET", PATH, 400, (("dribble-paginate-count", "0"),)), ("GET", PATH, 400, (("dribble-paginate-cursor", "x"),)),
    ("GET", PATH, 400, (("dribble-style", "x"),))])
def errors(method, path, status, headers):
    answer = error_body(seed().request(method, path, headers), status)
    eq(answer.get("server"), "dribble", answer)
    eq(int(answer.get("content-length")), len(answer.body), answer)


@check("an error names what was wrong: {1} in the answer", rows=[
    ((("dribble-paginate-count", "zero"),), "count"), ((("dribble-paginate-cursor", "x"),), "cursor"), ((("dribble-style", "x"),), "style")])
def named(headers, word):
    answer = seed().request("GET", PATH, headers)
    ok(word.encode() in answer.body.lower(), answer)


@check("a pagination header given twice does not crash: {0} and {1}", rows=[("5", "7"), ("5", "x")])
def twice(one, other):
    answer = seed().get(PATH, [("dribble-paginate-count", one), ("dribble-paginate-count", other)])
    if answer.status != 200:
        error_body(answer, 400)


@check("the client curl: {0}", rows=["--http1.1", "--http1.0", "--head", "--compressed", "--http2"])
def curl(option):
    ran = run(["curl", "-sS", "-i", option, seed().url(PATH)])
    eq(ran.code, 0, ran)
    ok(ran.out.startswith(b"HTTP/1."), ran)
    if option != "--head":
        eq(ran.out.count(b'"rrtype"'), 8, ran)


@check("forty clients at once get the same answer")
def many_clients():
    want, problems = seed().ask("cdn1.wixdns.net").body, []

    def client():
        try:
            with seed().connect() as conn:
                for _ in range(10):
                    got = conn.ask("GET", "/pdns/query/cdn1.wixdns.net")
                    if got.body != want:
                        problems.append(str(got))
        except Exception as error:
            problems.append(repr(error))
    threads = [threading.Thread(target=client) for _ in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ok(not problems, *problems[:3])


if __name__ == "__main__":
    main()
