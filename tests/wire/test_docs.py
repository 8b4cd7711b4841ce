# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation: pages and program agree, and what is shown can be done."""
import glob
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs"))
from dribble import *  # noqa: E402,F403
from dribble import SANITIZER  # noqa: E402
import dns  # noqa: E402
import layout  # noqa: E402

DOCS = os.path.join(ROOT, "docs")
BUILT_CONF = os.path.join(os.path.dirname(DRIBBLE), "docs", "dribble.conf.5")
MARKDOWN = ["README.md", "ARCHITECTURE.md", "HACKING.md", "bench/README.md"]
PAGES = sorted(os.path.basename(p) for p in glob.glob(os.path.join(DOCS, "*.[157]"))) + ["dribble.conf.5"]


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def page_path(name):
    path = BUILT_CONF if name == "dribble.conf.5" else os.path.join(DOCS, name)
    ok(os.path.exists(path), f"{path} is not there (ninja makes dribble.conf.5)")
    return path


def page(name):
    return read(page_path(name))


def section(text, name):
    """What stands under `.Sh NAME`; empty when there is none."""
    found = re.search(rf'^\.Sh "?{re.escape(name)}"?\n(.*?)(?=^\.Sh |\Z)', text, re.M | re.S)
    return found[1] if found else ""


def help_of(*command):
    return cli(*command, "--help").out.decode()


@once
def commands():
    found = re.findall(r"^  ([a-z]+) +\S", help_of(), re.M)
    ok(len(found) >= 7, found)
    return found


# ------------------------------------------------------------ options

def spelled(name):
    return name.replace("_", "-")


def options_in_help(text):
    """{name: argument} of a --help; the argument of a flag is ''."""
    found = {}
    for name, argument in re.findall(r"^ {2}--([a-z][a-z_-]*)(?: ([^\s]+))?(?= {2}|$)", text, re.M):
        found[spelled(name)] = argument
    return found


def options_in_page(text):
    found = {}
    for name, argument in re.findall(r"^\.It Fl -([a-z][a-z_-]*)(?: Ar (\S+))?$", text, re.M):
        ok(spelled(name) not in found, f"--{name} is there twice")
        found[spelled(name)] = argument
    return found


def agree(in_help, in_page):
    eq(sorted(in_page.items()), sorted(in_help.items()), "options: the page (got), --help (want)")


@check("every command has a page, every page of section 1 a command, and all are installed")
def pages_and_commands():
    have = {re.fullmatch(r"dribble-?(.*)\.1", p)[1] for p in PAGES if p.endswith(".1")}
    eq(sorted(have), sorted(["", *commands()]))
    build = read("docs", "meson.build")
    for name in PAGES:
        ok(f"'{name}'" in build, f"docs/meson.build does not install {name}")
    overview = page("dribble.1")
    for command in commands():
        ok(f".It Cm {command}\n" in overview, f"dribble.1 does not list {command}")


@check("the options of every command's --help are those of its page")
def command_options():
    problems = []
    for command in commands():
        if command == "user":
            continue
        text = page(f"dribble-{command}.1")
        in_help, in_page = options_in_help(help_of(command)), options_in_page(text)
        ok("config" in in_help, f"nothing was read of dribble {command} --help", in_help)
        try:
            ok(".It Fl h , -help\n" in text, "--help is not explained")
            agree(in_help, in_page)
        except Fail as fail:
            problems.append(f"dribble {command}: {fail}")
    ok(not problems, *problems)


@check("dribble user: the options of every subcommand are those of its page")
def user_options():
    text = page("dribble-user.1")
    shared = options_in_page(text.split("\n.Ss ")[0])
    agree(options_in_help(help_of("user")), shared)
    parts = {p.split()[0]: p.split("\n.Sh ")[0] for p in text.split("\n.Ss ")[1:]}
    names = set(re.findall(r"(?:user |\| )([a-z]+)", help_of("user").split("\n")[0]))
    eq(set(parts), names)
    for name, part in parts.items():
        agree(options_in_help(help_of("user", name)), {**shared, **options_in_page(part)})


