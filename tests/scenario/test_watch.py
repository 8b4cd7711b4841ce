# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that a server watches: each finished file once, whatever happens."""
import gzip
import json
import os
import re
import shutil
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dribble  # noqa: E402
from dribble import *  # noqa: E402,F403
from dnstap import START, STOP, control, said  # noqa: E402


def info(server):
    answer = server.get("/info")
    eq(answer.status, 200, answer)
    return json.loads(answer.body)


def feeder(server, where):
    return next(f for f in info(server)["feeders"] if f["where"] == where)


def serve(folder=None, *args, store=None, **more):
    folder = folder or tempdir("watch")
    return Server(store or os.path.join(tempdir("store"), "db"), "--watch", folder, *args, **more), folder


def records(store):
    return {(r["rrname"], r["rrtype"], r["rdata"]): r["count"] for r in map(json.loads, cli("export", "--store", store).out.splitlines())}


def lines(prefix, n):
    return ndjson([cof(f"n{i}.{prefix}.watch.test", "A", "192.0.2.1") for i in range(n)])


def put(folder, name, data):
    """As one should: under another name first."""
    write(os.path.join(folder, name + ".tmp"), data)
    os.rename(os.path.join(folder, name + ".tmp"), os.path.join(folder, name))


def arrives(folder, where, name):
    path = os.path.join(folder, where, name)
    wait_for(lambda: os.path.exists(path), 20, f"{where}/{name}")
    return path


def left(folder):
    return sorted(n for n in os.listdir(folder) if n not in ("done", "failed"))


@check("a file that is {0} is imported and moved to done", rows=["renamed", "written in place", "there before", "compressed", "dnstap"])
def finished(how):
    folder, name, data = tempdir("watch"), "x.ndjson", lines("one", 20)
    if how == "compressed":
        name, data = "x.gz", gzip.compress(data)
    elif how == "dnstap":
        name, data = "x.tap", control(START) + b"".join(said(f"n{i}.one.watch.test") for i in range(20)) + control(STOP, None)
    if how == "there before":
        write(os.path.join(folder, name), data)
    server, _ = serve(folder)
    if how in ("renamed", "compressed", "dnstap"):
        put(folder, name, data)
    elif how == "written in place":
        write(os.path.join(folder, name), data)
    with open(arrives(folder, "done", name), "rb") as f:
        eq(f.read(), data)
    eq(server.ask("n19.one.watch.test", style="cof").records[0]["count"], 1)
    state = wait_for(lambda: feeder(server, folder) if feeder(server, folder)["messages"] else None)
    eq((state["kind"], state["messages"], state["failed"], state["observations"]), ("watch", 1, 0, 20), state)
    eq(left(folder), [])
    server.stop()
    eq(len(records(server.store)), 20)
    stats = cli("stats", "--store", server.store).out.decode()
    ok(re.search(rf"  {'sender.test' if how == 'dnstap' else 'watch:' + re.escape(folder)} +20 ", stats), stats)


@check("a file that is being written waits until it is closed")
def unfinished():
    folder = tempdir("watch")
    with open(os.path.join(folder, "slow"), "wb") as f:
        f.write(lines("slow", 10))
        f.flush()
        server, _ = serve(folder)
        put(folder, "zz", lines("other", 1))
        arrives(folder, "done", "zz")
        eq(left(folder), ["slow"], "the file that is open was taken")
        f.write(lines("slower", 10))
    arrives(folder, "done", "slow")
    server.stop()
    eq((len(records(server.store)), set(records(server.store).values())), (21, {1}))


@check("left alone: {0}", rows=[".hidden", "x.tmp", "x.part", "a folder", "a link", "a fifo"])
def left_alone(name):
    folder = tempdir("watch")
    path = os.path.join(folder, name)
    if name == "a folder":
        os.mkdir(path)
    elif name == "a link":
        os.symlink(temp("elsewhere", lines("link", 1)), path)
    elif name == "a fifo":
        os.mkfifo(path)
    else:
        write(path, lines("left", 1))
    server, _ = serve(folder)
    put(folder, "zz", lines("other", 1))
    arrives(folder, "done", "zz")
    put(folder, "zzz", lines("more", 1))
    arrives(folder, "done", "zzz")
    ok(os.path.lexists(path), f"{name} is gone")
    server.stop()
    eq(len(records(server.store)), 2)


