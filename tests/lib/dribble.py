# SPDX-License-Identifier: GPL-3.0-or-later
"""What every wire and property test stands on: programs, servers, raw HTTP and TAP.

A test file declares its tests with @check and ends in main(). Nothing here sleeps for a fixed
time: whatever has to happen is polled for, with a deadline that DRIBBLE_TEST_SLOW stretches.
"""
import atexit
import functools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DRIBBLE = os.path.abspath(os.environ.get("DRIBBLE", os.path.join(ROOT, "build", "dribble")))
SLOW = float(os.environ.get("DRIBBLE_TEST_SLOW", "1"))
SEED = os.path.join(ROOT, "sample", "seed.ndjson")

@functools.lru_cache
def sanitized():
    """By how much the program may take more memory: what is freed stays in ASan's quarantine, and TSan has a shadow of all."""
    with open(DRIBBLE, "rb") as f:
        octets = f.read()
    return 8 if b"__tsan_init" in octets else 4 if b"__asan_init" in octets else 1


SANITIZER = re.compile(rb"(Address|Leak|Memory|Thread|UndefinedBehavior)Sanitizer|runtime error:"
                       rb"|Assertion .* failed|==\d+==ERROR")


# ---------------------------------------------------------------- TAP

class Fail(Exception):
    """One expectation that was not met; the text goes out as TAP diagnostics."""

    def __init__(self, *what):
        super().__init__("\n".join(str(w) for w in what))


class Skip(Exception):
    """The test cannot be made here; the reason goes out as TAP's SKIP."""


_checks = []


def check(name, rows=None):
    """Declares a test; with rows, one test a row, the name formatted with the row."""
    def declare(function):
        if rows is None:
            _checks.append((name, function, ()))
        else:
            for row in rows:
                row = row if isinstance(row, tuple) else (row,)
                _checks.append((name.format(*row), function, row))
        return function
    return declare


def ok(condition, *what):
    if not condition:
        raise Fail(*what or ["expectation not met"])


def clip(value, limit=1500):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def eq(got, want, *what):
    if got != want:
        raise Fail("got:  " + clip(got), "want: " + clip(want), *what)


def among(got, wanted, *what):
    if got not in wanted:
        raise Fail("got:  " + clip(got), "want one of: " + clip(list(wanted)), *what)


def printable(text):
    return re.sub(r"[^\x20-\x7e]", lambda m: f"\\x{ord(m[0]):02x}", text)


def diagnose(text):
    for line in str(text).split("\n"):
        print("#   " + printable(line))


def main():
    """Runs every declared test; the last ones say that framing was right and no server crashed."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    done = failed = 0
    always = [("no answer had content-length twice", no_repeated_lengths, ()),
              ("no server crashed, and each stops cleanly", stop_all, ())]
    for name, function, row in [*(c for c in _checks if only in c[0]), *always]:
        done += 1
        began = time.monotonic()
        problem, skipped = None, ""
        try:
            function(*row)
        except Skip as skip:
            skipped = f" # SKIP {skip}"
        except Fail as fail:
            problem = str(fail)
        except Exception:  # a broken test or a broken server: both must be seen
            problem = traceback.format_exc().rstrip()
        print(f"{'not ' if problem else ''}ok {done} - {clip(printable(name).replace('#', '/'), 150)}{skipped}", flush=True)
        if problem:
            failed += 1
            diagnose(problem)
        took = time.monotonic() - began
        if took > 2:
            print(f"#   took {took:.1f} s")
        sys.stdout.flush()
    print(f"1..{done}", flush=True)
    sys.exit(1 if failed else 0)


def once(function):
    """A fixture: made at first use and shared; a failure to make it is shared as well."""
    made = []

    def get():
        if not made:
            try:
                made.append((function(), None))
            except Exception as error:
                made.append((None, error))
        value, error = made[0]
        if error:
            raise Fail(f"fixture {function.__name__}: {error}")
        return value
    get.__name__ = function.__name__
    return get


# ---------------------------------------------------------------- time and places

def wait_for(condition, seconds=10, what="the condition"):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + seconds * SLOW
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Fail(f"{what}: not within {seconds * SLOW:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def seconds():
    """Now, by the clock that time(2) reads: it is up to a tick behind time.time(), which may be in the next second already."""
    return int(time.clock_gettime(5))  # CLOCK_REALTIME_COARSE, which Python has no name for


_scratch = None


def tempdir(prefix="t"):
    global _scratch
    if _scratch is None:
        _scratch = tempfile.mkdtemp(prefix="dribble-test-")
        atexit.register(shutil.rmtree, _scratch, ignore_errors=True)
    return tempfile.mkdtemp(prefix=prefix + "-", dir=_scratch)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


def temp(name, data):
    """A new file of that name in a folder of its own."""
    return write(os.path.join(tempdir(), name), data)


# ---------------------------------------------------------------- programs

class Ran:
    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err

    def __str__(self):
        return (f"$ {' '.join(self.args)}\nexit {self.code}\nstdout: {clip(self.out)}\n"
                f"stderr: {clip(self.err)}")


def run(args, stdin=b"", timeout=60, env=None):
    """Any program. A death by signal or a sanitizer's report fails the test that asked."""
    args = [str(a) for a in args]
    try:
        p = subprocess.run(args, input=stdin, capture_output=True, timeout=timeout * SLOW,
                           env=dict(os.environ, **(env or {})))
    except subprocess.TimeoutExpired as e:
        raise Fail(f"$ {' '.join(args)}: still running after {timeout * SLOW:g} s",
                   f"stderr: {clip(e.stderr or b'')}")
    ran = Ran(args, p.returncode, p.stdout, p.stderr)
    ok(ran.code >= 0, "killed by a signal", ran)
    ok(not SANITIZER.search(ran.err), ran)
    return ran