@check("no page speaks of an option that no command has")
def known_options():
    known = {"help", "version", "print-config"}
    for words in [*((c,) for c in commands()), *(("user", s) for s in ("add", "passwd", "token", "del", "list"))]:
        known |= set(options_in_help(help_of(*words)))
    for name in PAGES:
        text = page(name)
        for option in re.findall(r"\bFl -([a-z][a-z_-]*)|\bdribble [a-z][^\n]*? --([a-z][a-z_-]*)", text):
            option = spelled(option[0] or option[1])
            ok(option in known, f"{name}: --{option}")
    for command in commands():
        for line in re.findall(rf"^  (?:.*\| )?dribble {command} (.*)$", help_of(command), re.M):
            for option in re.findall(r"--([a-z][a-z_-]*)", line):
                ok(spelled(option) in known, f"the help of {command}: --{option}")
    for name in MARKDOWN:
        for line in re.findall(r"\bdribble [a-z][^`\n]*", read(name)):
            for option in re.findall(r" --([a-z][a-z_-]*)", line):
                ok(spelled(option) in known, f"{name}: --{option} in {line!r}")


# ------------------------------------------------------------ configuration

@check("dribble.conf(5) has every key, with its default, and no others")
def config_keys():
    shown = {}
    for key, value in re.findall(r"^(\w+) = (.*)$", cli("serve", "--print-config").out.decode(), re.M):
        shown[key] = value.strip('"')
    in_page, last = {}, None
    lines = page("dribble.conf.5").split("\n")
    for i, line in enumerate(lines):
        found = re.fullmatch(r"\.It Cm (\w+) No = Ar \S+", line)
        if found:
            last = found[1]
            in_page[last] = ""
        elif line == "The default is":
            in_page[last] = re.fullmatch(r"\.Li (.*) \.", lines[i + 1])[1].replace("\\-", "-")
    ok(len(in_page) > 10, in_page)
    eq(sorted(in_page), sorted(shown))
    for key, value in in_page.items():
        same = cli("serve", f"--{key}={value}", "--print-config").out.decode() if value else ""
        ok(shown[key] == value or re.search(rf"^{key} = {re.escape(shown[key])}$", same, re.M), key, value, shown[key])


@check("what --print-config shows is a configuration file that says the same")
def config_round_trip():
    path = temp("c.conf", cli("serve", "--maxset", "7", "--listen", "127.0.0.1:1", "--listen", "[::1]:2", "--print-config").out)
    values = lambda ran: [l for l in ran.out.split(b"\n") if l and not l.startswith(b"#")]  # noqa: E731
    again = cli("serve", "--config", path, "--print-config")
    with open(path, "rb") as f:
        eq(values(again), [l for l in f.read().split(b"\n") if l and not l.startswith(b"#")])


@check("the example of dribble.conf(5) is a configuration that is taken")
def config_example():
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page("dribble.conf.5"), re.M | re.S):
        if "$ " not in block:
            cli("serve", "--config", temp("c.conf", unroff(block)), "--print-config")


# ------------------------------------------------------------ pages as such

@check("{0}: mandoc has no complaint", rows=PAGES)
def lint(name):
    if not shutil.which("mandoc"):
        raise Skip("mandoc is not installed")
    ran = run(["mandoc", "-T", "lint", "-W", "warning", page_path(name)])
    eq((ran.code, ran.out), (0, b""), ran)


@check("{0}: its sections, its cross-references, its line in NAME", rows=PAGES)
def sections(name):
    text = page(name)
    for wanted in ["NAME", "DESCRIPTION", "EXAMPLES", "SEE ALSO", *(["SYNOPSIS", "EXIT STATUS"] if name.endswith(".1") else [])]:
        ok(section(text, wanted).strip(), f"no section {wanted}")
    ok(f".Nm {name[:-2]}\n.Nd " in text, "NAME")
    for other, number in re.findall(r"\bXr (dribble[a-z.-]*) ([1-9])", text):
        ok(f"{other}.{number}" in PAGES, f"there is no {other}({number})")
        ok(f"{other}.{number}" != name, "it refers to itself")