@check("rejected lines are in done/FILE.rejects")
def rejects():
    server, folder = serve()
    put(folder, "bad", lines("bad", 3) + b"no line\n" + lines("worse", 2) + b'{"rrname": 5}\n')
    arrives(folder, "done", "bad")
    told = open(os.path.join(folder, "done", "bad.rejects")).read().splitlines()
    ok(len(told) == 2 and told[0].startswith("4: ") and told[0].endswith(": no line") and told[1].startswith("7: "), told)
    eq(feeder(server, folder)["rejected"]["malformed"], 2)
    eq((left(folder), sorted(os.listdir(os.path.join(folder, "done")))), ([], ["bad", "bad.rejects"]))
    server.stop()
    eq(len(records(server.store)), 5)


@check("a file that cannot be read goes to failed, with the reason: {0}", rows=["no format", "cut off gzip"])
def fails(what):
    server, folder = serve()
    put(folder, "bad", b"what is this\n" if what == "no format" else gzip.compress(lines("cut", 5000))[:-100])
    arrives(folder, "failed", "bad")
    said_ = wait_for(lambda: open(arrives(folder, "failed", "bad.error")).read(), 5)
    ok(("no known format" if what == "no format" else "cut off") in said_, said_)
    put(folder, "good", lines("good", 2))
    arrives(folder, "done", "good")
    state = feeder(server, folder)
    eq((state["failed"], state["messages"]), (1, 1), state)
    ok(state["error"], state)
    if what != "no format":  # the whole of it, later
        put(folder, "whole", lines("cut", 5000))
        arrives(folder, "done", "whole")
    eq(left(folder), [])
    server.stop()
    eq(set(records(server.store).values()), {1})
    eq(len(records(server.store)), 2 if what == "no format" else 5002)


@check("what is in already goes to done and is not counted; names in done are never written over")
def again():
    server, folder = serve()
    for name in ("a", "b", "a"):
        put(folder, name, lines("again", 10))
        wait_for(lambda: not left(folder), 20, "it is moved")
    put(folder, "a", lines("new", 1))
    arrives(folder, "done", "a.2")
    eq(sorted(os.listdir(os.path.join(folder, "done"))), ["a", "a.1", "a.2", "b"])
    server.stop()
    eq((len(records(server.store)), set(records(server.store).values())), (11, {1}))


@check("files are taken in the order of their names; several folders")
def order():
    one, two = tempdir("watch"), tempdir("watch")
    for i in (3, 1, 2, 0):
        write(os.path.join(one, f"f{i}"), lines(f"f{i}", 3))
    write(os.path.join(two, "x"), lines("two", 3))
    server = Server(os.path.join(tempdir("store"), "db"), "--watch", one, "--watch", two)
    arrives(two, "done", "x")
    arrives(one, "done", "f3")
    names = re.findall(rb"/(f\d) is in", server.err)
    wait_for(lambda: len(re.findall(rb"/(f\d) is in", server.err)) == 4, 5)
    eq(re.findall(rb"/(f\d) is in", server.err), [b"f0", b"f1", b"f2", b"f3"], names)
    server.stop()
    eq(len(records(server.store)), 15)


@check("a folder that is not there: the server does not start, and says which")
def no_folder():
    ran = cli("serve", "--store", "memory:", "--listen", "127.0.0.1:0", "--watch", "/nowhere/at/all", code=1)
    ok(b"/nowhere/at/all" in ran.err, ran)