def cli(*args, stdin=b"", code=0, timeout=60, env=None):
    """dribble; code is the exit code wanted, a collection of them, or None for any."""
    ran = run([DRIBBLE, *args], stdin=stdin, timeout=timeout, env=env)
    if code is not None:
        wanted = code if isinstance(code, (tuple, list, set)) else (code,)
        ok(ran.code in wanted, f"exit {ran.code}, wanted {wanted}", ran)
    return ran


def peak_of(*args, **how):
    """dribble, and how many KiB it took at most."""
    tell = ("import resource, subprocess, sys; p = subprocess.run(sys.argv[1:]); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(p.returncode)")
    ran = run([sys.executable, "-c", tell, DRIBBLE, *args], **how)
    ok(ran.code == 0, ran)
    return ran, int(ran.out)


def store_of(*files, into=None):
    """A store folder with those files imported."""
    store = into or os.path.join(tempdir("store"), "db")
    if files:
        cli("import", "--store", store, *files)
    return store


def cof(rrname, rrtype, rdata, count=1, first=1600000000, last=None, **more):
    return dict(rrname=rrname, rrtype=rrtype, rdata=rdata, count=count, time_first=first,
                time_last=first if last is None else last, **more)


def ndjson(records):
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records)


# ---------------------------------------------------------------- HTTP by hand

class Response:
    """status, reason, headers in order with their names as sent, body, and whether it was whole."""

    def __init__(self, version, status, reason, headers, body, complete, head):
        self.asked = b""
        self.version, self.status, self.reason = version, status, reason
        self.headers, self.body, self.complete, self.head = headers, body, complete, head

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name]

    def get(self, name):
        values = self.all(name)
        if name == "content-length":
            values = list(dict.fromkeys(values))  # equal repeats are told once, at the end
        ok(len(values) < 2, f"header {name} sent {len(values)} times", self)
        return values[0] if values else None

    @property
    def lines(self):
        ok(not self.body or self.body.endswith(b"\n"), "body does not end in LF", self)
        return self.body.split(b"\n")[:-1]

    @property
    def records(self):
        return [json.loads(line) for line in self.lines]

    @property
    def cursor(self):
        return self.get("x-dribble-cursor")

    @property
    def errors(self):
        return self.get("x-dribble-errors")

    def __str__(self):
        asked = clip(self.asked.decode("latin-1")).replace("\r\n", "\n> ").rstrip("\n> ")
        head = self.head.decode("latin-1").replace("\r\n", "\n< ")
        return f"> {asked}\n< {head}\n{clip(self.body)}"


_repeated = []


def no_repeated_lengths():
    ok(not _repeated, f"{len(_repeated)} answers had content-length twice, as", *_repeated[:1])