@check("dribble-sources(7) has a section for each format")
def formats():
    said = cli("import", "--format", "none", "x", code=2).err.decode()
    names = re.search(r"there are auto, (.*)", said)[1].split(", ")
    shown = re.findall(r"^\.Ss (\S+)$", section(page("dribble-sources.7"), "FORMATS"), re.M)
    eq(sorted(set(names) - set(shown)), [], shown)


# What a page says in numbers, and where the number is.
NUMBERS = [
    ("dribble-api.7", "It has at most {} octets.", "src/base/limits.h", "QUERY_VALUE_MAX"),
    ("dribble-api.7", "The request target is over {} octets.", "src/base/limits.h", "URL_MAX"),
    ("dribble-api.7", "for measuring.\nAt most {}.", "src/base/limits.h", "PING_MAX"),
    ("dribble-api.7", "The headers are over {} octets.", "src/base/limits.h", "HEADERS_MAX"),
    ("dribble-api.7", "At most {}.\nA type that nobody knows", "src/base/limits.h", "FILTER_TYPES_MAX"),
    ("dribble-api.7", "names the first {} of these", "src/http/import.c", "ERRORS_MAX"),
    ("dribble-api.7", "1 to {} octets that the client chooses", "src/http/import.c", "KEY_OCTETS_MAX"),
    ("dribble-cof.5", "At most {}, the end of the year 9999", "src/base/limits.h", "TIME_MAX"),
    ("dribble-cof.5", "Who observed it: text of at most {} octets", "src/base/limits.h", "MEMBER_MAX"),
    ("dribble-sources.7", "A frame has at most {} octets", "src/base/limits.h", "FRAME_MAX"),
    ("dribble-sources.7", "a control frame {}.", "src/base/limits.h", "CONTROL_FRAME_MAX"),
    ("dribble-sources.7", "Chains are followed for {} names.", "src/base/limits.h", "MESSAGE_CHAIN_MAX"),
    ("dribble-user.1", "It has at most {} octets.", "src/base/limits.h", "PASSWORD_MAX"),
    ("dribble-keys.5", "It describes version {} of the layout.", "src/store/store_priv.h", "LAYOUT_VERSION"),
    ("dribble-keys.5", "A segment is up to {} consecutive rows.", "src/store/segment.h", "SEGMENT_ROWS"),
    ("dribble-keys.5", "and the format, {}, in eight octets", "src/store/table_format.h", "FORMAT"),
    ("dribble-keys.5", "the first {} and\na hash of all of it follow", "src/store/keys.c", "CUT_HEAD"),
]


@check("{0}: {3}", rows=NUMBERS)
def numbers(name, sentence, source, macro):
    found = re.search(rf'\b{macro}\b(?:\s*=)?\s*"?(\d+)', read(source))
    ok(found, f"{macro} is not in {source}")
    flat = lambda text: re.sub(r"\s+", " ", text.replace("\n.Li ", " "))  # noqa: E731
    ok(flat(sentence.format(found[1])) in flat(page(name)), f"{macro} is {found[1]}; {name} does not say so: {sentence!r}")


@check("dribble-keys(5): the ranks are those of the table")
def ranks():
    table = re.search(r"\branked\[\] = \{(.*?)^\};", read("src", "model", "rrtype.c"), re.M | re.S)[1]
    names = re.findall(r'\{"([A-Z0-9-]+)", \d+\}', table)
    ok(len(names) > 50, names)
    shown = re.findall(r"\b(\d+) ([A-Z][A-Z0-9-]*)", section(page("dribble-keys.5"), "TYPES"))
    eq(sorted((int(n), name) for n, name in shown), list(enumerate(names, 1)))


@check("dribble-keys(5): a store holds the octets of the example")
def octets():
    key, data_key, value = [bytes.fromhex(block.strip().replace(" ", "")) for block in blocks_of("dribble-keys.5")
                            if re.fullmatch(r"[0-9a-f \n]+", block)]
    server = Server(os.path.join(tempdir(), "db"))
    with open(SEED, "rb") as f:
        server.feed(f.read())
    log = b""  # RocksDB's log has keys and values as they are, each behind its length
    for path in glob.glob(os.path.join(server.store, "rocksdb", "*.log")):
        with open(path, "rb") as f:
            log += f.read()
    server.stop()
    area = b"R\0\0\0\0"
    for row in (key, data_key):
        ok(bytes([len(area) + len(row)]) + area + row + bytes([len(value)]) + value in log, row.hex(" "), value.hex(" "))