@check("a folder that is {0} while the server runs is told once, found again, and goes on", rows=["removed and made anew", "renamed and made anew", "a link that leads elsewhere"])
def comes_back(how):
    real = tempdir("watch")
    folder = os.path.join(tempdir("parent"), "w") if how.startswith("a link") else real
    if folder != real:
        os.symlink(real, folder)
    server, _ = serve(folder)
    put(folder, "first", lines("first", 2))
    arrives(folder, "done", "first")
    if how.startswith("removed"):
        shutil.rmtree(folder)
        wait_for(lambda: feeder(server, folder)["connected"] == 0, 20, "it is seen to be gone")
        ok(folder in feeder(server, folder)["error"], feeder(server, folder))
        time.sleep(1.5)  # for another attempt, which must say nothing
        eq(server.err.count(b"is gone"), 1, server.err)
        os.mkdir(folder)
    elif how.startswith("renamed"):
        os.rename(folder, folder + ".old")
        os.mkdir(folder)
    else:
        os.unlink(folder)
        os.symlink(tempdir("other"), folder)
        put(real, "wakes", b"")
    put(folder, "second", lines("second", 3))
    arrives(folder, "done", "second")
    state = wait_for(lambda: feeder(server, folder) if feeder(server, folder)["observations"] == 5 else None)
    eq((state["connected"], state["connections"]), (1, 2), state)
    ok(b"is back" in server.err or b"another folder now" in server.err, server.err)
    put(folder, "third", lines("third", 1))  # and it is told of changes
    arrives(folder, "done", "third")
    server.stop()
    eq(len(records(server.store)), 6)


@check("done that was cleared away is made again")
def no_done():
    server, folder = serve()
    os.rmdir(os.path.join(folder, "done"))
    put(folder, "x", lines("x", 1))
    arrives(folder, "done", "x")
    server.stop()


@check("one folder by two paths is refused: {0}", rows=["a slash more", "a link"])
def same_folder(how):
    folder = tempdir("watch")
    other = folder + "/"
    if how == "a link":
        other = os.path.join(tempdir("links"), "l")
        os.symlink(folder, other)
    ran = cli("serve", "--store", "memory:", "--listen", "127.0.0.1:0", "--watch", folder, "--watch", other, code=1)
    ok(f'"{folder}" and "{other}" are the same folder'.encode() in ran.err, ran)


@check("a file that cannot be moved to {0} is told once, stays, and does not hold back the others", rows=["done", "failed"])
def not_moved(where):
    other, folder = "failed" if where == "done" else "done", tempdir("watch")
    good, bad = lines("good", 2), b"what is this\n"
    write(os.path.join(folder, where), b"in the way")
    server, _ = serve(folder)
    put(folder, "a", good if where == "done" else bad)
    wait_for(lambda: b"/a cannot be moved to " in server.err, 20, "it is told")
    for i in range(3):
        put(folder, f"z{i}", bad if where == "done" else good)
        arrives(folder, other, f"z{i}")
    eq(server.err.count(b"/a cannot be moved to "), 1, server.err)
    eq(left(folder), ["a"])
    state = feeder(server, folder)
    eq((state["messages"], state["failed"]), (0, 3) if where == "done" else (3, 0), state)
    server.stop()
    os.unlink(os.path.join(folder, where))
    server, _ = serve(folder, store=server.store)
    arrives(folder, where, "a")
    server.stop()
    eq(len(records(server.store)), 2)
    if where == "done":
        eq(set(records(server.store).values()), {1})


@check("a folder into which files of another are moved is refused: {0}", rows=["done", "failed", "in the other order"])
def moved_into(how):
    folder = tempdir("watch")
    inner = os.path.join(folder, "failed" if how == "failed" else "done")
    os.mkdir(inner)
    pair = [inner, folder] if how == "in the other order" else [folder, inner]
    ran = cli("serve", "--store", "memory:", "--listen", "127.0.0.1:0", "--watch", pair[0], "--watch", pair[1], code=1)
    ok(f'files of "{folder}" are moved to "{inner}"'.encode() in ran.err, ran)


def unreadable(server, folder):
    return feeder(server, folder)["rejected"].get("unreadable", 0)


