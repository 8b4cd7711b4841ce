# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any instant, or the power gone: the store opens, checks, holds whole commits and all that was acknowledged;
what is given again is counted once, and in the end the store is that of an undisturbed run, octet by octet.

A death is at a call that changes a file (before it, halfway through a write, behind it), or after a random time. In a world whose
power fails, what was not synced is taken away besides.
"""
import gzip
import os
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from crash import *  # noqa: E402,F403
from dribble import Conn, Server, check, cli, main, once, request_bytes, run, temp, wait_for  # noqa: E402

DEATHS = [DIE_BEFORE, DIE_HALFWAY, DIE_HALFWAY, DIE_AFTER]


def zstd(data):
    return run(["zstd", "-q", "-c"], stdin=data).out


# ---------------------------------------------------------------- dribble import

class Imports:
    """A feed and the command that takes it in."""

    def __init__(self, feed, template=None, memory="1M", pack=None, by="name", rejects=False):
        self.feed, self.template, self.memory, self.by, self.rejects = feed, template, memory, by, rejects
        self.given = [s for s in feed.sources.values() if not s.name.startswith("t")]
        self.files = [temp(s.name + ".packed", pack(s.bytes)) if pack else s.path for s in self.given]
        with World(template) as w:
            w.begin()
            w.plan()
            began = time.monotonic()
            ran = self.run(w, codes=(0, 3))
            self.took, self.calls = time.monotonic() - began, w.calls
            eq(look(w.store, ran), feed.export, "an undisturbed run")
            self.rejected = self.read_rejects(w)

    def run(self, w, after=None, codes=(0, 3, -9)):
        args = ["import", "--store", w.store, "--memory", self.memory]
        if self.rejects:
            args += ["--rejects", os.path.join(w.root, "rejects")]
        faults = None if after is not None else w
        if self.by == "redirection":
            return attempt(args, faults, after, stdin=self.files[0], codes=codes)
        if self.by == "pipe":
            with open(self.files[0], "rb") as f:
                return attempt([*args, "-"], faults, after, stdin=f.read(), codes=codes)
        return attempt([*args, *self.files], faults, after, codes=codes)

    def read_rejects(self, w):
        path = os.path.join(w.root, "rejects")
        if not os.path.exists(path):
            return b""
        with open(path, "rb") as f:
            return f.read()


def die_in_import(rng, imports, w):
    """One death. Returns how, or None when the import came to its end before."""
    w.begin()
    if rng.random() < 0.2:
        after = rng.random() * imports.took
        ran = imports.run(w, after=after)
        return ran, ran.code == -9 and f"killed after {after:.3f} s"
    at, action = rng.randrange(1, imports.calls + 1), rng.choice(DEATHS)
    w.plan(action, at)
    ran = imports.run(w)
    how = f"action {action} at call {at}\n{w.told()}"
    if ran.code == -9 and rng.random() < 0.5:
        how = w.fail_power(rng) + ", " + how
    return ran, ran.code == -9 and how


def acknowledged(ran, feed):
    """What an import said that it had taken in."""
    return [s for s in feed.sources.values() if re.search(rb"/%s\.(ndjson|packed): \d+ observations," % s.name.encode(), ran.err)]


def kill_imports(i, rng, imports):
    feed, power = imports.feed, False
    with World(imports.template) as w:
        before = {name: len(s.own) if name.startswith("t") else 0 for name, s in feed.sources.items()}
        hows = []
        for _ in range(rng.randrange(1, 4)):
            ran, how = die_in_import(rng, imports, w)
            if not how:
                break
            hows.append(how)
            power = power or how.startswith("power")
            told = said_how(i, "\n".join(hows))
            if not (os.path.exists(os.path.join(w.store, "rocksdb", "CURRENT")) or any(before.values())):
                continue  # there is no store yet
            state = feed.state(look_again(w.store, told, before))
            ok(all(state[n] >= before[n] for n in state), f"lost: {before}, now {state}", told)
            for s in acknowledged(ran, feed):
                eq(state[s.name], len(s.own), f"{s.name} was acknowledged", told)
            before = state
        told = said_how(i, "\n".join(hows))
        w.plan()
        ran = imports.run(w, codes=(0, 3))
        ok(look(w.store, told) == feed.export, "the export differs in the end", told, ran)
        if not power:
            eq(imports.read_rejects(w), imports.rejected, "rejects", told)
        return len(hows)


def look_again(store, told, before):
    """A store that was being made when the end came is told as none."""
    if not any(before.values()):
        ran = cli("check", "--store", store, code=(0, 1))
        if ran.code == 1 and b"no store" in ran.err:
            return b""
    return look(store, told)


@once
def small():
    return Feed(Source("s1", 12000, bad=True))


@once
def several():
    """The second begins like the first, for longer than the octets by which files are told apart at first; the third is short."""
    return Feed(Source("s1", 9000), Source("s2", 9000), Source("s3", 30))


@once
def many_tables():
    return Feed(*(Source(f"t{n}", 12000) for n in range(3)), Source("s1", 24000), import_args=["--memory", "8M"])


@once
def tables_template():
    store = os.path.join(tempdir("template"), "db")
    for name in ("t0", "t1", "t2"):
        cli("import", "--store", store, "--memory", "8M", many_tables().sources[name].path)
    eq(len(os.listdir(os.path.join(store, "tables"))), 3)
    return store


WAYS = {
    "plain": lambda: Imports(small(), rejects=True),
    "gzip": lambda: Imports(small(), pack=gzip.compress, rejects=True),
    "zstd": lambda: Imports(small(), pack=zstd),
    "several files": lambda: Imports(several()),
    "standard input redirected": lambda: Imports(small(), by="redirection", rejects=True),
    "standard input from a pipe": lambda: Imports(small(), by="pipe"),
    "tables that are merged": lambda: Imports(many_tables(), tables_template(), memory="5M"),
}


@check("dribble import, killed and given again: {0}", rows=[*WAYS])
def imports_killed(way):
    imports, deaths = WAYS[way](), 0
    for i, rng in Budget(way, 3, 40):
        try:
            deaths += kill_imports(i, rng, imports)
        except Fail as fail:
            raise Fail(said_how(i, way), fail)
    print(f"# {deaths} deaths")


# ---------------------------------------------------------------- dribble compact

@once
def parts():
    return Feed(*(Source(f"t{n}", [12000, 300][n % 2]) for n in range(6)), import_args=["--memory", "8M"])


@once
def parts_template():
    """Tables, and fresh rows in RocksDB."""
    store = os.path.join(tempdir("template"), "db")
    for s in parts().sources.values():
        cli("import", "--store", store, "--memory", "8M", s.path)
    return store


class Compacting:
    def __init__(self):
        with World(parts_template()) as w:
            w.begin()
            w.plan()
            began = time.monotonic()
            ran = self.run(w, None, (0,))
            self.took, self.calls = time.monotonic() - began, w.calls
            eq(look(w.store, ran), parts().export, "an undisturbed run")
            eq(len(os.listdir(os.path.join(w.store, "tables"))), 1, "tables in the end")

    @staticmethod
    def run(w, after=None, codes=(0, -9)):
        return attempt(["compact", "--store", w.store], w if after is None else None, after, codes=codes)


def kill_compacting(i, rng, compacting):
    """Whatever becomes of it, all that was there is there."""
    hows = []
    with World(parts_template()) as w:
        for _ in range(rng.randrange(1, 4)):
            w.begin()
            if rng.random() < 0.2:
                after = rng.random() * compacting.took
                ran, how = compacting.run(w, after), f"killed after {after:.3f} s"
            else:
                at, action = rng.randrange(1, compacting.calls + 1), rng.choice(DEATHS)
                w.plan(action, at)
                ran, how = compacting.run(w), f"action {action} at call {at}"
                how += "\n" + w.told()
                if ran.code == -9 and rng.random() < 0.5:
                    how = w.fail_power(rng) + ", " + how
            if ran.code == 0:
                break
            hows.append(how)
            ok(look(w.store, "\n".join(hows)) == parts().export, "the export differs", *hows)
        w.plan()
        compacting.run(w, None, (0,))
        ok(look(w.store, "\n".join(hows)) == parts().export, "the export differs in the end", *hows)
        eq(len(os.listdir(os.path.join(w.store, "tables"))), 1, "tables in the end", *hows)
    return len(hows)


@check("dribble compact, killed and given again")
def compacting_killed():
    compacting, deaths = Compacting(), 0
    for i, rng in Budget("compact", 3, 40):
        try:
            deaths += kill_compacting(i, rng, compacting)
        except Fail as fail:
            raise Fail(said_how(i, "compact"), fail)
    print(f"# {deaths} deaths")


# ---------------------------------------------------------------- dribble serve

class Posts:
    """Bodies that two clients post, each until it is answered 200: under its own idempotency key, or once only without one."""

    def __init__(self, feed, template=None, options=(), settle=None):
        self.feed, self.template, self.options, self.settle = feed, template, options, settle
        self.bodies = [s for s in feed.sources.values() if not s.name.startswith("t")]
        self.keyed = {s.name for n, s in enumerate(self.bodies) if n % 5 != 4}
        with World(template) as w:
            w.begin()
            w.plan()
            began = time.monotonic()
            server, acked = self.serve(w, set(), set())
            self.took = time.monotonic() - began
            server.stop()
            self.calls = w.calls
            eq(acked, {s.name for s in self.bodies}, "an undisturbed run", server.err)
            eq(look(w.store, "undisturbed"), feed.export, "an undisturbed run")

    def serve(self, w, done, tried, after=None):
        """A server, and the names of what it acknowledged, until all is or it is dead."""
        server = Server(w.store, *self.options, env=w.env if after is None else {}, expect_start=False)
        killer = threading.Timer(after, server.process.kill) if after is not None else None
        if killer:
            killer.start()
        server.ready.wait(20 * SLOW)
        acked = set()
        if server.port is not None:
            todo = [s for s in self.bodies if s.name not in done and (s.name in self.keyed or s.name not in tried)]
            threads = [threading.Thread(target=self.post, args=(server, todo[n::2], acked, tried)) for n in (0, 1)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            if self.settle:
                wait_for(lambda: server.process.poll() is not None or self.settle(w.store), 30, "merges come to an end")
        if killer:
            killer.cancel()
        return server, acked

    def post(self, server, bodies, acked, tried):
        try:
            with server.connect(timeout=30) as conn:
                for s in bodies:
                    tried.add(s.name)
                    headers = {"idempotency-key": s.name} if s.name in self.keyed else {}
                    answer = conn.ask("POST", "/pdns/import", headers, s.bytes)
                    if answer.status == 200 and answer.complete:
                        eq(json.loads(answer.body)["rejected"], 0, answer)
                        acked.add(s.name)
        except (Fail, OSError):
            pass  # it is dead, as it should be


def kill_posts(i, rng, posts):
    with World(posts.template) as w:
        acked, tried, hows = {n for n in posts.feed.sources if n.startswith("t")}, set(), []
        for _ in range(rng.randrange(1, 4)):
            w.begin()
            at, action = rng.randrange(1, posts.calls + 1), rng.choice(DEATHS)
            after = rng.random() * posts.took if rng.random() < 0.2 else None
            w.plan(action, at)
            server, now = posts.serve(w, acked, tried, after)
            acked |= now
            if server.process.poll() is None:
                server.signal()
            code = server.wait()
            ok(code in (0, -9) and not SANITIZER.search(server.err), f"exit {code}", server.err)
            if code == 0:
                break
            hows.append(f"killed after {after:.3f} s" if after is not None else f"action {action} at call {at}\n{w.told()}")
            if after is None and rng.random() < 0.5:
                hows.append(w.fail_power(rng))
            told = said_how(i, "\n".join(hows))
            if not acked and not os.path.exists(os.path.join(w.store, "rocksdb", "CURRENT")):
                continue
            state = posts.feed.state(look_again(w.store, told, {n: 1 for n in acked}))
            ok(all(state[n] for n in acked), "acknowledged and lost:", [n for n in acked if not state[n]], told)
            acked |= {n for n in state if state[n] and n not in posts.keyed}
        told = said_how(i, "\n".join(hows))
        w.plan()
        server, now = posts.serve(w, acked, set())
        server.stop()
        eq(acked | now, set(posts.feed.sources), "not all was acknowledged in the end", told)
        ok(look(w.store, told) == posts.feed.export, "the export differs in the end", told)
        return sum(not h.startswith("power") for h in hows)


@once
def small_bodies():
    return Feed(*(Source(f"b{n}", n % 7 + 1) for n in range(60)), whole=True)


@once
def mixed_bodies():
    return Feed(*(Source(f"b{n}", [3, 400, 2000, 11000][n % 4]) for n in range(8)), whole=True)


@once
def bodies_and_tables():
    return Feed(*(Source(f"t{n}", 12000) for n in range(3)), *(Source(f"b{n}", [12000, 5][n % 2]) for n in range(4)),
                whole=True, import_args=["--memory", "8M"])


@once
def bodies_template():
    store = os.path.join(tempdir("template"), "db")
    for name in ("t0", "t1", "t2"):
        cli("import", "--store", store, "--memory", "8M", bodies_and_tables().sources[name].path)
    return store


def merged(store):
    return len(os.listdir(os.path.join(store, "tables"))) < 4


POSTS = {
    "many small bodies": lambda: Posts(small_bodies()),
    "small and large bodies, some in several batches": lambda: Posts(mixed_bodies(), options=["--memory", "1M"]),
    "bodies that become tables, which are merged": lambda: Posts(bodies_and_tables(), bodies_template(), settle=merged),
}


@check("dribble serve, killed and given again: {0}", rows=[*POSTS])
def posts_killed(way):
    posts, deaths = POSTS[way](), 0
    for i, rng in Budget(way, 3, 40):
        try:
            deaths += kill_posts(i, rng, posts)
        except Fail as fail:
            raise Fail(said_how(i, way), fail)
    print(f"# {deaths} deaths")


if __name__ == "__main__":
    main()
