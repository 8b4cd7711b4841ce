# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes in live, while calls of the system fail or the server is killed: each observation of dnstap is counted once, or not at
all when its server died before it was durable; files of a watched folder are in once, whatever happens.
"""
import errno
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from crash import *  # noqa: E402,F403
from dnstap import Sender, said  # noqa: E402
from dribble import Server, check, cli, cof, main, ndjson, once, wait_for  # noqa: E402

DEATHS = [DIE_BEFORE, DIE_HALFWAY, DIE_AFTER]
FRAMES, BATCH = 400, 20


def plan_failure(w, rng, calls):
    at = rng.randrange(1, calls + 1)
    if rng.random() < 0.3:
        w.plan(FAIL, at, FOR_EVER, errno.ENOSPC, GROWING)
        return f"no room from call {at} on"
    action, error = rng.choice([FAIL, FAIL_HALFWAY]), rng.choice([errno.EIO, errno.ENOSPC])
    w.plan(action, at, error=error)
    return f"{os.strerror(error)} at call {at}, action {action}"


def counts(store):
    return {r["rrname"]: r["count"] for r in map(json.loads, cli("export", "--store", store).out.splitlines())}


def put_file(folder, name, n):
    lib.write(os.path.join(folder, "." + name), ndjson([cof(f"n{i}.{name}.live.test", "A", "192.0.2.1") for i in range(n)]))
    os.rename(os.path.join(folder, "." + name), os.path.join(folder, name))


# ---------------------------------------------------------------- dnstap

class Tap:
    """A server in a world, and what a sender says to it: each name once, and one name in each batch."""

    def __init__(self, w):
        self.w = w
        self.path = os.path.join(tempdir("tap"), "s")
        self.server = Server(w.store, "--dnstap-unix", self.path, "--feed-hold", "5ms", env=w.env)

    def send(self):
        """False when the other side has gone."""
        try:
            sender = Sender(self.path)
            for i in range(0, FRAMES, BATCH):
                sender.send(b"".join(said(f"n{j}.live.test") for j in range(i, i + BATCH)) + said("all.live.test"))
                time.sleep(0.002)  # so that it becomes several commits
            sender.end()
            return True
        except (Fail, OSError):
            return False

    def has_all(self):
        return self.seen("all.live.test") == FRAMES // BATCH and self.seen(f"n{FRAMES - 1}.live.test") == 1

    def all_in(self):
        wait_for(self.has_all, 30, "all that was sent is in")

    def seen(self, name):
        return sum(r["count"] for r in self.server.ask(name, style="cof").records)


WHOLE = {f"n{i}.live.test": 1 for i in range(FRAMES)} | {"all.live.test": FRAMES // BATCH}


@once
def tap_calls():
    with World() as w:
        tap = Tap(w)
        w.plan()
        ok(tap.send(), "it hung up")
        tap.all_in()
        calls = w.calls
        tap.server.stop()
        eq(counts(w.store), WHOLE)
        return calls


@check("dnstap: calls fail, and what was received is stored once all the same")
def tap_fails():
    fired = 0
    for i, rng in Budget("dnstap fails", 6, 2 * tap_calls()):
        with World() as w:
            tap = Tap(w)
            how = plan_failure(w, rng, tap_calls())
            try:
                ok(tap.send(), "it hung up")
                wait_for(lambda: w.fired or tap.has_all(), 30, "something happens")
                fired += w.fired > 0
                w.plan()
                tap.all_in()
                tap.server.stop()
                eq(counts(w.store), WHOLE)
                cli("check", "--store", w.store)
            except Fail as fail:
                raise Fail(said_how(i, how), fail, w.told(), tap.server.err.decode("utf-8", "replace")[-2000:])
    ok(fired, "no call failed")
    print(f"# {fired} failures")


@check("dnstap: a server is killed, and what could be asked for is there, and counted once")
def tap_killed():
    deaths = 0
    for i, rng in Budget("dnstap killed", 5, 40):
        with World() as w:
            tap = Tap(w)
            w.begin()
            at, action = rng.randrange(1, tap_calls() + 1), rng.choice(DEATHS)
            w.plan(action, at)
            visible = set()
            tap.send()
            if tap.server.process.poll() is None:
                try:
                    visible = {f"n{j}.live.test" for j in range(0, FRAMES, 37) if tap.seen(f"n{j}.live.test")}
                    time.sleep(0.02)
                except (Fail, OSError):
                    pass
            if tap.server.process.poll() is None:
                tap.server.process.kill()
            tap.server.wait()
            deaths += 1
            how = said_how(i, f"action {action} at call {at}")
            if rng.random() < 0.5:
                how += w.fail_power(rng)
            w.plan()
            look(w.store, how)
            found = counts(w.store)
            ok(all(found[name] <= WHOLE[name] for name in found), "counted twice", how, found)
            ok(visible <= set(found), "it was there, and is not", how, visible - set(found))
    print(f"# {deaths} deaths")


# ---------------------------------------------------------------- watched folders

@once
def files():
    return Feed(Source("s1", 9000), Source("s2", 30), Source("s3", 3000))


class Watched:
    def __init__(self, w):
        self.w, self.folder = w, os.path.join(w.root, "in")
        os.mkdir(self.folder)
        for s in files().sources.values():
            shutil.copyfile(s.path, os.path.join(self.folder, s.name))
        w.begin()

    def start(self):
        self.server = Server(self.w.store, "--watch", self.folder, "--memory", "64M", env=self.w.env, expect_start=False)
        self.server.ready.wait(20 * SLOW)

    def is_done(self):
        done = os.path.join(self.folder, "done")
        return os.path.isdir(done) and not [n for n in os.listdir(self.folder) if n.startswith("s")] and len(os.listdir(done)) >= len(files().sources)

    def wait(self):
        wait_for(lambda: self.is_done() or self.server.process.poll() is not None, 40, "all files are done")

    def told(self):
        here = {folder: names for folder, _, names in os.walk(self.folder)}
        return f"{here}\n{self.w.told()}\n{self.server.err.decode('utf-8', 'replace')[-2000:]}"

    def finish(self):
        eq(sorted(os.listdir(os.path.join(self.folder, "done"))), sorted(files().sources), self.told())
        ok(look(self.w.store, self.told()) == files().export, "the export differs in the end", self.told())


@once
def watch_calls():
    with World() as w:
        watched = Watched(w)
        w.plan()
        watched.start()
        watched.wait()
        calls = w.calls
        watched.server.stop()
        watched.finish()
        return calls


@check("a watched folder: calls fail, and each file is in once")
def watching_fails():
    fired = 0
    for i, rng in Budget("watched folder fails", 6, 2 * watch_calls()):
        with World() as w:
            watched = Watched(w)
            how = plan_failure(w, rng, watch_calls())
            try:
                watched.start()
                wait_for(lambda: w.fired or watched.is_done() or watched.server.process.poll() is not None, 20, "something happens")
                time.sleep(rng.random() * 0.3)
                fired += w.fired > 0
                w.plan()
                if watched.server.process.poll() is not None:
                    eq(watched.server.wait(), 1, watched.server.err)
                    watched.start()
                watched.wait()
                watched.server.stop()
                watched.finish()
            except Fail as fail:
                raise Fail(said_how(i, how), fail, watched.told())
    ok(fired, "no call failed")
    print(f"# {fired} failures")


@check("a watched folder: the server is killed, and each file is in once")
def watching_killed():
    deaths = 0
    for i, rng in Budget("watched folder killed", 5, 40):
        with World() as w:
            watched, hows = Watched(w), []
            for _ in range(rng.randrange(1, 4)):
                at, action = rng.randrange(1, watch_calls() + 1), rng.choice(DEATHS)
                w.plan(action, at)
                watched.start()
                watched.wait()
                if watched.server.process.poll() is None:
                    watched.server.signal()
                if watched.server.wait() == 0:
                    break
                deaths += 1
                hows.append(f"action {action} at call {at}\n{watched.told()}")
            w.plan()
            try:
                watched.start()
                watched.wait()
                watched.server.stop()
                watched.finish()
            except Fail as fail:
                raise Fail(said_how(i, *hows), fail, watched.told())
    print(f"# {deaths} deaths")


@check("folders: while the disk is full a file is tried again after pauses only")
def pauses():
    with World() as w:
        folder = tempdir("in")
        server = Server(w.store, "--watch", folder, env=w.env)
        w.plan(FAIL, 1, FOR_EVER, errno.ENOSPC, GROWING)
        put_file(folder, "x", 3)
        wait_for(lambda: b"/x cannot be stored" in server.err, 20, "it fails")
        seen, end = set(), time.monotonic() + 1.5
        while time.monotonic() < end:
            seen.add(os.stat(os.path.join(folder, ".x.rejects")).st_atime_ns)
            seen.add(w.fired)
            time.sleep(0.005)
        ok(len(seen) < 40, f"{len(seen)} changes in 1.5 s: it does not pause")
        w.plan()
        wait_for(lambda: os.path.exists(os.path.join(folder, "done", "x")), 30, "it is in")
        server.stop()
        eq(set(counts(w.store).values()), {1})


@check("folders: a file that cannot be read in the middle does not hold back the others")
def unreadable():
    with World() as w:
        folder = os.path.join(w.root, "in")
        os.mkdir(folder)
        put_file(folder, "a", 3)
        put_file(folder, "b", 3)
        w.plan(FAIL, 1, 1, errno.EIO, READ)
        server = Server(os.path.join(tempdir("store"), "db"), "--watch", folder, "--feed-hold", "50ms", env={**w.env, "FAULTS_ROOT": folder})
        for name in "bc":
            wait_for(lambda: os.path.exists(os.path.join(folder, "done", name)), 20, f"{name} is in")
            if name == "b":
                put_file(folder, "c", 3)
        ok(os.path.exists(os.path.join(folder, "a")), "it was moved")
        eq(server.err.count(b"/a is not taken: "), 1, server.err)
        told = json.loads(server.get("/info").body)["feeders"][0]
        eq((told["messages"], told["failed"], told["rejected"].get("unreadable")), (2, 0, 1), told)
        ok("Input/output error" in told["error"], told)
        server.stop()
        server = Server(server.store, "--watch", folder)
        wait_for(lambda: os.path.exists(os.path.join(folder, "done", "a")), 20, "a is in")
        server.stop()
        eq(set(counts(server.store).values()), {1})


if __name__ == "__main__":
    main()
