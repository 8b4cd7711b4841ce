# SPDX-License-Identifier: GPL-3.0-or-later
"""A flipped bit in any file of a store: who opens or reads it gets an error that names the file, or the right records; never
others, and never a crash. `check` finds it.

Each octet of a file is a point. By default some are tried, with DRIBBLE_CRASH=all every one.
"""
import json
import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from crash import *  # noqa: E402,F403
from dribble import Server, check, cli, cof, main, ndjson, once  # noqa: E402

LINES = 300
FOR_PEOPLE = ("LOG", "LOCK", "serving")  # no part of the store


def files_of(store):
    """(path below the store, octets) of all that is part of it."""
    found = []
    for folder, _, names in os.walk(store):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.startswith(FOR_PEOPLE) and os.path.getsize(path):
                found.append((os.path.relpath(path, store), os.path.getsize(path)))
    return sorted(found)


@once
def feed():
    return Feed(Source("s1", LINES), Source("s2", 24000), Source("s3", LINES), import_args=["--memory", "8M"])


def import_all(store, names):
    for name in names:
        cli("import", "--store", store, "--memory", "8M", feed().sources[name].path)


@once
def closed():
    """Fresh rows in RocksDB's file of rows, and a table."""
    store = os.path.join(tempdir("closed"), "db")
    import_all(store, ["s1", "s2", "s3"])
    eq(len(os.listdir(os.path.join(store, "tables"))), 1)
    return store


@once
def killed():
    """Fresh rows in the log."""
    store = os.path.join(tempdir("killed"), "db")
    import_all(store, ["s2"])
    server = Server(store)
    for name in ("s1", "s3"):
        eq(server.feed(feed().sources[name].bytes)["rejected"], 0)
    server.kill()
    ok(any(name.endswith(".log") for name, _ in files_of(store)), "nothing is in the log")
    return store


def flip(path, at, mask):
    with open(path, "r+b") as f:
        f.seek(at)
        octet = f.read(1)[0]
        f.seek(at)
        f.write(bytes([octet ^ mask]))


class Copy:
    """A copy of a store. What does not change is linked."""

    def __init__(self, store, name):
        self.root = tempdir("copy")
        self.store = os.path.join(self.root, "db")
        shutil.copytree(store, self.store, copy_function=os.link)
        path = os.path.join(self.store, name)  # RocksDB changes none of its files but the last log: that is copied, too
        for n, _ in files_of(self.store):
            if n == name or n.endswith(".log"):
                self.own(os.path.join(self.store, n))
        self.path = path

    @staticmethod
    def own(path):
        shutil.copyfile(path, path + "~")
        os.rename(path + "~", path)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.root, ignore_errors=True)


def names_it(ran, name):
    """RocksDB's list of files and the file that names it may be told for each other, and whatever fits no longer with another file."""
    text = ran.err.decode("utf-8", "replace")
    ok(os.path.basename(name) in text, f"it does not name {name}", ran)


def look_at(store, name, certain):
    """What is read must be right, or an error. certain: check must find the damage."""
    exported = cli("export", "--store", store, code=(0, 1))
    want = feed().export
    if exported.code == 0:
        ok(exported.out == want, "wrong records", exported.err)
    else:
        names_it(exported, name)
        lines = set(want.splitlines(True))
        ok(all(line in lines for line in exported.out.splitlines(True)), "wrong records before an error", exported)
    checked = cli("check", "--store", store, code=(0, 1))
    if checked.code == 1:
        names_it(checked, name)
    else:
        ok(not certain and exported.code == 0, "check does not find it", exported)
    return exported, checked


def write_to(store, name):
    """Who opens it to write gets an error, or adds to the right records."""
    ran = cli("import", "--store", store, "-", stdin=b'{"rrname": "more.test", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1600000000, "time_last": 1600000000, "count": 1}\n', code=(0, 1))
    if ran.code == 1:
        names_it(ran, name)
        return False
    exported = cli("export", "--store", store, code=(0, 1))
    if exported.code == 1:
        names_it(exported, name)
        return False
    ok(b"".join(l for l in exported.out.splitlines(True) if b'"more.test"' not in l) == feed().export, "wrong records after writing", ran)
    return True


def identity(line):
    record = json.loads(line)
    return record["rrname"], record["rrtype"], json.dumps(record["rdata"])


@once
def records():
    return {identity(line): json.loads(line) for line in feed().export.splitlines()}


@once
def fresh_records():
    """What s1 and s3 hold is in no table."""
    store = os.path.join(tempdir("fresh"), "db")
    import_all(store, ["s1", "s3"])
    return {identity(line) for line in cli("export", "--store", store).out.splitlines()}


def salvage(store, name):
    """Each record once, with no numbers but its own or lower ones; all of it where nothing is damaged. Returns which."""
    ran = cli("export", "--store", store, "--salvage", code=(0, 1))
    if ran.code == 1:
        names_it(ran, name)
    else:
        ok(sorted(ran.out.splitlines()) == sorted(feed().export.splitlines()), "wrong records", ran.err)
    seen = set()
    for line in ran.out.splitlines():
        got, key = json.loads(line), identity(line)
        ok(key in records() and key not in seen, "wrong record", line)
        seen.add(key)
        want = records()[key]
        ok(got["count"] <= want["count"] and want["time_first"] <= got["time_first"] <= got["time_last"] <= want["time_last"], "wrong numbers", line)
    return seen


