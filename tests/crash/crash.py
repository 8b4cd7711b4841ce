# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this folder stand on: worlds in which dribble is killed, the power fails and calls fail, and
feeds of which every state that a store may be in is known.

By default each test tries what there is time for; DRIBBLE_CRASH=20 gives it twenty times as long, DRIBBLE_CRASH=all lets it
try everything.
"""
import json
import mmap
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dribble as lib  # noqa: E402
from dribble import DRIBBLE, SANITIZER, SLOW, Fail, Ran, Skip, clip, eq, ok, tempdir  # noqa: E402

ALL = os.environ.get("DRIBBLE_CRASH") == "all"
TIMES = 1 if ALL else float(os.environ.get("DRIBBLE_CRASH") or 1)
FAULTS = os.path.abspath(os.environ.get("DRIBBLE_FAULTS", os.path.join(os.path.dirname(DRIBBLE), "tests", "crash", "faults.so")))

# The kinds and actions of faults.c.
WRITE, SYNC, SYNC_FOLDER, CREATE, RENAME, UNLINK, TRUNCATE, MKDIR, ALLOCATE, READ, OPEN = (1 << i for i in range(11))
CHANGES = WRITE | SYNC | SYNC_FOLDER | CREATE | RENAME | UNLINK | TRUNCATE | MKDIR | ALLOCATE
GROWING = WRITE | CREATE | MKDIR | ALLOCATE | RENAME
DIE_BEFORE, DIE_HALFWAY, DIE_AFTER, FAIL, FAIL_HALFWAY, SHORT = range(1, 7)
FOR_EVER = 2 ** 64 - 1


# ---------------------------------------------------------------- how much to try

class Budget:
    """Iterations of a test: a bounded time by default, a number of them when everything is asked for. Each has its own
    random numbers, made from DRIBBLE_TEST_SEED, so that any can be repeated alone (DRIBBLE_CRASH_ONLY=its number)."""

    seed = int(os.environ.get("DRIBBLE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))

    def __init__(self, name, seconds, full, least=1):
        self.name, self.seconds, self.full, self.least = name, seconds, full, least

    def __iter__(self):
        only = os.environ.get("DRIBBLE_CRASH_ONLY")
        began, done = time.monotonic(), 0
        for i in [int(only)] if only else range(self.full):
            if not ALL and done >= self.least and time.monotonic() - began > self.seconds * TIMES * min(SLOW, 2):
                break
            try:
                yield i, random.Random(f"{self.seed}/{self.name}/{i}")
            finally:
                done += 1
        print(f"# {self.name}: {done} of {self.full} tried")


def said_how(i, *what):
    return f"DRIBBLE_TEST_SEED={Budget.seed} DRIBBLE_CRASH_ONLY={i}: {' '.join(str(w) for w in what)}"


print(f"# DRIBBLE_TEST_SEED={Budget.seed}")


# ---------------------------------------------------------------- worlds

@lib.once
def preload():
    """The sanitizers' library comes first where there is one."""
    ok(os.path.exists(FAULTS), f"{FAULTS} is not there: build it, or set DRIBBLE_FAULTS")
    told = subprocess.run(["ldd", DRIBBLE], capture_output=True, text=True).stdout
    return " ".join([*re.findall(r"=> (\S*/lib[at]san\.so\S*)", told), FAULTS])


