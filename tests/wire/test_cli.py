# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract §6: the commands, their exit codes, and imports that are killed."""
import gzip
import json
import random
import subprocess
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dribble import *  # noqa: E402,F403


COMMANDS = ["serve", "import", "query", "export", "user", "check", "compact", "stats"]
RECORDS = [cof(f"c{i}.cli.test", "A", f"192.0.2.{i}", i + 1, 1000 + i, 2000 + i) for i in range(100)]


@once
def seed_store():
    return store_of(SEED)


@once
def seed_server():
    return Server(store_of(SEED))


def export(store, *values):
    return cli("export", "--store", store, *values).out


def new_store():
    return os.path.join(tempdir(), "db")


def total(store):
    """(records, sum of counts) by way of export."""
    rows = [json.loads(line) for line in export(store).splitlines()]
    return len(rows), sum(r["count"] for r in rows)


# ------------------------------------------------------------ help and usage

@check("{0} --help: exit 0, on stdout, with an example", rows=COMMANDS)
def command_help(command):
    ran = cli(command, "--help")
    text = ran.out.decode()
    ok(re.search(r"example", text, re.I), "no examples", ran)
    ok(re.search(rf"^\s+(\$ )?(.*\| *)?(dribble|curl\b.*|.*dribble) {command}\b", text, re.M) or text.count("dribble " + command) > 1,
       "no example line", ran)
    eq(ran.err, b"", ran)


@check("dribble --help lists every command; --version says a version")
def main_help():
    ran = cli("--help")
    for command in COMMANDS:
        ok(re.search(rf"\b{command}\b", ran.out.decode()), command, ran)
    ok(re.search(rb"\d+\.\d+", cli("--version").out))


@check("wrong usage is exit 2 with a line on stderr: dribble {0}", rows=[
    "", "frobnicate", "serve --no-such-option", "import --store", "import --no-such x", "query --store x", "query --style nosuch --store memory: x.test",
    "user", "user add", "export --no-such", "stats --no-such", "check --no-such", "compact --no-such", "compact what", "serve extra-argument", "--no-such",
    "import --server http://127.0.0.1:1 --rejects r x", "query --cache 0 x.test", "serve --store clickhouse:http://127.0.0.1:1/d",
    "user add a --token --store clickhouse:http://127.0.0.1:1/d"])
def usage(words):
    ran = cli(*words.split(), code=2, timeout=15)
    ok(ran.err.strip() and not ran.out, ran)


@check("a command that does not exist is told near ones or --help")
def usage_hint():
    ok(b"help" in cli("improt", code=2).err)


# ------------------------------------------------------------ import

@check("import: exit 0, results silent when not on a terminal; export gives what went in")
def import_plain():
    store = new_store()
    ran = cli("import", "--store", store, temp("a.ndjson", ndjson(RECORDS)))
    eq(b"\r" in ran.err, False, "a progress bar, though stderr is no terminal", ran)
    got = [json.loads(line) for line in export(store).splitlines()]
    eq(sorted((r["rrname"], r["rdata"], r["count"], r["time_first"], r["time_last"]) for r in got),
       sorted((r["rrname"], r["rdata"], r["count"], r["time_first"], r["time_last"]) for r in RECORDS))


@check("import reads {0}", rows=["plain", "gzip", "zstd", "stdin", "gzip on stdin", "zstd on stdin", "several gzip members", "a gzip without its suffix"])
def import_form(form):
    store, data = new_store(), ndjson(RECORDS)
    packed = {"plain": data, "gzip": run(["gzip", "-c"], stdin=data).out, "zstd": run(["zstd", "-qc"], stdin=data).out,
              "several gzip members": gzip.compress(data[:3333]) + gzip.compress(data[3333:])}
    kind = {"stdin": "plain", "gzip on stdin": "gzip", "zstd on stdin": "zstd", "a gzip without its suffix": "gzip"}.get(form, form)
    if "stdin" in form:
        cli("import", "--store", store, "-", stdin=packed[kind])
    else:
        suffix = {"gzip": ".gz", "zstd": ".zst", "several gzip members": ".gz"}.get(form, "")
        cli("import", "--store", store, temp("data.ndjson" + suffix, packed[kind]))
    eq(total(store), (100, 5050))


