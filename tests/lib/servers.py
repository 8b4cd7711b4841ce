# SPDX-License-Identifier: GPL-3.0-or-later
"""Real DNS servers on loopback: knotd, unbound and named, started and stopped by the test, and a minimal client."""
import atexit
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading

from dribble import SLOW, Fail, Skip, tempdir, wait_for, write

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35, "DNAME": 39,
         "SVCB": 64, "HTTPS": 65, "AXFR": 252, "ANY": 255, "CAA": 257}


def free_port():
    """A port of 127.0.0.1 that is free for UDP and TCP just now. Whoever starts a server on it tries again when it no longer is."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]
            except OSError:
                continue
    raise Fail("no port is free")


def wire_name(name):
    """Of a name without escapes."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split(".") if label) + b"\0"


def query(name, rrtype, number=0x2345, flags=0x0100):
    return struct.pack(">6H", number, flags, 1, 0, 0, 0) + wire_name(name) + struct.pack(">2H", TYPES[rrtype], 1)


def ask(port, name, rrtype, seconds=5, source="127.0.0.1"):
    """The octets of an answer over UDP, or None when none comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds * SLOW)
        s.bind((source, 0))
        s.connect(("127.0.0.1", port))
        try:
            s.send(query(name, rrtype))
            return s.recv(65535)
        except OSError:
            return None


_running = []


@atexit.register
def _stop_all():
    for server in _running[:]:
        server.stop()


class DnsServer:
    """One that answers at self.port. A subclass has `program`, and `arguments(self)`, which writes the configuration for self.port."""

    program = None
    ready_for = ("example", "SOA")

    def __init__(self):
        if not shutil.which(self.program):
            raise Skip(f"{self.program} is not installed")
        self.dir = tempdir(self.program)
        os.chmod(self.dir, 0o755)
        for _ in range(5):
            self.port = free_port()
            self.log = open(os.path.join(self.dir, "log"), "ab")
            self.process = subprocess.Popen(self.arguments(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.dir)
            _running.append(self)
            if wait_for(self.answers_or_ended, 20, f"{self.program} answers") == "answers":
                return
            self.stop()
        raise Fail(f"{self.program} does not start", self.said())

    def answers_or_ended(self):
        if self.process.poll() is not None:
            return "ended"
        return "answers" if ask(self.port, *self.ready_for, seconds=0.5) else None

    def said(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as f:
            return f.read()[-3000:]

    def file(self, name, text):
        return write(os.path.join(self.dir, name), text)

    def stop(self):
        if self in _running:
            _running.remove(self)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.log.close()


class Knot(DnsServer):
    """Authoritative for zones, {name: text}; what it answers goes to a file or unix: socket of dnstap when one is named."""

    program = "knotd"

    def __init__(self, zones, dnstap=None, identity="knot.test"):
        self.zones, self.dnstap, self.identity = zones, dnstap, identity
        self.ready_for = (next(iter(zones)), "SOA")
        super().__init__()

    def arguments(self):
        text = (f"server:\n  listen: 127.0.0.1@{self.port}\n  rundir: {self.dir}\n  udp-workers: 1\n  tcp-workers: 1\n"
                f"  background-workers: 1\ndatabase:\n  storage: {self.dir}\nlog:\n- target: stderr\n  any: info\n")
        module = ""
        if self.dnstap:
            text += f"mod-dnstap:\n- id: tap\n  sink: {self.dnstap}\n  identity: {self.identity}\n  log-queries: on\n  log-responses: on\n"
            module = "  global-module: mod-dnstap/tap\n"
        text += (f"acl:\n- id: transfer\n  address: 127.0.0.0/8\n  action: transfer\n"
                 f"template:\n- id: default\n  storage: {self.dir}\n  acl: transfer\n{module}zone:\n")
        for name, zone in self.zones.items():
            self.file(f"zone-{name}", zone)
            text += f"- domain: {name}\n  file: zone-{name}\n"
        return ["knotd", "-c", self.file("knot.conf", text)]


class Unbound(DnsServer):
    """A resolver that asks the server at a port for everything in zones, itself or (forward) as a forwarder."""

    program = "unbound"

    def __init__(self, zones, authority, dnstap=None, forward=False, more=""):
        self.zones, self.authority, self.dnstap, self.more = zones, authority, dnstap, more
        self.kind = "forward" if forward else "stub"
        self.ready_for = (zones[0], "SOA")
        super().__init__()

    def arguments(self):
        text = (f"server:\n  interface: 127.0.0.1\n  port: {self.port}\n  directory: {self.dir}\n  chroot: \"\"\n  username: \"\"\n"
                f"  pidfile: \"\"\n  use-syslog: no\n  do-daemonize: no\n  do-not-query-localhost: no\n  module-config: \"iterator\"\n"
                f"  num-threads: 1\n  access-control: 127.0.0.0/8 allow\n{self.more}")
        for zone in self.zones:
            text += f"  local-zone: \"{zone}.\" transparent\n"
        for zone in self.zones:
            text += f"{self.kind}-zone:\n  name: \"{zone}.\"\n  {self.kind}-addr: 127.0.0.1@{self.authority}\n"
        if "." not in self.zones:  # nothing leaves this machine
            text += f"forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{self.authority}\n"
        if self.dnstap:
            text += (f"dnstap:\n  dnstap-enable: yes\n  dnstap-socket-path: \"{self.dnstap}\"\n  dnstap-send-identity: yes\n"
                     f"  dnstap-identity: \"unbound.test\"\n  dnstap-log-resolver-response-messages: yes\n"
                     f"  dnstap-log-forwarder-response-messages: yes\n")
        text += "remote-control:\n  control-enable: no\n"
        return ["unbound", "-d", "-p", "-c", self.file("unbound.conf", text)]


class Named(DnsServer):
    """A resolver that forwards to the server at a port. dnstap: what dnstap-output says, such as 'file "x"'."""

    program = "named"

    def __init__(self, zones, authority, dnstap=None):
        self.zones, self.authority, self.dnstap = zones, authority, dnstap
        self.ready_for = (zones[0], "SOA")
        super().__init__()

    def arguments(self):
        tap = ""
        if self.dnstap:
            tap = f"dnstap {{ resolver response; forwarder response; }}; dnstap-output {self.dnstap}; dnstap-identity \"named.test\";"
        text = (f"options {{ directory \"{self.dir}\"; listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n"
                f"pid-file none; session-keyfile none; recursion yes; allow-query {{ 127.0.0.0/8; }}; allow-recursion {{ 127.0.0.0/8; }};\n"
                f"forward only; forwarders port {self.authority} {{ 127.0.0.1; }}; "  # nothing leaves this machine
                f"dnssec-validation no; empty-zones-enable no; managed-keys-directory \"{self.dir}\"; {tap} }};\ncontrols {{ }};\n")
        for zone in self.zones:
            text += f"zone \"{zone}\" {{ type forward; forward only; forwarders port {self.authority} {{ 127.0.0.1; }}; }};\n"
        return ["named", "-g", "-n", "1", "-c", self.file("named.conf", text)]


class TapReceiver:
    """A Unix socket that takes dnstap from one live sender after another; data frames are collected in self.frames."""

    CONTENT = b"protobuf:dnstap.Dnstap"

    def __init__(self):
        self.path = os.path.join(tempdir("tap"), "s")
        self.frames = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.socket.listen(4)
        threading.Thread(target=self.accept, daemon=True).start()

    @classmethod
    def control(cls, kind, content=True):
        fields = struct.pack(">2I", 1, len(cls.CONTENT)) + cls.CONTENT if content else b""
        return struct.pack(">3I", 0, 4 + len(fields), kind) + fields

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as f:
                while self.take(connection, f):
                    pass
        except OSError:
            pass  # it left

    def take(self, connection, f):
        """One frame; False when it was the last."""
        head = f.read(4)
        if len(head) < 4:
            return False
        size, = struct.unpack(">I", head)
        if size:
            self.frames.append(f.read(size))
            return True
        kind, = struct.unpack(">I", f.read(struct.unpack(">I", f.read(4))[0])[:4])
        if kind == 4:  # READY: ACCEPT
            connection.sendall(self.control(1))
        elif kind == 3:  # STOP: FINISH
            connection.sendall(self.control(5, False))
        return kind != 3

    def as_file(self, path):
        return write(path, self.control(2) + b"".join(struct.pack(">I", len(f)) + f for f in self.frames) + self.control(3, False))

    def close(self):
        self.socket.close()