class World:
    """A folder that is watched: a store is in it, and whatever else must outlive its process."""

    def __init__(self, template=None):
        self.dir = os.path.realpath(tempdir("world"))
        self.root = os.path.join(self.dir, "w")
        self.store = os.path.join(self.root, "db")
        os.mkdir(self.root)
        os.mkdir(self.path("kept"))
        self.trace = lib.write(self.path("trace"), b"")
        self.control = lib.write(self.path("control"), b"\0" * 56)
        with open(self.control, "r+b") as f:
            self.mapped = mmap.mmap(f.fileno(), 56)
        self.env = {"LD_PRELOAD": preload(), "FAULTS_ROOT": self.root, "FAULTS_CONTROL": self.control,
                    "FAULTS_TRACE": self.trace, "FAULTS_KEPT": self.path("kept")}
        self.sizes = {}
        if template:
            shutil.copytree(template, self.store)

    def path(self, name):
        return os.path.join(self.dir, name)

    def remove(self):
        self.mapped.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.remove()

    def plan(self, action=0, at=0, to=None, error=0, kinds=CHANGES):
        """What becomes of the calls from number `at` on; the counting begins anew."""
        self.mapped[:56] = struct.pack("<7Q", 0, at, at if to is None else to, action, error, kinds, 0)

    def begin(self):
        """What is there now has been there for long."""
        with open(self.trace, "wb"):
            pass
        for name in os.listdir(self.path("kept")):
            os.unlink(os.path.join(self.path("kept"), name))
        self.sizes = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                told = os.lstat(os.path.join(folder, name))
                self.sizes[told.st_ino] = told.st_size

    @property
    def calls(self):
        return struct.unpack("<Q", self.mapped[:8])[0]

    @property
    def fired(self):
        return struct.unpack("<Q", self.mapped[48:56])[0]

    def events(self):
        with open(self.trace, encoding="utf-8") as f:
            return [line.rstrip("\n").split("\t") for line in f]

    def told(self):
        """The last calls, for a person."""
        names = "write sync sync-folder create rename unlink truncate mkdir allocate read open".split()
        calls = [e for e in self.events() if e[0] == "call"]
        return "\n".join(f"call {n} {names[int(kind).bit_length() - 1]} {path[len(self.root):]}{' <-- ' + action if action != '0' else ''}"
                         for _, n, kind, action, path in calls[-12:])

    def fail_power(self, rng):
        """Takes away what was not synced: of names, all that happened since or the later part; of files, what lies behind
        the size that was synced: all or some of it, or it is there and reads as zeros."""
        changes, durable, synced = [], set(), dict(self.sizes)
        for event in self.events():
            if event[0] in ("made", "renamed", "gone"):
                changes.append(event)
                if event[0] == "made":
                    synced[int(event[2])] = 0
            elif event[0] == "synced":
                synced[int(event[1])] = int(event[2])
            elif event[0] == "folder":
                durable.update(i for i, c in enumerate(changes) if os.path.dirname(c[1]) == event[1])
        survive = 0 if rng.random() < 0.5 else rng.randrange(len(changes) + 1)
        for i in range(len(changes) - 1, survive - 1, -1):
            if i not in durable:
                self.undo(changes[i])
        how = rng.choice(["cut", "part"])
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                told = os.lstat(path)
                if told.st_size > synced.get(told.st_ino, 0):
                    lose_tail(path, synced.get(told.st_ino, 0), told.st_size, how, rng)
        return f"power failure ({how}, {survive} of {len(changes)} changes of names survive)"

    def undo(self, change):
        kind, path = change[0], change[1]
        if kind == "made":
            shutil.rmtree(path) if change[3] == "1" else os.path.exists(path) and os.unlink(path)
            return
        if kind == "renamed" and os.path.exists(path):
            os.rename(path, change[2])
        kept = os.path.join(self.path("kept"), change[-1])
        if os.path.exists(kept):
            os.rename(kept, path)


def lose_tail(path, synced, size, how, rng):
    if how == "cut":
        os.truncate(path, synced)
    else:
        keep = rng.randrange(synced, size + 1)
        os.truncate(path, keep)
        if how == "zeros":
            os.truncate(path, size)


# ---------------------------------------------------------------- runs that may be cut short

def attempt(args, world=None, after=None, stdin=None, timeout=60, codes=(0, 1, 3, -9)):
    """dribble with those arguments in a world of faults, or killed after a time."""
    args = [DRIBBLE, *(str(a) for a in args)]
    env = dict(os.environ, **(world.env if world else {}))
    took = open(stdin, "rb") if isinstance(stdin, str) else None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(args, stdin=took or (subprocess.PIPE if stdin is not None else subprocess.DEVNULL), stdout=out, stderr=err, env=env)
        if took:
            took.close()
        late = False
        try:
            process.communicate(None if took else stdin, timeout=timeout * SLOW if after is None else after)
        except subprocess.TimeoutExpired:
            late = after is None
            process.kill()
            process.wait()
        except BrokenPipeError:
            process.wait(timeout * SLOW)
        for f in (out, err):
            f.seek(0)
        ran = Ran(args, process.returncode, out.read(), err.read())
    ok(not late, f"still running after {timeout * SLOW:g} s", ran)
    ok(ran.code in codes, f"exit {ran.code}", ran)
    ok(not SANITIZER.search(ran.err), ran)
    return ran


