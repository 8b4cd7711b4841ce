# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of dnstap made by hand, and a sender that says them over a socket."""
import socket
import struct
import time

from dns import protobuf as member
from dribble import SLOW, Fail
from servers import wire_name

CONTENT = b"protobuf:dnstap.Dnstap"
ACCEPT, START, STOP, READY, FINISH = 1, 2, 3, 4, 5


def response(name, address, flags=0x8180):
    """A DNS message that answers with an A record."""
    question = wire_name(name) + struct.pack(">2H", 1, 1)
    return struct.pack(">6H", 7, flags, 1, 1, 0, 0) + question + b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, 300, 4) + socket.inet_aton(address)


def payload(message, identity=b"sender.test", kind=6, moment=1700000000):
    """One Dnstap message: CLIENT_RESPONSE unless another kind is said."""
    inner = member(1, kind) + member(12, moment) + member(14, message)
    return (member(1, identity) if identity else b"") + member(14, inner) + member(15, 1)


def frame(octets):
    return struct.pack(">I", len(octets)) + octets


def said(name, address="192.0.2.1", **more):
    return frame(payload(response(name, address), **more))


def control(kind, content=CONTENT):
    fields = struct.pack(">2I", 1, len(content)) + content if content else b""
    return struct.pack(">3I", 0, 4 + len(fields), kind) + fields


class Sender:
    """To a path or a port. polite: READY first."""

    def __init__(self, where, polite=True, begin=True):
        unix = isinstance(where, str)
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.socket.settimeout(20 * SLOW)
        self.socket.connect(where if unix else ("127.0.0.1", where))
        self.polite = polite
        if begin:
            self.begin()

    def begin(self):
        if self.polite:
            self.send(control(READY))
            kind, fields = self.receive()
            if kind != ACCEPT or CONTENT not in fields:
                raise Fail(f"no ACCEPT but {kind} {fields}")
        self.send(control(START))

    def send(self, octets):
        self.socket.sendall(octets)

    def exactly(self, n):
        out = b""
        while len(out) < n:
            more = self.socket.recv(n - len(out))
            if not more:
                raise Fail(f"the connection ended after {out}")
            out += more
        return out

    def receive(self):
        zero, size, kind = struct.unpack(">3I", self.exactly(12))
        if zero:
            raise Fail(f"no control frame: {zero}")
        return kind, self.exactly(size - 4)

    def is_closed(self):
        """Waits until the other side closes."""
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionError:
            pass
        except socket.timeout:
            return False
        return True

    def end(self):
        self.send(control(STOP, None))
        if self.polite:
            kind, _ = self.receive()
            if kind != FINISH:
                raise Fail(f"no FINISH but {kind}")
        if not self.is_closed():
            raise Fail("it is not closed after STOP")
        self.socket.close()

    def close(self):
        self.socket.close()


def send_paced(sender, frames, per_second, seconds):
    """Frames in turn, per_second of them every second; returns how many. A receiver that is slower makes it late: then it fails."""
    chunk = max(1, per_second // 50)
    pieces = [b"".join(frames[i:i + chunk]) for i in range(0, len(frames) - chunk + 1, chunk)]
    began, n = time.monotonic(), 0
    total = int(per_second * seconds) // chunk
    while n < total:
        sender.send(pieces[n % len(pieces)])
        n += 1
        ahead = n * chunk / per_second - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
    return n * chunk, time.monotonic() - began
