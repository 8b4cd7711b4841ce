# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, stopping, restarting: nothing that was answered is lost, nothing is cut in half."""
import subprocess
import threading
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403


FILLER = " ".join(f'"{"x" * 250}"' for _ in range(8))


@once
def heavy_store():
    rows = [cof("heavy.test", "TXT", f'"{i:05d}" {FILLER}') for i in range(6000)]
    return store_of(temp("heavy.ndjson", ndjson(rows)))


@check("SIGTERM during an answer finishes it, then the server is gone with exit 0: {0}", rows=["content-length or chunked", "paged"])
def term_during_answer(how):
    server = Server(heavy_store(), "--maxset", 100000)
    conn = server.connect(rcvbuf=4096)
    conn.send(request_bytes("GET", "/pdns/query/heavy.test", {"dribble-paginate-count": 6000} if how == "paged" else {}))
    while len(conn.buffer) < 2000:
        ok(conn.more(), "closed early")
    began = time.monotonic()
    server.signal()
    wait_for(lambda: refused(server), 5, "the listening socket closes")
    answer = conn.response()
    ok(answer.complete, "the answer was cut short", answer.head)
    eq(len(clean_body(answer).lines), 6000)
    conn.close()
    eq(server.wait(10), 0, server.err[-1000:])
    ok(time.monotonic() - began < 10 * SLOW, "took too long")


def refused(server):
    try:
        server.connect(timeout=1).close()
        return server.process.poll() is not None
    except OSError:
        return True


@check("SIGTERM with a client that never reads: gone within 10 s all the same")
def term_stuck_client():
    server = Server(heavy_store(), "--maxset", 100000)
    conn = server.connect(rcvbuf=4096)
    conn.send(request_bytes("GET", "/pdns/query/heavy.test"))
    conn.more(100)
    began = time.monotonic()
    server.signal()
    code = server.wait(12)
    took = time.monotonic() - began
    conn.close()
    ok(took <= 10.5 * SLOW, f"took {took:.1f} s")
    eq(code, 0, server.err[-1000:])


