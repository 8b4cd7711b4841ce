# SPDX-License-Identifier: GPL-3.0-or-later
"""A call of the operating system fails, once or until there is room again: what fails is told, nothing that was acknowledged is
missing, and what is given again leads to the store of an undisturbed run, octet by octet.

Each write, sync, rename, and so on of a command is a point. By default some are tried, with DRIBBLE_CRASH=all every one.
"""
import errno
import os
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from crash import *  # noqa: E402,F403
from dribble import Server, among, check, cli, main, once, run, wait_for  # noqa: E402

ERRORS = [errno.EIO, errno.ENOSPC]


def points(name, calls, seconds):
    """(number, random numbers) of calls: all of them, or a few for each part of a run."""
    order = list(range(1, calls + 1))
    random.Random(f"{Budget.seed}/{name}").shuffle(order)
    for i, rng in Budget(name, seconds, calls, least=3):
        yield i, order[i], rng


def plan(w, at, rng):
    """One call fails, or all that make a disk fuller from it on. Returns how, for people."""
    action, error = rng.choice([FAIL, FAIL, FAIL_HALFWAY]), rng.choice(ERRORS)
    if rng.random() < 0.25:
        w.plan(FAIL, at, FOR_EVER, errno.ENOSPC)
        return f"no room from call {at} on"
    w.plan(action, at, error=error)
    return f"{os.strerror(error)} at call {at}, action {action}"


def is_told(ran, w):
    """A command that ends with 1 says why, and where."""
    text = ran.err.decode("utf-8", "replace")
    ok(re.search(r"No space left|[Ii]nput/output error|no room|needs \d+ octets of room", text), "it does not say why", ran, w.told())
    ok(w.root in text, "it names no file", ran, w.told())


# ---------------------------------------------------------------- dribble import and compact

class Command:
    """What is done to a copy of a template, and what it must come to."""

    def __init__(self, args, feed, template=None, files=()):
        self.args, self.feed, self.template, self.files = args, feed, template, files
        with World(template) as w:
            w.begin()
            w.plan()
            ran = self.run(w, (0,))
            self.calls = w.calls
            eq(look(w.store, ran), feed.export, "an undisturbed run")

    def run(self, w, codes):
        return attempt([self.args[0], "--store", w.store, *self.args[1:], *self.files], w, codes=codes)


def fail_command(command, at, rng):
    with World(command.template) as w:
        w.begin()
        how = plan(w, at, rng)
        ran = command.run(w, (0, 1))
        how = f"{how}\n{w.told()}\n{ran}"
        if ran.code == 1:
            is_told(ran, w)
        fired = w.fired
        w.plan()
        if ran.code == 0:
            ok(look(w.store, how) == command.feed.export, "it said that all is well", how)
        elif os.path.exists(os.path.join(w.store, "rocksdb", "CURRENT")):
            command.feed.state(look_if_any(w.store, how))
        again = command.run(w, (0,))
        ok(look(w.store, how) == command.feed.export, "the export differs in the end", how, again)
        return fired


def look_if_any(store, how):
    ran = cli("check", "--store", store, code=(0, 1))
    if ran.code == 1 and b"no store" in ran.err:
        return b""
    return look(store, how)


@once
def lines():
    return Feed(Source("s1", 9000), Source("s2", 30))


@once
def tables():
    return Feed(*(Source(f"t{n}", 12000) for n in range(3)), Source("s1", 12000), import_args=["--memory", "8M"])


@once
def three_tables():
    store = os.path.join(tempdir("template"), "db")
    for name in ("t0", "t1", "t2"):
        cli("import", "--store", store, "--memory", "8M", tables().sources[name].path)
    return store


@once
def to_compact():
    """A store with tables and fresh rows."""
    store = os.path.join(tempdir("template"), "db")
    for s in several().sources.values():
        cli("import", "--store", store, "--memory", "8M", s.path)
    return store


@once
def several():
    return Feed(Source("s1", 12000), Source("s2", 12000), Source("s3", 500), import_args=["--memory", "8M"])


COMMANDS = {
    "import": lambda: Command(["import", "--memory", "1M"], lines(), files=[s.path for s in lines().sources.values()]),
    "import beside a merge": lambda: Command(["import", "--memory", "5M"], tables(), three_tables(), [tables().sources["s1"].path]),
    "compact": lambda: Command(["compact"], several(), to_compact()),
}


@check("dribble {0}: a call fails, and it is given again", rows=[*COMMANDS])
def commands_fail(name):
    command, fired = COMMANDS[name](), 0
    for i, at, rng in points(name, command.calls, 3):
        try:
            fired += fail_command(command, at, rng) > 0
        except Fail as fail:
            raise Fail(said_how(i, name), fail)
    print(f"# {fired} failures, {command.calls} calls in an undisturbed run")
    ok(fired, "no call failed")