@check("several files in one import, one of them empty")
def several():
    store = new_store()
    cli("import", "--store", store, temp("a.ndjson", ndjson(RECORDS[:50])), temp("empty.ndjson", b""), temp("b.ndjson", ndjson(RECORDS[50:])))
    eq(total(store), (100, 5050))


@check("an import takes the memory that it was given and little besides, however much it reads")
def bounded_memory():
    path = os.path.join(tempdir(), "workload")
    cli("bench", "--records", "400000", "--observations", "800000", "--hot", "1000", "--write", path)
    _, peak = peak_of("import", "--memory", "16M", "--store", new_store(), path)
    ok(peak < (110 << 10) * sanitized(), f"{peak} KiB")


@check("the same file again counts once: {0}", rows=["same path", "renamed", "gzip of it", "zstd of it", "on the same command line"])
def same_file(how):
    store, data = new_store(), ndjson(RECORDS)
    path = temp("a.ndjson", data)
    if how == "on the same command line":
        cli("import", "--store", store, path, path)
    else:
        cli("import", "--store", store, path)
        again = {"same path": path, "renamed": temp("other-name.json", data), "gzip of it": temp("a.ndjson.gz", gzip.compress(data)),
                 "zstd of it": temp("a.ndjson.zst", run(["zstd", "-qc"], stdin=data).out)}[how]
        ran = cli("import", "--store", store, again)
        ok(re.search(rb"already|again|before|skipp", ran.err), "does not say so", ran)
    eq(total(store), (100, 5050))


@check("--again counts the same file again")
def again():
    store, path = new_store(), temp("a.ndjson", ndjson(RECORDS))
    cli("import", "--store", store, path)
    cli("import", "--store", store, "--again", path)
    eq(total(store), (100, 10100))


@check("a file that grew is another file")
def grew():
    store, path = new_store(), temp("a.ndjson", ndjson(RECORDS[:1]))
    cli("import", "--store", store, path)
    write(path, ndjson([RECORDS[50]]))
    cli("import", "--store", store, path)
    eq(total(store), (2, 52))


@check("bad lines: exit 3, the rest imported, --rejects keeps them with their numbers told")
def rejects():
    store, file = new_store(), os.path.join(tempdir(), "rejects")
    path = temp("mixed.ndjson", ndjson(RECORDS[:3]) + b"this is bad\n" + ndjson(RECORDS[3:5]) + b'{"rrname": "x.test"}\n')
    ran = cli("import", "--store", store, "--rejects", file, path, code=3)
    eq(total(store)[0], 5)
    with open(file, "rb") as f:
        kept = f.read()
    for number in (b"4", b"7"):
        ok(re.search(rb"mixed.ndjson\D*\b" + number + rb"\b", ran.err + kept), "the number of the bad line is not told", number, ran, kept)
    ok(b"this is bad" in kept and b'{"rrname": "x.test"}' in kept, kept)
    ok(b"c0.cli.test" not in kept, "a good line among the rejects", kept)


@check("bad lines without --rejects: exit 3 as well, and stderr tells number and reason")
def rejected():
    ran = cli("import", "--store", new_store(), temp("x.ndjson", ndjson(RECORDS[:1]) + b'{"rrname": "x.test"}\n'), code=3)
    ok(re.search(rb"x.ndjson\W*(line )?2\b.*rrtype", ran.err), "no number and reason", ran)