class Conn:
    """One TCP connection. EOF and resets come out as Fail unless asked for."""

    def __init__(self, port, timeout=20, rcvbuf=None):
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout * SLOW)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with a RST, as a client does that has seen enough."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def ask(self, method, path, headers=(), body=None, version="1.1"):
        asked = request_bytes(method, path, headers, body, version)
        self.send(asked)
        answer = self.response(method == "HEAD")
        answer.asked = asked
        return answer

    def more(self, size=65536):
        """Reads once; False at the end of the stream."""
        try:
            data = self.sock.recv(size)
        except socket.timeout:
            raise Fail(f"no answer in {self.sock.gettimeout():g} s; so far: {clip(self.buffer)}")
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    def until_closed(self):
        while self.more():
            pass
        return self.buffer

    def take(self, size):
        parts, have = [self.buffer], len(self.buffer)
        while have < size:
            self.buffer = b""
            if not self.more(1 << 20):
                break
            parts.append(self.buffer)
            have += len(self.buffer)
        whole = b"".join(parts)
        self.buffer = whole[size:]
        return whole[:size]

    def line(self):
        while b"\n" not in self.buffer:
            if not self.more():
                return None
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def response(self, is_head=False):
        while True:
            while b"\r\n\r\n" not in self.buffer:
                if not self.more():
                    raise Fail(f"connection closed before a whole response head: {clip(self.buffer)}")
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            first, *rest = head.decode("latin-1").split("\r\n")
            found = re.fullmatch(r"HTTP/(1\.[01]) (\d\d\d)(?: (.*))?", first)
            ok(found, f"not a status line: {first!r}")
            version, status, reason = found[1], int(found[2]), found[3]
            headers = []
            for header in rest:
                ok(re.match(r"[!-9;-~]+:", header), f"malformed header line {header!r}")
                name, value = header.split(":", 1)
                headers.append((name, value.strip(" \t")))
            if status >= 200:
                break
        answer = Response(version, status, reason, headers, b"", True, head)
        lengths, coding = answer.all("content-length"), answer.all("transfer-encoding")
        ok(not (lengths and coding), "both content-length and transfer-encoding", answer)
        ok(len(set(lengths)) < 2, "two content-lengths", answer)
        if len(lengths) > 1:
            _repeated.append(answer)
        if is_head or status in (204, 304):
            return answer
        if coding:
            eq([c.lower() for c in coding], ["chunked"], answer)
            answer.body, answer.complete = self.chunks()
        elif lengths:
            size = int(lengths[0])
            answer.body = self.take(size)
            answer.complete = len(answer.body) == size
        else:
            answer.body = self.until_closed()
            self.buffer = b""
        return answer

    def chunks(self):
        parts = []
        while True:
            line = self.line()
            if line is None:
                return b"".join(parts), False
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return b"".join(parts), True
            data = self.take(size)
            parts.append(data)
            if len(data) < size or self.line() is None:
                return b"".join(parts), False