@check("SIGTERM under load: gone within 10 s with exit 0, and what was acknowledged is there")
def under_load():
    server = Server(tempdir("store") + "/db", "--memory", "64M")
    server.feed([cof("hub.load.test", "A", f"192.0.2.{i}") for i in range(250)])
    acknowledged, stopped = set(), threading.Event()

    def ask():
        while not stopped.is_set():
            try:
                with server.connect(timeout=15) as conn:
                    while not stopped.is_set():
                        conn.ask("GET", "/pdns/query/hub.load.test")
            except (OSError, Fail):
                pass

    def feed(n):
        i = 0
        while not stopped.is_set():
            i += 1
            rows = ndjson([cof(f"n{n}-{i}-{j}.load.test", "A", "198.51.100.1") for j in range(3000 if i % 3 else 3)])
            try:
                if server.request("POST", "/pdns/import", {}, rows).status == 200:
                    acknowledged.add(f"n{n}-{i}-0.load.test")
            except (OSError, Fail):
                pass

    threads = [threading.Thread(target=ask) for _ in range(4)] + [threading.Thread(target=feed, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(acknowledged) >= 12, what="a dozen imports")
    server.stop()
    stopped.set()
    for thread in threads:
        thread.join()
    there = {json.loads(line)["rrname"] for line in cli("export", "--store", server.store).out.splitlines()}
    eq(acknowledged - there, set())


@check("SIGTERM with idle connections: gone at once")
def term_idle():
    server = Server("memory:")
    conns = [server.connect() for _ in range(10)]
    eq(conns[0].ask("GET", "/pdns/query/x.test").status, 200)
    began = time.monotonic()
    server.signal()
    eq(server.wait(12), 0, server.err[-1000:])
    ok(time.monotonic() - began < 5 * SLOW, f"took {time.monotonic() - began:.1f} s")


@check("SIGINT stops the server as well")
def sigint():
    server = Server("memory:")
    server.signal(signal.SIGINT)
    eq(server.wait(12), 0, server.err[-1000:])


@check("SIGTERM right after an import was answered: it is there after the restart")
def restart():
    server = Server(os.path.join(tempdir(), "db"))
    for i in range(50):
        server.feed([cof("kept.test", "A", "192.0.2.1"), cof(f"{i}.kept.test", "A", "192.0.2.2")])
    before = server.ask("192.0.2.2").body
    server.stop()
    again = Server(server.store)
    eq([r["count"] for r in again.ask("kept.test").records], [50])
    eq(again.ask("192.0.2.2").body, before)
    again.stop()


@check("kill -9 while imports arrive: what was answered 200 counts, exactly once, and both directions agree")
def kill9():
    store = os.path.join(tempdir(), "db")
    answered, tried = 0, 0
    for generation in range(3):
        server = Server(store)
        count = sum(r["count"] for r in server.ask("nine.test").records)
        ok(answered <= count <= tried, f"generation {generation}: {count} counted, {answered} answered, {tried} tried")
        answered = tried = count
        for i in range(20):
            server.feed([cof("nine.test", "A", "192.0.2.9")] + [cof(f"{i}.nine.test", "NS", f"ns{generation}.nine.test")])
            answered, tried = answered + 1, tried + 1
        with server.connect() as conn:
            body = ndjson([cof("nine.test", "A", "192.0.2.9")])
            conn.send(request_bytes("POST", "/pdns/import", {}, body))
            tried += 1
            server.kill()
    server = Server(store)
    for i in range(20):
        by_owner = {(r["rrname"], r["rdata"], r["count"]) for r in server.ask(f"{i}.nine.test", style="cof").records}
        by_data = {(r["rrname"], r["rdata"], r["count"]) for g in range(3) for r in server.ask(f"ns{g}.nine.test", style="cof").records
                   if r["rrname"] == f"{i}.nine.test"}
        eq(by_owner, by_data)
        eq(len(by_owner), 3)
    server.stop()
    cli("check", "--store", store)


@check("two servers on one store: the second says so and exits 1")
def two_servers():
    server = Server(os.path.join(tempdir(), "db"))
    ran = cli("serve", "--store", server.store, "--listen", "127.0.0.1:0", code=1, timeout=15)
    ok(re.search(rb"in use|lock|held|another|already", ran.err, re.I), "no clear message", ran)
    eq(server.ask("x.test").body, b"", "the first goes on")
    server.stop()


@check("a port that is taken: a clear message and exit 1")
def port_taken():
    server = Server("memory:")
    ran = cli("serve", "--store", "memory:", "--listen", f"127.0.0.1:{server.port}", code=1, timeout=15)
    ok(str(server.port).encode() in ran.err, ran)
    server.stop()


@check("a store that cannot be opened: a clear message and exit 1: {0}", rows=["a file", "no parent", "unknown scheme"])
def bad_store(kind):
    store = {"a file": temp("plain", b"not a store"), "no parent": "/proc/nowhere/db", "unknown scheme": "oracle:whatever"}[kind]
    ran = cli("serve", "--store", store, "--listen", "127.0.0.1:0", code=(1, 2), timeout=15)
    ok(ran.err.strip() and b"listening on" not in ran.err, ran)


@check("a listen address that is none is refused: {0}", rows=["nonsense", "127.0.0.1:99999", "300.1.1.1:80"])
def bad_listen(listen):
    process = subprocess.Popen([DRIBBLE, "serve", "--store", "memory:", "--listen", listen], stderr=subprocess.PIPE)
    try:
        err = process.communicate(timeout=15 * SLOW)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Fail(f"--listen {listen} was taken")
    among(process.returncode, (1, 2), err)
    ok(err.strip(), "nothing on stderr")


@check("the rocksdb: scheme and the bare path are the same store")
def scheme():
    store = store_of(SEED)
    server = Server("rocksdb:" + store)
    eq(len(server.ask("circl.lu").lines), 8)
    server.stop()


if __name__ == "__main__":
    main()