@check("binary noise: a message, exit 1 or 3, and the store is fine: {0}", rows=["random", "zeros", "gzip magic", "zstd magic", "pcap magic", "no line end"])
def noise(kind):
    chance = random.Random(7)
    data = {"random": chance.randbytes(200000), "zeros": bytes(100000), "gzip magic": b"\x1f\x8b\x08\x00" + chance.randbytes(5000),
            "zstd magic": b"\x28\xb5\x2f\xfd" + chance.randbytes(5000), "pcap magic": b"\xd4\xc3\xb2\xa1" + chance.randbytes(5000),
            "no line end": b"{" * 3000000}[kind]
    store = new_store()
    ran = cli("import", "--store", store, temp("noise", data), code=(1, 3))
    ok(ran.err.strip() and len(ran.err) < 20000, ran)
    cli("import", "--store", store, temp("a.ndjson", ndjson(RECORDS)))
    eq(total(store), (100, 5050))


@check("{0} instead of a file: exit 1 and its name", rows=["a directory", "nothing there", "no permission"])
def no_file(kind):
    if kind == "no permission" and os.geteuid() == 0:
        raise Skip("root may read everything")
    path = {"a directory": tempdir("a-directory"), "nothing there": os.path.join(tempdir(), "missing.ndjson"),
            "no permission": temp("secret.ndjson", b"")}[kind]
    if kind == "no permission":
        os.chmod(path, 0)
    ran = cli("import", "--store", new_store(), path, code=1)
    ok(os.path.basename(path).encode() in ran.err, ran)


@check("a missing file among good ones: exit 1, and a second run with the good ones ends complete")
def one_missing():
    store, good = new_store(), temp("good.ndjson", ndjson(RECORDS))
    cli("import", "--store", store, good, "/nonexistent/x.ndjson", code=1)
    cli("import", "--store", store, good)
    eq(total(store), (100, 5050))