def request_bytes(method, path, headers=(), body=None, version="1.1"):
    headers = list(headers.items() if isinstance(headers, dict) else headers)
    names = {n.lower() for n, _ in headers}
    if "host" not in names:
        headers.insert(0, ("host", "127.0.0.1"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        headers.append(("content-length", str(len(body))))
    path = path if isinstance(path, bytes) else path.encode("utf-8")
    out = b"%s %s HTTP/%s\r\n" % (method.encode(), path, version.encode())
    for name, value in headers:
        value = value if isinstance(value, bytes) else str(value).encode("utf-8")
        out += name.encode() + b": " + value + b"\r\n"
    return out + b"\r\n" + (body or b"")


def quote(value):
    return urllib.parse.quote(value, safe="")


# ---------------------------------------------------------------- the server

_servers = []


class Server:
    """dribble serve on a port of the kernel's choice; ready when the constructor returns."""

    def __init__(self, store, *args, env=None, expect_start=True):
        self.store = store
        self.args = [DRIBBLE, "serve", "--store", store]
        if "--listen" not in args:
            self.args += ["--listen", "127.0.0.1:0"]
        self.args += [str(a) for a in args]
        self.err = b""
        self.port = None
        self.credentials = None
        self.process = subprocess.Popen(self.args, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env=dict(os.environ, **(env or {})))
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        _servers.append(self)
        if expect_start:
            self.ready.wait(20 * SLOW)
            if self.port is None:
                self.process.kill()
                self.process.wait()
                _servers.remove(self)
                raise Fail(f"$ {' '.join(self.args)}\ndid not start (exit {self.process.returncode}); "
                           f"stderr:\n{clip(self.err.decode('latin-1'))}")

    def read_log(self):
        for line in self.process.stderr:
            self.err += line
            found = re.search(rb"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                self.ready.set()
        self.ready.set()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=12):
        try:
            self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Fail(f"server still running {seconds * SLOW:g} s after it was told to stop")
        finally:
            self.reader.join(5 * SLOW)
            if self in _servers:
                _servers.remove(self)
        return self.process.returncode

    def stop(self):
        """Ends the server and fails unless it ended well."""
        early = self.process.poll()
        if early is None:
            self.signal()
        code = self.wait()
        log = clip(self.err[-3000:].decode("latin-1"), 3000)
        ok(not SANITIZER.search(self.err), "sanitizer report", log)
        ok(early is None, f"the server ended on its own with {early}", log)
        eq(code, 0, "exit code after SIGTERM", log)

    def kill(self):
        self.process.kill()
        self.wait()

    def connect(self, **how):
        return Conn(self.port, **how)

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"

    def request(self, method, path, headers=(), body=None, version="1.1"):
        headers = list(headers.items() if isinstance(headers, dict) else headers)
        if self.credentials and not any(n.lower() == "authorization" for n, _ in headers):
            headers.append(("authorization", self.credentials))
        with self.connect() as conn:
            answer = conn.ask(method, path, [*headers, ("connection", "close")], body, version)
        ok(answer.complete, "body cut short", answer)
        return answer

    def get(self, path, headers=()):
        return self.request("GET", path, headers)

    def ask(self, value, style=None, rrtype=None, count=None, cursor=None, headers=(), prefix=""):
        """GET of a value, percent-encoded here; must be 200."""
        headers = list(headers.items() if isinstance(headers, dict) else headers)
        for name, given in (("dribble-style", style), ("dribble-filter-rrtype", rrtype),
                            ("dribble-paginate-count", count), ("dribble-paginate-cursor", cursor)):
            if given is not None:
                headers.append((name, given))
        answer = self.get(f"{prefix}/pdns/query/{quote(value)}", headers)
        eq(answer.status, 200, f"GET {value!r} {headers}", answer)
        return answer

    def pages(self, value, count, limit=10000, **more):
        """All pages of a value in order."""
        pages, cursor = [], None
        while True:
            page = self.ask(value, count=count, cursor=cursor, **more)
            pages.append(page)
            if page.cursor is None:
                return pages
            ok(re.fullmatch(r"[1-9][0-9]*", page.cursor), "cursor is no positive decimal", page)
            ok(page.cursor != cursor, "the cursor does not advance", page)
            cursor = page.cursor
            ok(len(pages) < limit, "paging does not end")

    def feed(self, records, headers=(), status=200):
        """POST of COF lines (bytes, or dicts); returns the parsed answer when it is 200."""
        body = records if isinstance(records, bytes) else ndjson(records)
        headers = list(headers.items() if isinstance(headers, dict) else headers)
        answer = self.request("POST", "/pdns/import", headers, body)
        among(answer.status, status if isinstance(status, (tuple, list)) else (status,), answer)
        if answer.status != 200:
            return answer
        told = json.loads(answer.body)
        eq(list(told), ["accepted", "rejected", "errors"], "members of the import answer", answer)
        return told


def stop_all():
    problems = []
    for server in list(_servers):
        try:
            server.stop()
        except Fail as fail:
            problems.append(f"$ {' '.join(server.args)}\n{fail}")
    ok(not problems, *problems)


@atexit.register
def kill_all():
    for server in list(_servers):
        if server.process.poll() is None:
            server.process.kill()


# ---------------------------------------------------------------- what holds for every answer

def clean_body(answer):
    """ASCII, LF after every line, no blank line, no NUL escape, each line one JSON object."""
    body = answer.body
    bad = re.search(rb"[^\x20-\x7e\n]", body)
    ok(not bad, "a byte that is not printable ASCII", bad and body[max(0, bad.start() - 60):bad.end() + 20])
    if body:
        ok(body.endswith(b"\n"), "no final LF", answer)
    ok(b"\n\n" not in body and not body.startswith(b"\n"), "a blank line", answer)
    for line in answer.lines:
        record = json.loads(line)
        ok(isinstance(record, dict), "a line is no object", line)
        text = json.dumps(list(record.values()))
        ok("\\u0000" not in text, "NUL in a string", line)
        skeleton = re.sub(rb'"(?:[^"\\]|\\.)*"', b"S", line)
        ok(re.fullmatch(rb"\{S: (S|\d+)(, S: (S|\d+))*\}", skeleton), "spacing or a value's kind", line)
    return answer


def error_body(answer, *statuses):
    """A refusal: one non-empty line of plain text, never JSON."""
    if statuses:
        among(answer.status, statuses, answer)
    kind = answer.get("content-type") or ""
    ok(kind == "text/plain" or kind.startswith("text/plain;"), "content-type of an error", answer)
    ok(re.fullmatch(rb"[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*\n", answer.body), "not one line of text and a LF", answer)
    ok(answer.body.strip()[:1] not in (b"{", b"[", b"<"), "JSON or HTML in an error", answer)
    ok(answer.body.strip() != b"Rate Limit Exceeded", answer)
    return answer


def seeded():
    """A random.Random whose seed is printed; DRIBBLE_TEST_SEED repeats a run."""
    seed = int(os.environ.get("DRIBBLE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"# DRIBBLE_TEST_SEED={seed}")
    return random.Random(seed)