# ------------------------------------------------------------ the layout, by another program

RANKS = {"A": 1, "AAAA": 3, "CNAME": 13, "HTTPS": 29, "MX": 44, "NS": 49, "PTR": 58, "SOA": 68, "SRV": 70, "TXT": 76}


def wire_name(text):
    """A name in presentation form, canonical, as octets; ValueError when it is none."""
    wire = b""
    for label in re.findall(r"(?:[^.\\]|\\\d{3}|\\\D)+", text):
        octets = re.sub(rb"\\(\d{3})|\\(\D)", lambda m: bytes([int(m[1])]) if m[1] else m[2], label.encode()).lower()
        if not 1 <= len(octets) <= 63:
            raise ValueError(text)
        wire += bytes([len(octets)]) + octets
    return wire + b"\0"


def address(text):
    try:
        return (b"6" + socket.inet_pton(socket.AF_INET6, text)) if ":" in text else b"4" + socket.inet_pton(socket.AF_INET, text)
    except OSError:
        return None


def strings(octets):
    """Text as character-strings of 255 octets."""
    return b"".join(bytes([len(octets[i:i + 255])]) + octets[i:i + 255] for i in range(0, max(len(octets), 1), 255))


def text_subject(text):
    try:
        if " " not in text:
            return address(text) or layout.name_subject(wire_name(text))
    except ValueError:
        pass
    return layout.text_subject(text.encode())


def data_of(rrtype, text):
    """(rank octets, rdata, opaque, [(subject, offset, octets)] of terms, subject of the text) of data that is written as dribble
    prints it."""
    rank = layout.rank_octets(RANKS.get(rrtype), int(rrtype[4:]) if rrtype.startswith("TYPE") else 0)
    words, out, terms = text.split(" "), b"", []

    def name(word):
        nonlocal out
        terms.append((layout.name_subject(wire_name(word)), len(out), len(wire_name(word))))
        out += wire_name(word)

    def hint(key, subject):
        nonlocal out
        out += struct.pack(">HH", key, len(subject) - 1)
        terms.append((subject, len(out), len(subject) - 1))
        out += subject[1:]

    if rrtype in ("A", "AAAA") and address(text) and len(address(text)) == (5 if rrtype == "A" else 17):
        terms.append((address(text), 0, len(address(text)) - 1))
        out = address(text)[1:]
    elif rrtype in ("CNAME", "NS", "PTR") and len(words) == 1:
        name(words[0])
    elif rrtype == "MX" and len(words) == 2:
        out = struct.pack(">H", int(words[0]))
        name(words[1])
    elif rrtype == "SRV" and len(words) == 4:
        out = struct.pack(">HHH", *map(int, words[:3]))
        name(words[3])
    elif rrtype == "SOA" and len(words) == 7:
        name(words[0])
        name(words[1])
        out += struct.pack(">5I", *map(int, words[2:]))
    elif rrtype == "HTTPS" and len(words) == 4:  # 1 NAME ipv4hint=A ipv6hint=AAAA
        out = struct.pack(">H", int(words[0]))
        name(words[1])
        hint(4, address(words[2].split("=")[1]))
        hint(6, address(words[3].split("=")[1]))
    elif rrtype == "TXT":
        out = strings("".join(re.findall(r'"([^"]*)"', text)).encode())
    elif rrtype.startswith("TYPE"):
        out = bytes.fromhex("".join(words[2:]))
    else:
        return rank, text.encode(), True, [], text_subject(text)
    return rank, out, False, terms, text_subject(text)


def rows_of_record(r):
    members = {}
    if "zone_time_first" in r:
        members[2] = layout.varint(r["zone_time_first"]) + layout.varint(r["zone_time_last"] - r["zone_time_first"])
    for tag, member in ((3, "sensor_id"), (4, "bailiwick")):
        if member in r:
            members[tag] = r[member].encode()
    value = layout.Value(r.get("count", 0), r.get("time_first", 0), r.get("time_last", 0), members)
    return layout.rows_of(wire_name(r["rrname"]), *data_of(r["rrtype"], r["rdata"]), value)