@check("truncated {0}: exit 1, told; the whole file afterwards counts every line once", rows=["gzip", "zstd"])
def truncated(kind):
    data = ndjson(cof(f"t{i}.cli.test", "A", f"10.0.{i // 250}.{i % 250}") for i in range(3000))
    packed = gzip.compress(data) if kind == "gzip" else run(["zstd", "-qc"], stdin=data).out
    store = new_store()
    ran = cli("import", "--store", store, temp("cut", packed[:len(packed) * 2 // 3]), code=1)
    ok(b"cut" in ran.err, ran)
    among(total(store)[0], range(0, 3000))
    cut_counts = total(store)[1]
    cli("import", "--store", store, temp("whole", packed))
    records, observations = total(store)
    eq(records, 3000)
    among(observations, (3000, 3000 + cut_counts), "each line of the cut file once or not at all")


@check("an unwritable store: exit 1 and a message")
def unwritable():
    ran = cli("import", "--store", "/proc/nowhere/db", SEED, code=1)
    ok(ran.err.strip(), ran)


# ------------------------------------------------------------ killed imports

def killed_import(store, files, chance, longest):
    """Runs the import again and again, killing it at random points, until it ends by itself."""
    kills = 0
    for attempt in range(200):
        process = subprocess.Popen([DRIBBLE, "import", "--store", store, *files], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            limit = longest if attempt > 12 else chance.uniform(min(0.01, longest / 2), longest)
            err = process.communicate(timeout=limit if attempt < 30 else 60 * SLOW)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            longest *= 1.1
            continue
        eq(process.returncode, 0, err)
        return kills
    raise Fail("the import never came to its end")


@check("an import killed at random points and started again equals an undisturbed one")
def killed():
    chance = seeded()
    files = []
    for n in range(3):
        rows = []
        for i in range(50000):
            k = chance.randrange(40000)
            rows.append('{"rrname": "k%d.kill.test", "rrtype": "%s", "rdata": "%s", "count": %d, "time_first": %d, "time_last": %d}\n' % (
                k, "A" if k % 3 else "NS", f"10.1.{k % 250}.{k % 7}" if k % 3 else f"ns{k % 50}.kill.test", i % 5 + 1, 1000000 - i, 1000000 + n * i))
        data = "".join(rows).encode()
        files.append(temp(f"kill{n}.ndjson" + (".gz" if n == 1 else ""), gzip.compress(data, 1) if n == 1 else data))
    calm = new_store()
    began = time.monotonic()
    cli("import", "--store", calm, *files)
    took = time.monotonic() - began
    want = export(calm)
    ok(len(want.splitlines()) > 30000)
    for _ in range(2):
        kills, longest = 0, took * 0.9
        while not kills and longest > 0.005:  # the machine may be quicker by now than when the calm one ran
            store = new_store()
            kills = killed_import(store, files, chance, longest)
            longest /= 2
        print(f"# killed {kills} times; undisturbed {took:.2f} s")
        ok(kills > 0, "it was never killed: nothing is proved")
        got = export(store)
        if got != want:
            ours, theirs = set(got.splitlines()), set(want.splitlines())
            raise Fail("the export differs", f"only after kills: {sorted(ours - theirs)[:5]}", f"only undisturbed: {sorted(theirs - ours)[:5]}")
        cli("check", "--store", store)


@check("SIGTERM and SIGINT end an import; the next run completes it: {0}", rows=["SIGTERM", "SIGINT"])
def interrupted(name):
    path = temp("int.ndjson", b"".join(b'{"rrname": "i%d.int.test", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 5}\n' % i for i in range(150000)))
    store = new_store()
    process = subprocess.Popen([DRIBBLE, "import", "--store", store, path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(lambda: os.path.isdir(store) or process.poll() is not None, 10, "the store appears")
    process.send_signal(getattr(signal, name))
    err = process.communicate(timeout=30 * SLOW)[1]
    ok(not SANITIZER.search(err), err)
    cli("import", "--store", store, path)
    eq(total(store), (150000, 150000))


# ------------------------------------------------------------ beside a server

@check("import into a store that a server holds: exit 1, and it names --server")
def held_store():
    ran = cli("import", "--store", seed_server().store, temp("x.ndjson", ndjson(RECORDS)), code=1)
    ok(b"--server" in ran.err, ran)


@check("import --server URL: what was sent is found, and the same file again counts once")
def import_server():
    server = Server("memory:")
    path = temp("x.ndjson", ndjson(RECORDS))
    cli("import", "--server", server.url(), path)
    eq([r["count"] for r in server.ask("c41.cli.test").records], [42])
    cli("import", "--server", server.url(), path)
    eq([r["count"] for r in server.ask("c41.cli.test").records], [42], "the same file again")
    server.stop()


@check("import --server with bad lines: exit 3; with nobody there: exit 1")
def import_server_bad():
    server = Server("memory:")
    cli("import", "--server", server.url(), temp("x.ndjson", ndjson(RECORDS[:2]) + b"bad\n"), code=3)
    eq(len(server.ask("c1.cli.test").lines), 1)
    url = server.url()
    server.stop()
    ok(cli("import", "--server", url, temp("x.ndjson", ndjson(RECORDS)), code=1).err.strip())
    ok(cli("query", "--server", url, "x.test", code=1).err.strip())


@check("query --server URL gives the lines the server gives, style {0}", rows=["circl", "cof", "doc"])
def query_server(style):
    s = seed_server()
    eq(cli("query", "--server", s.url(), "--style", style, "circl.lu").out, s.ask("circl.lu", style=style).body)
    eq(cli("query", "--server", s.url(), "--style", style, "--rrtype", "NS", "circl.lu").out, s.ask("circl.lu", style=style, rrtype="NS").body)


@check("query --server of more than maxset gives everything, or says that it does not")
def query_server_all():
    server = Server("memory:", "--maxset", 10, "--page-max", 7)
    server.feed([cof(f"{i:03d}.many.test", "CNAME", "hub.many.test") for i in range(40)])
    ran = cli("query", "--server", server.url(), "hub.many.test")
    ok(len(ran.out.splitlines()) == 40 or re.search(rb"cut|maxset|more", ran.err), "a silent cut", ran)
    server.stop()


@check("query --server --limit {0} from pages of 10: {1} records, and a word when there are more", rows=[(1, 1), (9, 9), (10, 10), (11, 11), (25, 25), (29, 29),
                                                                                                   (30, 29), (100000, 29), ("9" * 30, 29)])
def query_server_limit(limit, want):
    server = Server(seed_store(), "--page-max", 10)
    try:
        every = server.ask("cdn1.wixdns.net").body.splitlines()
        eq(len(every), 29)
        ran = cli("query", "--server", server.url(), "--limit", limit, "cdn1.wixdns.net")
        eq(ran.out.splitlines(), every[:want])
        eq(b"more" in ran.err, want < 29, ran)
        ran = cli("query", "--server", server.url(), "--limit", limit, "--rrtype", "CNAME", "cdn1.wixdns.net", "185.194.93.14")
        eq(len(ran.out.splitlines()), min(want, 29), "a filter on each page, and a limit for each value")
    finally:
        server.stop()


@check("import --server --rejects FILE is refused: no file is made, nothing is sent")
def rejects_of_server():
    file = os.path.join(tempdir(), "rejects")
    ran = cli("import", "--server", seed_server().url(), "--rejects", file, temp("x.ndjson", ndjson(RECORDS)), code=2)
    ok(b"--rejects" in ran.err and b"--server" in ran.err, ran)
    ok(not os.path.exists(file), "a file was made")
    eq(seed_server().ask("c1.cli.test").body, b"")


@check("{0}: the sentence says what is possible: {2}", rows=[
    ("serve", "--store clickhouse:http://127.0.0.1:1/d", "rocksdb:"), ("user list", "--store clickhouse:http://127.0.0.1:1/d", "memory:"),
    ("import", "--store nosuch:x", "rocksdb:"), ("serve", "--cache 1023K", "1M"), ("serve", "--cache 0 --print-config", "1M")])
def possible(command, words, said):
    ran = cli(*command.split(), *words.split(), code=2)
    ok(said.encode() in ran.err, ran)


@check("a path with a colon behind a slash is a store")
def colon():
    folder = tempdir()
    store = os.path.join(folder, "a:b")
    eq(total(store_of(SEED, into=store))[0], 42)
    p = subprocess.run([DRIBBLE, "export", "--store", "./a:b"], cwd=folder, capture_output=True, timeout=30 * SLOW)
    eq((p.returncode, len(p.stdout.splitlines())), (0, 42), p.stderr)


@check("dribble {0} --help names no option twice", rows=COMMANDS)
def options_once(command):
    names = [n.replace("_", "-") for n in re.findall(r"^  --(\S+)", cli(command, "--help").out.decode(), re.M)]
    eq(sorted(names), sorted(set(names)))


@check("user add before there is a store: the folder is made, and becomes the store; serve asks for the account")
def user_first():
    store = new_store()
    token = cli("user", "add", "anna", "--token", "--store", store).out.decode().strip()
    eq((sorted(n for n in os.listdir(store) if n == "accounts"), os.stat(store).st_mode & 0o777), (["accounts"], 0o750))
    cli("import", "--store", store, SEED)
    server = Server(store)
    eq(server.get("/pdns/query/circl.lu").status, 401)
    eq(len(server.ask("circl.lu", headers=[("authorization", "Bearer " + token)]).lines), 8)
    server.stop()


@check("user add: {0}: exit 1, its name, and nothing is made", rows=["no parent of the store", "--accounts FILE in no folder", "a file instead of the store"])
def user_nowhere(kind):
    folder = tempdir()
    away = os.path.join(folder, "away")
    where = {"no parent of the store": ["--store", os.path.join(away, "db")], "--accounts FILE in no folder": ["--accounts", os.path.join(away, "f"), "--store", "x"],
             "a file instead of the store": ["--store", write(away, b"")]}[kind]
    ran = cli("user", "add", "anna", "--token", *where, code=1)
    ok(away.encode() in ran.err and not ran.out, ran)
    ok(not os.path.isdir(away), "a folder was made")


@check("data of an unknown type is found in any spelling: {0}", rows=["\\# 4 0A00000F", "\\# 4 0a00000f", "\\# 4 0a 00 00 0F", "\\#  4  0a00000f"])
def unknown_data(spelled):
    ran = cli("query", "--store", unknown_store(), "--style", "cof", spelled)
    eq([json.loads(l)["rrname"] for l in ran.out.splitlines()], ["a.unknown.test"], ran)
    eq(cli("query", "--store", unknown_store(), "--rrtype", "TYPE65281", spelled).out, b"")
    eq(len(cli("query", "--store", unknown_store(), "--rrtype", "TYPE65280", spelled).out.splitlines()), 1)


@once
def unknown_store():
    return store_of(temp("u.ndjson", ndjson([cof("a.unknown.test", "TYPE65280", "\\# 4 0a00000f"), cof("b.unknown.test", "TYPE65280", "\\# 4 0a00000e"),
                                             cof("c.unknown.test", "TYPE65281", "\\# 3 0a0000")])))


@check("query --server: an error of the server is exit 1 with its line")
def query_server_error():
    ok(b"CIDR" in cli("query", "--server", seed_server().url(), "192.0.2.0/24", code=(1, 2)).err)


@check("{0} while the server runs: the right data, or exit 1 that says why", rows=["query circl.lu", "export", "stats", "check"])
def beside(words):
    ran = cli(*words.split(), "--store", seed_server().store, code=(0, 1))
    if ran.code == 1:
        ok(re.search(rb"server|in use|lock|held", ran.err), ran)
    elif words == "export":
        eq(len(ran.out.splitlines()), 42, ran)
    elif words.startswith("query"):
        eq(len(ran.out.splitlines()), 8, ran)
    eq(len(seed_server().ask("circl.lu").lines), 8, "the server goes on")


# ------------------------------------------------------------ query, export, check, stats

@check("query --store: the server's own lines, style {0}", rows=["circl", "cof", "doc"])
def query_style(style):
    eq(cli("query", "--store", seed_store(), "--style", style, "circl.lu").out, seed_server().ask("circl.lu", style=style).body)


@check("query --style table shows every record")
def query_table():
    out = cli("query", "--store", seed_store(), "--style", "table", "circl.lu").out
    for word in (b"185.194.93.14", b"2a00:5980:93::14", b"ns4.eurodns.com", b"SOA", b"260"):
        ok(word in out, out)


@check("query reads values as the server does: {0!r}", rows=["CIRCL.LU.", "185.194.93.14", "2A00:5980:93:0:0:0:0:14", "[2a00:5980:93::14]", "10 cppy.circl.lu"])
def query_values(value):
    ran = cli("query", "--store", seed_store(), "--style", "circl", value)
    eq(ran.out, seed_server().ask(value).body)
    ok(ran.out)


@check("query of nothing: exit 0, nothing on stdout; of a CIDR block: exit 1 or 2 with the reason")
def query_nothing():
    eq(cli("query", "--store", seed_store(), "nothing.test").out, b"")
    ok(b"CIDR" in cli("query", "--store", seed_store(), "192.0.2.0/24", code=(1, 2)).err)


@check("query --rrtype filters")
def query_rrtype():
    for given in ("SOA", "soa", "TYPE6", "6"):
        eq(len(cli("query", "--store", seed_store(), "--rrtype", given, "circl.lu").out.splitlines()), 1, given)


@check("a store that is not there: exit 1, its name, and none is made: {0}", rows=["query x.test", "export", "stats", "check"])
def no_store(words):
    store = os.path.join(tempdir(), "not-there")
    ran = cli(*words.split(), "--store", store, code=1)
    ok(b"not-there" in ran.err, ran)
    ok(not os.path.exists(store), "a store was made")


@check("export: COF, rrname = owner, clean lines, and import of it rebuilds the same database")
def export_import():
    lines = export(seed_store())
    clean_body(Response("1.1", 200, "", [], lines, True, b"export"))
    with open(SEED) as f:
        want = sorted((r["rrname"], r["rrtype"], r["rdata"].lower(), r["count"], r["time_first"], r["time_last"]) for r in map(json.loads, f))
    eq(sorted((r["rrname"], r["rrtype"], r["rdata"], r["count"], r["time_first"], r["time_last"]) for r in map(json.loads, lines.splitlines())), want)
    rebuilt = store_of(temp("export.ndjson", lines))
    eq(export(rebuilt), lines)


@check("export of nasty records rebuilds the same database")
def export_nasty():
    rows = [cof("quote\\\"d.test", "A", "192.0.2.1"), cof("nul\\000.test", "TXT", '"a\\000b" "\\"q\\" \\255"'), cof("x.test", "TYPE65280", "\\# 3 00ff7f"),
            cof("op.test", "A", "not an address"), cof("t.test", "TXT", '""'), cof(".", "NS", "a.test"), cof("dot\\.x.test", "CNAME", "back\\\\slash.test"),
            cof("svc.test", "HTTPS", "1 . alpn=h2,h3 ipv4hint=192.0.2.1 key65400=abc"), cof("op2.test", "MX", "caf\u00e9 \u0001 \u007f")]
    store = store_of(temp("nasty.ndjson", ndjson(rows)))
    lines = export(store)
    eq(len(lines.splitlines()), len(rows), lines)
    clean_body(Response("1.1", 200, "", [], lines, True, b"export"))
    eq(export(store_of(temp("again.ndjson", lines))), lines)


@check("export VALUE gives only that")
def export_value():
    eq(len(export(seed_store(), "circl.lu").splitlines()), 8)
    eq(len(export(seed_store(), "circl.lu", "com").splitlines()), 13)


@check("export of an empty store is empty, check of it is fine")
def empty():
    store = store_of(temp("empty.ndjson", b""))
    eq(export(store), b"")
    cli("check", "--store", store)


@check("check: exit 0 on a sound store")
def sound():
    cli("check", "--store", seed_store())


@check("compact: one table, the same records; again it finds nothing to do")
def compact():
    store = new_store()
    # As one batch each is small, they are fresh rows, of which compaction makes a table.
    for i in range(4):
        cli("import", "--store", store, temp(f"part{i}.ndjson", ndjson(RECORDS[i * 20:i * 20 + 40])))
    before = export(store)
    for _ in range(2):
        ran = cli("compact", "--store", store)
        ok(re.fullmatch(rb"disk +\d+ bytes, \d+ before\n", ran.out), ran)
        eq(len(os.listdir(os.path.join(store, "tables"))), 1)
        eq(export(store), before)
        cli("check", "--store", store)


@check("compact of a store that is not there, or that a server holds: exit 1")
def compact_not():
    missing = new_store()
    ran = cli("compact", "--store", missing, code=1)
    ok(missing.encode() in ran.err and not os.path.exists(missing), ran)
    ran = cli("compact", "--store", seed_server().store, code=1)
    ok(ran.err.strip() and not ran.out, ran)


@check("stats tells numbers")
def stats():
    ran = cli("stats", "--store", seed_store())
    ok(len(re.findall(rb"\b\d+\b", ran.out)) > 1, ran)


@check("check of a damaged store: not exit 0, no crash")
def damaged():
    store = store_of(SEED)
    export(store)
    touched = 0
    for path in (os.path.join(folder, name) for folder, _, names in os.walk(store) for name in names):
        if path.endswith(".sst") or path.endswith(".log"):
            with open(path, "r+b") as f:
                size = os.path.getsize(path)
                if size > 200:
                    f.seek(size // 3)
                    f.write(b"\xa5" * (size // 3))
                    touched += 1
    ok(touched, "no file to damage", os.listdir(store))
    ran = cli("check", "--store", store, code=(0, 1))
    ok(ran.code == 1, "damage was not noticed", ran)
    ok(ran.err.strip(), ran)


# ------------------------------------------------------------ configuration

def print_config(*args):
    return cli("serve", "--print-config", *args).out.decode()


def setting(printed, key):
    """How --print-config writes `key = `, what the value is, and the rest of the line."""
    found = re.search(r"(?m)^([ \t]*" + key.replace("_", "[_-]") + r"\s*[=: ]\s*)(\S+)(.*)$", printed)
    ok(found, f"{key} is not printed", printed)
    return found[1], found[2].strip("\"'"), found[3]


def in_force(printed):
    """The settings without the comments."""
    return [line for line in printed.splitlines() if line.strip() and not line.lstrip().startswith(("#", ";"))]


@check("serve --print-config shows what is in force, and can be read back")
def config_printed():
    printed = print_config("--store", "memory:", "--maxset", "77", "--style", "cof", "--origin", "https://a.test/#x")
    for key, value in (("store", "memory:"), ("maxset", "77"), ("style", "cof"), ("page_max", "10000")):
        eq(setting(printed, key)[1], value, printed)
    again = print_config("--config", temp("dribble.conf", printed))
    eq(in_force(again), in_force(printed))


@check("an option wins over the file, the file over the default")
def config_order():
    path = temp("dribble.conf", print_config("--maxset", "77"))
    eq(setting(print_config(), "maxset")[1], "1000")
    eq(setting(print_config("--config", path), "maxset")[1], "77")
    eq(setting(print_config("--config", path, "--maxset", "78"), "maxset")[1], "78")
    eq(setting(print_config("--maxset", "78", "--config", path), "maxset")[1], "78", "in the other order")


@check("the file is used: a maxset of 2 from it cuts an answer")
def config_used():
    server = Server("memory:", "--config", temp("dribble.conf", print_config("--maxset", "2", "--listen", "127.0.0.1:0")))
    server.feed([cof("cut.test", "A", f"192.0.2.{i}") for i in range(5)])
    eq(len(server.ask("cut.test").lines), 2)
    server.stop()


@check("every key is also a long option")
def key_is_option():
    for line in in_force(print_config()):
        key = re.match(r"\s*([A-Za-z0-9_-]+)", line)[1]
        ok(re.search(r"--" + key.replace("_", "[_-]") + r"\b", cli("serve", "--help").out.decode()), f"--{key} is not in the help")


@check("an unknown key is an error with its file and line")
def unknown_key():
    before, value, rest = setting(print_config(), "maxset")
    text = f"# a comment\n\n{before}{value}{rest}\n{before.replace('maxset', 'no_such_key')}{value}{rest}\n"
    ran = cli("serve", "--config", temp("wrong.conf", text), "--print-config", code=(1, 2))
    ok(b"no_such_key" in ran.err and re.search(rb"wrong.conf\D*4\b", ran.err), ran)


@check("a value out of its range is an error with its line: {0}", rows=["maxset=0", "maxset=-1", "maxset=many", "page_max=0", "style=xml"])
def bad_value(given):
    key, value = given.split("=")
    before, _, rest = setting(print_config(), key)
    ran = cli("serve", "--config", temp("wrong.conf", f"# one\n{before}{value}{rest}\n"), "--print-config", code=(1, 2))
    ok(re.search(rb"wrong.conf\D*2\b", ran.err), ran)


@check("a value out of its range on the command line is exit 2: {0}", rows=["--maxset 0", "--page-max many", "--style xml", "--connection-timeout -1"])
def bad_option(words):
    cli("serve", "--store", "memory:", "--print-config", *words.split(), code=2)


@check("a config file that is missing: exit 1 or 2 and its name")
def no_config():
    ok(b"absent.conf" in cli("serve", "--config", "/nonexistent/absent.conf", "--print-config", code=(1, 2)).err)


@check("results go to stdout, and a stdout that fails is exit 1")
def full_stdout():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        p = subprocess.run([DRIBBLE, "export", "--store", seed_store()], stdout=full, stderr=subprocess.PIPE, timeout=30 * SLOW)
    eq(p.returncode, 1, p.stderr)
    ok(p.stderr.strip(), "nothing said")


if __name__ == "__main__":
    main()