# ---------------------------------------------------------------- dribble serve

class Bodies:
    """Bodies under idempotency keys that two clients post until they are answered 200."""

    def __init__(self, feed, template=None, options=()):
        self.feed, self.template, self.options = feed, template, options
        self.bodies = [s for s in feed.sources.values() if not s.name.startswith("t")]
        with World(template) as w:
            w.begin()
            w.plan()
            server = Server(w.store, *options, env=w.env)
            acked, failed = self.post_all(server, self.bodies)
            server.stop()
            self.calls = w.calls
            eq((acked, failed), ({s.name for s in self.bodies}, []), "an undisturbed run", server.err)
            eq(look(w.store, "undisturbed"), feed.export, "an undisturbed run")

    def post_all(self, server, bodies):
        """The names of those that were acknowledged, and the answers of those that were not."""
        acked, failed = set(), []

        def post(some):
            for s in some:
                try:
                    with server.connect(timeout=30) as conn:
                        answer = conn.ask("POST", "/pdns/import", {"idempotency-key": s.name}, s.bytes)
                except ConnectionError:
                    failed.append(None)  # it was refused before all of it was sent
                    continue
                except Exception as error:
                    failed.append(error)
                    return
                if answer.status == 200:
                    acked.add(s.name)
                else:
                    failed.append(answer)
        threads = [threading.Thread(target=post, args=(bodies[n::2],)) for n in (0, 1)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return acked, failed


def fail_serving(posts, at, rng):
    with World(posts.template) as w:
        w.begin()
        how = plan(w, at, rng)
        server = Server(w.store, *posts.options, env=w.env, expect_start=False)
        server.ready.wait(20 * SLOW)
        acked, failed = set(), []
        if server.port is None:
            eq(server.wait(), 1, "a server that does not start", server.err, how)
            is_told(Ran(server.args, 1, b"", bytes(server.err)), w)
            ok(not SANITIZER.search(server.err), server.err)
            fired = w.fired
            w.plan()
            server = Server(w.store, *posts.options, env=w.env)
        else:
            acked, failed = posts.post_all(server, posts.bodies)
            how = f"{how}\n{w.told()}"
            told = "\n".join([how, server.err.decode("utf-8", "replace")[-2000:], *(f"{a.status} {a.body}" if isinstance(a, lib.Response) else str(a) for a in failed)])
            ok(server.process.poll() is None, "the server is dead", told)
            for answer in filter(None, failed):
                ok(isinstance(answer, lib.Response) and answer.status in (500, 503), "not an answer that tells a feeder to come again", told)
                ok(b"nothing of this was acknowledged" in answer.body, told)
            # What was acknowledged can be asked for, whatever failed.
            fired = w.fired
            w.plan()
        left, told = [s for s in posts.bodies if s.name not in acked], how

        def all_in():
            nonlocal left
            now, _ = posts.post_all(server, left)
            left = [s for s in left if s.name not in now]
            return not left
        wait_for(all_in, 30, f"bodies that failed are taken in once there is room, without a new start; {told}")
        again, failed = posts.post_all(server, posts.bodies)
        eq(failed, [], "a replay", told)
        server.stop()
        ok(look(w.store, told) == posts.feed.export, "the export differs in the end", told, server.err)
        return fired


@once
def some_bodies():
    return Feed(*(Source(f"b{n}", [3, 400, 12000, 5][n % 4]) for n in range(8)), whole=True)


@once
def bodies_and_tables():
    return Feed(*(Source(f"t{n}", 12000) for n in range(3)), Source("b1", 12000), Source("b2", 5), whole=True, import_args=["--memory", "8M"])


@once
def bodies_template():
    store = os.path.join(tempdir("template"), "db")
    for name in ("t0", "t1", "t2"):
        cli("import", "--store", store, "--memory", "8M", bodies_and_tables().sources[name].path)
    return store


POSTS = {
    "bodies of all sizes": lambda: Bodies(some_bodies(), options=["--memory", "1M"]),
    "bodies beside a merge": lambda: Bodies(bodies_and_tables(), bodies_template()),
}


@check("dribble serve: a call fails, and it goes on by itself: {0}", rows=[*POSTS])
def serving_fails(name):
    posts, fired = POSTS[name](), 0
    for i, at, rng in points(name, posts.calls, 4):
        try:
            fired += fail_serving(posts, at, rng) > 0
        except Fail as fail:
            raise Fail(said_how(i, name), fail)
    print(f"# {fired} failures, {posts.calls} calls in an undisturbed run")
    ok(fired, "no call failed")


# ---------------------------------------------------------------- a disk that is full indeed

class SmallDisk:
    """A tmpfs of so many octets."""

    def __init__(self, octets):
        self.path = tempdir("disk")
        self.store = os.path.join(self.path, "db")
        told = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={octets}", "tmpfs", self.path], capture_output=True, text=True)
        if told.returncode:
            raise Skip(f"no tmpfs can be mounted here: {clip(told.stderr.strip(), 80)}")

    def grow(self, octets):
        run(["mount", "-o", f"remount,size={octets}", self.path])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        subprocess.run(["umount", "-l", self.path], check=True)


@check("dribble import: the disk is full, and becomes larger")
def disk_is_full_of_an_import():
    feed = Feed(Source("s1", 60000), Source("s2", 12000))
    paths = [s.path for s in feed.sources.values()]
    for octets in (300 << 10, 700 << 10, 1300 << 10):
        with SmallDisk(octets) as disk:
            ran = cli("import", "--store", disk.store, "--memory", "5M", *paths, code=1)
            ok(b"No space left" in ran.err or b"octets of room" in ran.err, ran)
            ok(disk.path.encode() in ran.err, "it names no file", ran)
            disk.grow(64 << 20)
            cli("import", "--store", disk.store, "--memory", "5M", *paths)
            ok(look(disk.store, octets) == feed.export, f"the export differs in the end; {octets} octets at first")


@check("a disk has hardly room: opening says so, and reading needs none")
def disk_has_hardly_room():
    feed = Feed(Source("s1", 300), Source("s2", 300))
    first, second = (s.path for s in feed.sources.values())
    codes = set()
    for octets in range(0, 129 << 10, 8 << 10):
        how = f"{octets} octets of room"
        with SmallDisk(20 << 20) as disk:
            cli("import", "--store", disk.store, first)
            fs = os.statvfs(disk.path)
            disk.grow((fs.f_blocks - fs.f_bfree) * fs.f_frsize + octets)
            eq(feed.state(look(disk.store, how))["s2"], 0, how)
            ran = cli("import", "--store", disk.store, second, code=(0, 1))
            codes.add(ran.code)
            if ran.code:
                ok(b"No space left" in ran.err or b"octets of room" in ran.err, ran, how)
                ok(disk.path.encode() in ran.err, "it names no file", ran, how)
                feed.state(look(disk.store, how))
            disk.grow(20 << 20)
            cli("import", "--store", disk.store, second)
            ok(look(disk.store, how) == feed.export, f"the export differs in the end; {how}")
    eq(codes, {0, 1}, "the disks have other sizes than this test needs")


@check("dribble serve: the disk is full, and becomes larger")
def disk_is_full_of_a_server():
    feed = Feed(*(Source(f"b{n}", [12000, 20][n % 2]) for n in range(12)), whole=True)
    bodies = [*feed.sources.values()]
    with SmallDisk(1 << 20) as disk:
        server = Server(disk.store)
        acked, refused = set(), []
        for s in bodies:
            answer = server.feed(s.bytes, {"idempotency-key": s.name}, status=(200, 503))
            if isinstance(answer, dict):
                acked.add(s.name)
            else:
                ok(b"no space left" in answer.body and answer.get("retry-after"), answer)
                refused.append(s)
        ok(acked and refused, f"{len(acked)} taken in, {len(refused)} refused: the disk has another size than this test needs")
        for s in bodies:  # what was acknowledged is there, on a full disk, too
            found = server.get(f"/pdns/query/i0.{s.name}.test")
            eq(bool(found.body), s.name in acked, "asked for", s.name)
        disk.grow(64 << 20)
        for s in refused:
            wait_for(lambda: isinstance(server.feed(s.bytes, {"idempotency-key": s.name}, status=(200, 503)), dict), 20, "it goes on when there is room")
        server.stop()
        ok(look(disk.store, "in the end") == feed.export, "the export differs in the end")


# ---------------------------------------------------------------- few files may be open

@check("few files may be open: an error that says so, or all is well")
def few_open_files():
    feed, well, refused = tables(), 0, 0
    args = ["import", "--memory", "5M", *(s.path for s in feed.sources.values())]
    for files in (7, 11, 14, 24, 64):
        store = os.path.join(tempdir("few"), "db")
        ran = run(["prlimit", f"--nofile={files}:{files}", DRIBBLE, *args, "--store", store])
        among(ran.code, (0, 1), ran)
        if ran.code:
            ok(b"Too many open files" in ran.err, ran)
            refused += 1
            cli(*args, "--store", store)
        well += ran.code == 0
        ok(look(store, files) == feed.export, f"the export differs in the end; {files} files at first", ran)
    ok(well and refused, f"{well} went well, {refused} were refused")


if __name__ == "__main__":
    main()