@check("what cannot be taken is told once, counted, and the others are taken")
def not_taken():
    folder = tempdir("watch")
    os.symlink(temp("elsewhere", lines("link", 1)), os.path.join(folder, "a-link"))
    os.mkfifo(os.path.join(folder, "a-fifo"))
    os.mkdir(os.path.join(folder, "a-folder"))
    write(os.path.join(folder, "a" * 241), lines("long", 1))
    server, _ = serve(folder, "--feed-hold", "50ms")
    for i in range(3):
        put(folder, f"z{i}", lines(f"z{i}", 1))
        arrives(folder, "done", f"z{i}")
    for name, why in (("a-link", "symbolic links"), ("a-fifo", "no plain file"), ("a-folder", "not looked into"), ("a" * 241, "longer than 240")):
        eq(server.err.count(f"/{name} is not taken: ".encode()), 1, server.err)
        ok(why.encode() in server.err, server.err)
    eq(unreadable(server, folder), 4, feeder(server, folder))
    eq(left(folder), sorted(["a-link", "a-fifo", "a-folder", "a" * 241]))
    server.stop()
    stats = cli("stats", "--store", server.store).out.decode()
    ok("unreadable" in stats, stats)


@check("a file that may not be read is told once, and taken when it may")
def no_permission():
    folder, plain = tempdir("watch"), dribble.DRIBBLE
    write(os.path.join(folder, "secret"), lines("secret", 2))
    os.chmod(os.path.join(folder, "secret"), 0)
    if os.geteuid() == 0:  # without the powers that make modes mean nothing
        drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
        if not shutil.which("setpriv") or run([*drop, "cat", os.path.join(folder, "secret")]).code == 0:
            raise Skip("root cannot give up its power to read all")
        dribble.DRIBBLE = temp("dribble.sh", f"#!/bin/sh\nexec {' '.join(drop)} {plain} \"$@\"\n".encode())
        os.chmod(dribble.DRIBBLE, 0o755)
    try:
        server, _ = serve(folder)
    finally:
        dribble.DRIBBLE = plain
    for i in range(3):
        put(folder, f"z{i}", lines(f"z{i}", 1))
        arrives(folder, "done", f"z{i}")
    eq(server.err.count(b"/secret is not taken: Permission denied"), 1, server.err)
    eq(unreadable(server, folder), 1)
    os.chmod(os.path.join(folder, "secret"), 0o600)
    arrives(folder, "done", "secret")
    server.stop()
    eq(len(records(server.store)), 5)


@check("kill -9 at any time: each file counts once, rejects too")
def killed():
    dice = seeded()
    folder, store, want = tempdir("watch"), os.path.join(tempdir("store"), "db"), {}
    for round_ in range(8):
        name = f"r{round_}"
        n = dice.choice([10, 3000, 60000])
        put(folder, name, lines(name, n) + b"bad\n" + ndjson([cof("all.watch.test", "A", f"192.0.2.{round_}")]))
        want[name] = n
        server, _ = serve(folder, "--memory", "4M", store=store)  # so that a file takes several commits
        time.sleep(dice.random() ** 2 * 0.4)
        server.kill()
    server, _ = serve(folder, store=store)
    wait_for(lambda: not left(folder), 60, "all is moved")
    done = sorted(os.listdir(os.path.join(folder, "done")))
    eq([n for n in done if not n.endswith(".rejects")], sorted(want), done)
    s = next(s for s in info(server)["sensors"] if s["sensor_id"] == f"watch:{folder}")
    eq((s["count"], s["rejected"]["malformed"]), (sum(want.values()) + 8, 8), s)
    server.stop()
    found = records(store)
    eq((len(found), set(found.values())), (sum(want.values()) + 8, {1}))
    for name, n in want.items():
        told = open(os.path.join(folder, "done", name + ".rejects")).read()
        ok(re.fullmatch(rf"{n + 1}: .*: bad\n", told), name, told)
    cli("check", "--store", store)


@check("SIGTERM in the midst of a file: it stays, and goes on at the next start")
def stopped():
    folder, store = tempdir("watch"), os.path.join(tempdir("store"), "db")
    put(folder, "large", lines("large", 150000))
    server, _ = serve(folder, "--memory", "4M", store=store)
    server.stop()
    server, _ = serve(folder, store=store)
    arrives(folder, "done", "large")
    server.stop()
    found = records(store)
    eq((len(found), set(found.values())), (150000, {1}))


if __name__ == "__main__":
    main()