def odd_records():
    """One of each thing that the page makes a difference of."""
    long_text = " ".join(f"word{i}" for i in range(60))
    label = "l" * 63
    long_name = ".".join([label, label, label, "m" * 50])
    data = [("a.example", "TXT", '"v=spf1 -all"'), ("a.example", "TXT", '""'), ("a.example", "TXT", f'"{long_text[:197]}"'),
            ("a.example", "TXT", f'"{long_text[:198]}"'), ("a.example", "TXT", f'"{long_text[:253]}"'),
            ("a.example", "TXT", f'"{long_text[:254]}"'), ("a.example", "TXT", f'"{long_text[:255]}" "{long_text[255:]}"'),
            (".", "NS", "a.root-servers.example"), ("b.example", "NS", "."), ("c.example", "CNAME", "c.example"),
            ("d.example", "MX", "mail.d.example"), ("d.example", "MX", "192.0.2.9"), ("d.example", "MX", "no mail here"),
            ("e.example", "A", "2001:db8::1"), ("e.example", "CNAME", "two words"), ("mail.d.example", "MX", "mail.d.example"),
            ("\\000\\001\\002\\003.example", "NS", "x\\002\\000y.example"), ("f.example", "TYPE65280", "\\# 4 C0000201"),
            ("f.example", "TYPE65280", "\\# 0"), ("f.example", "TYPE65280", "\\# 300 " + "01" * 300),
            ("g.example", "SOA", "ns.g.example host.g.example 1 2 3 4 5"), ("ns.h.example", "SOA", "ns.h.example ns.h.example 1 2 3 4 4294967295"),
            ("i.example", "HTTPS", "1 . ipv4hint=192.0.2.7 ipv6hint=2001:db8::7"), ("j.example", "SRV", "1 2 443 srv.j.example"),
            (f"{long_name}.a", "SOA", f"{long_name}.b {long_name}.c 1 2 3 4 5")]
    records = [cof(*d, count=i) for i, d in enumerate(data, 1)]
    for i, (count, first, last) in enumerate([(62, 1, 1), (63, 1, 2), (64, 5, 5 + 127), (2 ** 63 - 1, 5, 5 + 128), (1, 2 ** 32 - 1, 2 ** 32),
                                              (70, 2 ** 32, 253402300799), (1, 253402300799, 253402300799)]):
        records.append(cof(f"v{i}.example", "A", "192.0.2.1", count, first, last))
    records.append(cof("m.example", "A", "192.0.2.1", 3, sensor_id="here", bailiwick="example"))
    records.append(cof("m.example", "A", "192.0.2.2", 3, 1600000000, 1600000001, zone_time_first=1500000000, zone_time_last=1700000000))
    records.append(dict(rrname="m.example", rrtype="A", rdata="192.0.2.3", zone_time_first=1500000000, zone_time_last=1500000001))
    records.append(cof("m.example", "TXT", f'"{long_text[:250]} m"', 100, 2 ** 33, 2 ** 33 + 1, sensor_id="there"))
    return records