def is_found(state, name):
    """What has a checksum of its own. Of a store that was killed nothing tells what OPTIONS and IDENTITY were: they are not read for
    records."""
    return state == "closed" or not os.path.basename(name).startswith(("OPTIONS", "IDENTITY"))


def points_of(store, seconds, name):
    """(number, file, octet, mask): of each file its ends, where lengths and sums stand, and then any."""
    points = []
    for file, size in files_of(store):
        octets = range(size) if ALL and size < 20000 else {*range(min(size, 16)), *range(max(0, size - 90), size), *range(0, size, max(1, size // 1500))}
        points += [(file, at) for at in octets]
    rng = random.Random(f"{Budget.seed}/{name}")
    by_file = {}
    for file, at in rng.sample(points, len(points)):
        by_file.setdefault(file, []).append(at)
    order = []
    while any(by_file.values()):  # of each file in turn
        for file, octets in by_file.items():
            if octets:
                order.append((file, octets.pop()))
    for i, r in Budget(name, seconds, len(order), least=2 * len(by_file)):
        yield i, *order[i], 1 << r.randrange(8), r


STATES = {"closed": closed, "killed": killed}


@check("a flipped bit in a store that was {0}", rows=[*STATES])
def bits_are_flipped(state):
    store, told = STATES[state](), 0
    for i, name, at, mask, rng in points_of(store, 5, state):
        how = said_how(i, f"{name}: octet {at} of {os.path.getsize(os.path.join(store, name))}, bit {mask:#x}")
        with Copy(store, name) as copy:
            flip(copy.path, at, mask)
            try:
                exported, checked = look_at(copy.store, name, is_found(state, name))
                told += checked.code
                if ALL or rng.random() < 0.3:
                    salvage(copy.store, name)
                if ALL or rng.random() < 0.3:
                    write_to(copy.store, name)
            except Fail as fail:
                raise Fail(how, fail)
    print(f"# check told of {told}")
    ok(told, "check found nothing")


# ---------------------------------------------------------------- what can still be read

@check("a damaged part of a table costs what needs it, and nothing else")
def the_rest_is_readable():
    name = "tables/" + os.listdir(os.path.join(closed(), "tables"))[0]
    with Copy(closed(), name) as copy:
        flip(copy.path, os.path.getsize(copy.path) // 2, 4)
        look_at(copy.store, name, True)
        server, answers = Server(copy.store), {200: 0, 500: 0}
        for i in range(0, 24000, 97):
            if i % 7 == 3:
                continue
            try:
                answer = server.get(f"/pdns/query/i{i}.s2.test")
            except Fail:
                answers[500] += 1  # it was cut off
                continue
            answers[answer.status] = answers.get(answer.status, 0) + 1
            ok(answer.status != 200 or answer.body, f"i{i}.s2.test: no records, and no error", answer)
        ok(answers[200] > 10 * answers[500] and set(answers) == {200, 500}, answers)
        eq(server.feed(feed().sources["s1"].bytes)["rejected"], 0)
        server.stop()


def at_foot(path, size):
    flip(path, size - 50, 4)


def by_pipe(path, size):
    os.unlink(path)
    os.mkfifo(path)


LOST = {"the foot of a table": at_foot, "a table is gone": lambda path, size: os.unlink(path), "a table is a pipe": by_pipe}


@check("salvage: {0}", rows=[*LOST])
def fresh_rows_are_left(what):
    name = "tables/" + os.listdir(os.path.join(closed(), "tables"))[0]
    with Copy(closed(), name) as copy:
        LOST[what](copy.path, os.path.getsize(copy.path))
        names_it(cli("export", "--store", copy.store, code=1), name)
        got = salvage(copy.store, name)
        ok(fresh_records() <= got and len(got) < len(records()), "the fresh rows are left", len(got))


@check("salvage: any segment of a table, and a store that is made of it")
def any_segment():
    name = "tables/" + os.listdir(os.path.join(closed(), "tables"))[0]
    size = os.path.getsize(os.path.join(closed(), name))
    for at in range(4000, size - 4000, (size - 8000) // 10):
        with Copy(closed(), name) as copy:
            flip(copy.path, at, 4)
            eq(salvage(copy.store, name), set(records()), f"octet {at}")
            fresh = os.path.join(copy.root, "fresh")
            cli("import", "--store", fresh, "-", stdin=cli("export", "--store", copy.store, "--salvage", code=(0, 1)).out)
            cli("check", "--store", fresh)
            eq(cli("export", "--store", fresh).out, feed().export)


@check("salvage: of a store that is not damaged it is an export, and takes no values")
def nothing_is_damaged():
    said = cli("export", "--store", closed(), "--salvage")
    eq(sorted(said.out.splitlines()), sorted(feed().export.splitlines()))
    eq(said.err, b"")
    ok(b"takes no values" in cli("export", "--store", closed(), "--salvage", "a.example", code=2).err)


@once
def fresh_only():
    """No table: RocksDB's file of rows holds everything."""
    store = os.path.join(tempdir("fresh_only"), "db")
    cli("import", "--store", store, "-", stdin=ndjson(cof(f"h{i}.d{i % 97}.example", "A", f"198.51.{i >> 8}.{i & 255}", first=1600000000 + i) for i in range(6000)))
    files = [(size, name) for name, size in files_of(store) if name.endswith(".sst")]
    return store, max(files)


@check("salvage: behind what is damaged of fresh rows it goes on")
def behind():
    store, (size, name) = fresh_only()
    everything = set(cli("export", "--store", store).out.splitlines())
    rng = random.Random(f"{Budget.seed}/fresh rows")
    for at in [size // 3, *(rng.randrange(20000, size // 2) for _ in range(12 if ALL else 4))]:  # what is before tells how to read the store
        with Copy(store, name) as copy:
            flip(copy.path, at, 16)
            ran = cli("export", "--store", copy.store, "--salvage", code=1)
            names_it(ran, name)
            got = set(ran.out.splitlines())
            ok(got <= everything, "wrong records", at)
            ok(len(got) > 5900, "too few records: a block has some hundred rows, and each record stands elsewhere, too", at, len(got))


@check("salvage: what lies together and is lost does not take long, and is told in few sentences")
def together():
    name = "tables/" + os.listdir(os.path.join(closed(), "tables"))[0]
    with Copy(closed(), name) as copy:
        Copy.own(copy.path)
        with open(copy.path, "r+b") as f:
            f.seek(20000)
            f.write(bytes(os.path.getsize(copy.path) // 2))
        ran = cli("export", "--store", copy.store, "--salvage", code=1)
        told = ran.err.splitlines()
        ok(len(set(told)) == len(told), "told twice", told)
        ok(len(ran.out.splitlines()) > len(records()) / 2, "too few records")


@check("salvage: what a row has lost another one of the record says")
def joined():
    root = tempdir("joined")
    store = os.path.join(root, "db")
    names = [(f"n{i}.example", f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}") for i in range(30000)]
    cli("import", "--store", store, "-", stdin=ndjson(cof(name, "A", address) for name, address in names))
    zone = ndjson({"rrname": name, "rrtype": "A", "rdata": address, "zone_time_first": 1500000000, "zone_time_last": 1500000009} for name, address in names)
    cli("import", "--store", store, "-", stdin=zone)
    whole = sorted(cli("export", "--store", store).out.splitlines())
    tables = sorted(os.listdir(os.path.join(store, "tables")))
    eq(len(tables), 2)
    flip(os.path.join(store, "tables", tables[1]), 80000, 255)
    ran = cli("export", "--store", store, "--salvage", code=1)
    names_it(ran, tables[1])
    ok(sorted(ran.out.splitlines()) == whole, "something is lost")


# ---------------------------------------------------------------- the end of the log

def records_of(log):
    """(octet, length) of each record of a log of RocksDB."""
    with open(log, "rb") as f:
        octets = f.read()
    at, found = 0, []
    while at + 7 <= len(octets):
        page = 32768 - at % 32768
        if page < 7:
            at += page
            continue
        n = struct.unpack("<H", octets[at + 4:at + 6])[0]
        found.append((at, n))
        at += 7 + n
    return found


def log_of(store):
    return max((n for n, _ in files_of(store) if n.endswith(".log")), key=lambda n: os.path.getsize(os.path.join(store, n)))


@check("a damaged length in the log loses nothing: it is told to who reads, and mended for who writes")
def lengths_are_mended():
    log = log_of(killed())
    records = records_of(os.path.join(killed(), log))
    ok(len(records) > 1, records)
    for at, n in records[-4:]:
        for bit in range(16):
            if (n ^ 1 << bit) + at <= records[-1][0] + records[-1][1]:
                continue  # another record is not what follows: the checksum tells
            with Copy(killed(), log) as copy:
                flip(copy.path, at + 4 + bit // 8, 1 << bit % 8)
                exported = cli("export", "--store", copy.store, code=(0, 1))
                if exported.code == 0:
                    ok(exported.out == feed().export, f"octet {at}, bit {bit}: records are lost")
                else:
                    names_it(exported, log)
                ok(write_to(copy.store, log) or at // 32768 != records[-1][0] // 32768, f"octet {at}, bit {bit}: not mended")


@check("a log that was cut off: whole runs, and the rest is there")
def logs_are_cut_off():
    log = log_of(killed())
    records = records_of(os.path.join(killed(), log))
    size = records[-1][0] + 7 + records[-1][1]
    for cut in (1, 3, 8, records[-1][1], records[-1][1] + 6):
        with Copy(killed(), log) as copy:
            os.truncate(copy.path, size - cut)
            exported = cli("export", "--store", copy.store).out
            state = Feed.state(feed(), exported)
            eq((state["s1"], state["s2"]), (LINES, len(feed().sources["s2"].own)), f"{cut} octets are missing")
            eq(state["s3"], 0, f"{cut} octets are missing")


if __name__ == "__main__":
    main()