# ---------------------------------------------------------------- feeds whose every state is known

SHARED = 40


class Source:
    """Lines of COF. Each brings a record that no other line has; some observe, besides, one that many have."""

    def __init__(self, name, lines, seed=1, bad=False):
        rng = random.Random(f"{name}/{seed}")
        self.name, self.size = name, lines
        self.text, self.shared, self.own = [], [], []  # shared: (index, record, count, first, last)
        for i in range(lines):
            first = 1600000000 + rng.randrange(10 ** 7)
            last, count = first + rng.randrange(10 ** 5), rng.randrange(1, 9)
            if bad and i % 997 == 500:
                self.text.append(b'{"rrname": "bad%d.%s.test"\n' % (i, name.encode()))
                continue
            self.own.append(i)
            if i % 7 == 3:
                k = rng.randrange(SHARED)
                owner, kind, data = f"shared{k}.test", "TXT", [f'"i{i}.{name}"', f'"many {k % 3}"']
                self.shared.append((i, (owner, data[1]), count, first, last))
            else:
                owner = f"i{i}.{name}.test"
                kind, data = rng.choice(KINDS)(i, rng)
            self.text.append(json.dumps(dict(rrname=owner, rrtype=kind, rdata=data, count=count, time_first=first, time_last=last)).encode() + b"\n")

    @property
    def bytes(self):
        return b"".join(self.text)


KINDS = [lambda i, r: ("A", f"192.0.2.{r.randrange(256)}"),
         lambda i, r: ("A", f"198.51.{r.randrange(256)}.{r.randrange(256)}"),
         lambda i, r: ("AAAA", f"2001:db8::{r.randrange(65536):x}"),
         lambda i, r: ("NS", f"ns{r.randrange(50)}.test"),
         lambda i, r: ("SOA", f"ns{r.randrange(5)}.test host{r.randrange(5)}.test {i} 1 2 3 4"),
         lambda i, r: ("TXT", f'"{"x" * r.choice([5, 60, 250])} {r.randrange(9)}"')]

OWN = re.compile(rb'"i(\d+)\.([a-z0-9]+)(?:\.test"|\\")')


class Feed:
    """Sources, and what a store may hold of them. Each counts as far as it goes or, with whole, all or nothing."""

    def __init__(self, *sources, whole=False, import_args=()):
        self.sources = {s.name: s for s in sources}
        self.whole = whole
        store = os.path.join(tempdir("reference"), "db")
        for s in sources:
            s.path = lib.temp(s.name + ".ndjson", s.bytes)
        lib.cli("import", "--store", store, *import_args, *(s.path for s in sources), code=(0, 3))
        self.export = lib.cli("export", "--store", store).out
        self.lines = {}
        for line in self.export.splitlines(True):
            found = OWN.search(line)
            if found:
                self.lines[line] = (found[2].decode(), int(found[1]))
        eq(len(self.lines), sum(len(s.own) for s in sources), "records of one line")
        shutil.rmtree(os.path.dirname(store))

    def state(self, export):
        """{source: number of its good lines that are in}; fails when an export is no state that could be."""
        found, shared = {name: [] for name in self.sources}, {}
        for line in export.splitlines(True):
            if line in self.lines:
                name, i = self.lines[line]
                found[name].append(i)
            else:
                r = json.loads(line)
                ok(r["rrname"].startswith("shared") and (r["rrname"], r["rdata"]) not in shared, "a record that never was", line)
                shared[r["rrname"], r["rdata"]] = (r["count"], r["time_first"], r["time_last"])
        state, want = {}, {}
        for name, present in found.items():
            s = self.sources[name]
            eq(sorted(present), s.own[:len(present)], f"{name}: not a beginning of it")
            ok(not self.whole or len(present) in (0, len(s.own)), f"{name}: {len(present)} of {len(s.own)} records")
            state[name] = len(present)
            for i, record, count, first, last in s.shared:
                if present and i <= s.own[len(present) - 1]:
                    c, f, l = want.get(record, (0, first, last))
                    want[record] = (c + count, min(f, first), max(l, last))
        eq(shared, want, f"records of many lines, when there are {state}")
        return state


def look(store, how):
    """The export of a store that checks."""
    try:
        lib.cli("check", "--store", store)
        return lib.cli("export", "--store", store).out
    except Fail as fail:
        raise Fail(how, fail)