def many_records(dice, n):
    names = [f"{dice.choice(['www', 'mail', 'a', 'b'])}.{dice.randrange(n)}.example" for _ in range(n // 3)]
    make = {"A": lambda: f"198.51.{dice.randrange(8)}.{dice.randrange(256)}", "AAAA": lambda: f"2001:db8::{dice.randrange(1, 9999):x}",
            "NS": lambda: dice.choice(names), "CNAME": lambda: "cdn.example", "MX": lambda: f"{dice.randrange(3)} {dice.choice(names)}",
            "TXT": lambda: f'"t{dice.randrange(99)}"', "TYPE65280": lambda: f"\\# 2 {dice.randrange(65536):04X}"}
    for _ in range(n):
        rrtype = dice.choice(list(make))
        first = dice.randrange(1, 2 ** 31)
        yield cof(dice.choice(names), rrtype, make[rrtype](), dice.choice([1, 1, 2, 62, 63, 1000]), first, first + dice.randrange(10 ** 7))


@check("dribble-keys(5): a program written from it finds in a store what it says")
def another_reader():
    dice = seeded()
    folder = tempdir()
    store, wanted = os.path.join(folder, "db"), {}
    large, small = [list(many_records(dice, 15000)) for _ in range(2)], [odd_records(), list(many_records(dice, 2000)), odd_records()]
    small[-1].append(cof("last.example", "A", "192.0.2.1"))
    for i, records in enumerate([large[0], small[0], large[1], *small[1:]]):
        path = write(os.path.join(folder, f"{i}.ndjson"), ndjson(records))
        cli("import", "--store", store, path)
        for r in records:
            for key, value in rows_of_record(r).items():
                wanted.setdefault(key, []).append(value)
    wanted = {key: layout.merged(values) for key, values in wanted.items()}
    try:
        found = layout.Store(store)
    except OSError as error:
        raise Skip(error)
    ok(len(found.tables) == 2 and found.n_fresh > 3000, found.tables, found.n_fresh)
    ok(any(not flag & 1 for t in found.tables for flag in t.flags), "only plain segments were met")
    sensors = {key: layout.Value.parse(found.rows.pop(key)) for key in list(found.rows) if key[:1] == layout.SENSOR}
    count = {name: sum(r.get("sensor_id", "import") == name for records in (*large, *small) for r in records) for name in ("import", "here", "there")}
    eq({layout.sensor_of(key): v.count for key, v in sensors.items()}, {(name.encode(), 1): n for name, n in count.items()}, "sensors")
    ok(all(abs(t - time.time()) < 3600 for v in sensors.values() for t in (v.first, v.last)), sensors)
    differ = sorted(key for key in {**found.rows, **wanted} if found.rows.get(key) != wanted.get(key))
    show = lambda rows, key: rows[key].hex() if key in rows else "-"  # noqa: E731
    ok(not differ, f"{len(differ)} rows differ", *(f"{k.hex()}\n  store {show(found.rows, k)}\n  page  {show(wanted, k)}" for k in differ[:8]))
    eq(len(found.notes), 5, "notes")
    for i, records in enumerate([large[0], small[0], large[1], *small[1:]]):
        text = ndjson(records)
        note = layout.Stream(found.notes[b"\1f" + layout.hash128(text[:65536]) + struct.pack(">I", 0)])
        eq(note.take(16), layout.hash128(text), "the hash of the file")
        told = [note.varint() for _ in range(8)]
        note.done()
        eq(told[:7], [1, len(text), len(records), len(text), len(records), 0, 0], f"the note of file {i}")
        ok(abs(told[7] - time.time()) < 600, told)


# ------------------------------------------------------------ Markdown, layers

@check("{0}: links and paths lead to what is there", rows=MARKDOWN)
def links(name):
    text = read(name)
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in t]
    for token in re.findall(r"`([A-Za-z_.][\w./*-]*)`", text):
        looks = re.match(r"(src|docs|tests|fuzz|bench|packaging|sample|base|model|ingest|store|feed|answer|query|access|config|http|cli)/", token) \
            or re.fullmatch(r"[A-Z]+\.md|\.clang-format|LICENSE", token)
        if looks and not re.search(r"NAME|FOLDER", token):
            targets.append(token)
    ok(targets or name == "HACKING.md", "no links were found")
    for target in targets:
        found = [g for at in (ROOT, os.path.join(ROOT, "src"), os.path.dirname(os.path.join(ROOT, name)))
                 for g in glob.glob(os.path.join(at, target))]
        ok(found, f"{name}: {target} is not there")


@check("ARCHITECTURE.md: a file includes its own layer and those before it")
def layers():
    text = read("ARCHITECTURE.md")
    order = re.search(r"^    (base(?: [a-z]+)+)$", text, re.M)[1].split()
    folders = sorted(d for d in os.listdir(os.path.join(ROOT, "src")) if os.path.isdir(os.path.join(ROOT, "src", d)))
    eq(sorted(order), folders)
    eq(re.findall(r"^\| `([a-z]+)` \|", text, re.M), order, "the table of layers")
    built = re.search(r"^foreach folder : \[(.*)\]$", read("src", "meson.build"), re.M)[1]
    eq(re.findall(r"'([a-z]+)'", built), order, "src/meson.build")
    for path in glob.glob(os.path.join(ROOT, "src", "*", "*.[ch]")):
        own = order.index(os.path.basename(os.path.dirname(path)))
        for layer in re.findall(r'^#include "([a-z]+)/', read(path), re.M):
            ok(order.index(layer) <= own, f"{os.path.relpath(path, ROOT)} includes {layer}")


@check("the licence, ./run and ./test are there")
def top():
    ok(read("LICENSE").lstrip().startswith("GNU GENERAL PUBLIC LICENSE"))
    for name in ("run", "test"):
        ok(os.access(os.path.join(ROOT, name), os.X_OK) and f"./{name}" in read("README.md"), name)


@check("the systemd unit is one, and starts the server with options that it has")
def unit():
    built = os.path.join(os.path.dirname(DRIBBLE), "packaging", "dribble.service")
    text = read(built)
    start = re.search(r"^ExecStart=(\S+/dribble) (.*)$", text, re.M)
    ok(start, text)
    words = start[2].replace("/etc/dribble.conf", temp("c.conf", cli("serve", "--print-config").out)).split()
    cli(*words, "--print-config")
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    folder = tempdir()
    copy = write(os.path.join(folder, "dribble.service"), text.replace(start[1], DRIBBLE))
    ran = run(["systemd-analyze", "verify", "--man=no", copy])
    complaints = [l for l in ran.err.decode().split("\n") if "dribble.service" in l]
    eq(complaints, [], ran)


# ------------------------------------------------------------ examples

def unroff(text):
    for code, plain in (("\\&", ""), ("\\-", "-"), ("\\(dq", '"'), ("\\(aq", "'"), ("\\(ha", "^"), ("\\e", "\\")):
        text = text.replace(code, plain)
    return text


def blocks_of(name):
    if name.endswith(".md"):
        found = re.findall(r"(?:^ {4}.*\n)+", read(name), re.M)
        return [re.sub(r"^ {4}", "", b, flags=re.M) for b in found]
    return [unroff(b) for b in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page(name), re.M | re.S)]


def examples_of(name):
    """[(command, output shown or None)] of all `$ …` lines; `> …` goes on."""
    found = []
    for block in blocks_of(name):
        command, output = None, []
        for line in [*block.rstrip("\n").split("\n"), "$ "]:
            if line.startswith("$ "):
                if command is not None:
                    found.append((command, "\n".join(output) + "\n" if output else None))
                command, output = line[2:], []
            elif line.startswith("> ") and not output and command is not None:
                command += "\n" + line[2:]
            elif command is not None:
                output.append(line)
    return found


class Place:
    """A folder to run examples in: a store with the sample, the files they name, and a server when one is asked."""

    STORE, URL = "/var/lib/dribble", "http://127.0.0.1:8400"

    def __init__(self):
        self.dir = tempdir("docs")
        self.store = os.path.join(self.dir, "db")
        self.tmp = os.path.join(self.dir, "tmp")
        self.server = None
        for folder in ("bin", "tmp", "old", "home"):
            os.mkdir(os.path.join(self.dir, folder))
        os.symlink(DRIBBLE, os.path.join(self.dir, "bin", "dribble"))
        self.env = {"PATH": os.path.join(self.dir, "bin") + ":" + os.environ["PATH"], "TMPDIR": self.tmp,
                    "HOME": os.path.join(self.dir, "home"), "no_proxy": "127.0.0.1"}
        store_of(SEED, into=self.store)
        shutil.copy(SEED, os.path.join(self.dir, "feed.ndjson"))
        self.bash("zstd -q -k feed.ndjson; for i in 1 2; do echo '{\"rrname\": \"old.example\", \"rrtype\": \"A\", "
                  "\"rdata\": \"192.0.2.1\", \"time_first\": 1500000000}' | gzip > old/$i.gz; done")
        client, server = ("203.0.113.9", 4000), ("203.0.113.53", 53)
        with open(os.path.join(self.dir, "traffic.pcap"), "wb") as f:
            f.write(dns.pcap([(1600000000_000000, dns.udp_frame(client, server, dns.question("www.example.net", "A"))),
                              (1600000000_020000, dns.udp_frame(server, client, dns.response(
                                  "www.example.net", "A", [("www.example.net", "A", "192.0.2.10")])))]))
        if shutil.which("openssl"):
            self.bash("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out chain.pem 2>&1")

    def bash(self, text):
        return subprocess.run(["bash", "-c", "set -o pipefail; " + text], cwd=self.dir, capture_output=True, input=b"secret\n",
                              env=dict(os.environ, **self.env), timeout=120 * SLOW)

    def here(self, text):
        text = re.sub(rf"{self.STORE}|/tmp/", lambda m: self.store if m[0] == self.STORE else self.tmp + "/", text)
        return text.replace(self.URL, self.url()) if self.URL in text else text

    def url(self):
        if not self.server:
            self.serve(["--store", self.store])
        return self.server.url

    def serve(self, words):
        """dribble serve, on a port of the kernel's choice whatever the words say."""
        self.stop()
        kept = []
        words = iter(words)
        for word in words:
            if word == "--listen":
                next(words)
            else:
                kept.append(word)
        self.server = Serving([DRIBBLE, "serve", *kept, "--listen", "127.0.0.1:0"], self)

    def stop(self):
        server, self.server = self.server, None
        if server:
            server.stop()

    def run(self, command):
        words = shlex.split(command, comments=False)
        if words[:2] == ["dribble", "serve"] and "--print-config" not in words:
            if "key.pem" in words and not os.path.exists(os.path.join(self.dir, "key.pem")):
                return None
            self.serve(shlex.split(self.here(command).rstrip("& "))[2:])
            return None
        if re.search(rf"\bdribble (import|user|compact)\b.*--store {self.STORE}\b", command):
            self.stop()  # a store has one writer, and accounts take up to a second to be known
        ran = self.bash(self.here(command))
        wanted = (0, 3) if "--rejects" in words else (0,)
        ok(ran.returncode in wanted and not SANITIZER.search(ran.stderr), f"$ {command}", f"exit {ran.returncode}",
           ran.stdout.decode(), ran.stderr.decode())
        return ran.stdout.decode()


class Serving:
    def __init__(self, args, place):
        self.log = os.path.join(place.dir, f"server-{len(os.listdir(place.dir))}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd=place.dir)
        try:
            self.url = wait_for(self.ready, 20, f"{args}: listening")
        except Fail:
            self.process.kill()
            self.process.wait()
            raise

    def said(self):
        with open(self.log, "rb") as log:
            return log.read()

    def ready(self):
        found = re.search(rb"listening on (https?://127\.0\.0\.1:\d+)\n", self.said())
        ok(found or self.process.poll() is None, "the server ended", self.said())
        return found and found[1].decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20 * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        eq(code, 0, "exit code of the server", self.said())
        ok(not SANITIZER.search(self.said()), self.said())


def plain(text):
    """What differs from run to run made equal: dates, sizes on disk, tokens, and how a cursor spells its place."""
    for pattern, by in ((r"\d{4}-\d\d-\d\d [\d:]+ to \d{4}-\d\d-\d\d [\d:]+ UTC$", "T"), (r"^date: .*$", "date: D"), (r"^(disk +)\d+ bytes$", r"\1N bytes"), (r"^(rows +)\d+", r"\1N"),
                        (r"dribble_[\w-]{43}", "TOKEN"), (r"(?<=x-dribble-cursor: )[1-9]\d+", "CURSOR")):
        text = re.sub(pattern, by, text, flags=re.M)
    return text.replace("\r", "")


@check("{0}: its examples can be run, and give what is shown", rows=[*PAGES, "README.md"])
def examples(name):
    found = examples_of(name)
    if name == "dribble-keys.5":
        eq(found, [], "examples in octets only")
        return
    ok(found, "there are none")
    place = Place()
    try:
        for command, shown in found:
            if command.split()[0] not in ("dribble", "curl") and re.search(r"\bdnsdbq\b", command) and not shutil.which("dnsdbq"):
                continue
            said = place.run(command)
            if shown is not None:
                ok(said is not None, f"$ {command}: output is shown, and none is looked at")
                eq(plain(said), plain(shown), f"$ {command}")
    finally:
        place.stop()


if __name__ == "__main__":
    main()
