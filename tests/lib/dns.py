# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS made by hand: messages, captures of them, and dnstap files.

A record is (owner, type, data): names without a final dot, type as a mnemonic, data as the fields of the type, in a tuple where
there are several. data_text gives it as dribble prints it.
"""
import ipaddress
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "OPT": 41, "HTTPS": 65}
RCODES = {"NOERROR": 0, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
NAMES = ("NS", "CNAME", "PTR")  # whose data is a name


def data_text(rrtype, data):
    if rrtype == "TXT":
        return '"' + "".join(data).replace("\\", "\\\\").replace('"', '\\"') + '"'
    return " ".join(str(field) for field in data) if isinstance(data, tuple) else data


class Message:
    """Octets with compressed names."""

    def __init__(self, ident, flags, counts):
        self.octets = struct.pack(">6H", ident, flags, *counts)
        self.places = {}

    def name(self, name, compress=True):
        labels = name.encode().split(b".") if name else []
        for i in range(len(labels)):
            rest = b".".join(labels[i:])
            if compress and rest in self.places:
                self.octets += struct.pack(">H", 0xC000 | self.places[rest])
                return
            if len(self.octets) < 0x4000:
                self.places.setdefault(rest, len(self.octets))
            self.octets += bytes([len(labels[i])]) + labels[i]
        self.octets += b"\0"

    def question(self, name, rrtype, rrclass=1):
        self.name(name)
        self.octets += struct.pack(">2H", TYPES[rrtype], rrclass)

    def data(self, rrtype, data):
        if rrtype in ("A", "AAAA"):
            self.octets += ipaddress.ip_address(data).packed
        elif rrtype in NAMES:
            self.name(data)
        elif rrtype == "MX":
            self.octets += struct.pack(">H", data[0])
            self.name(data[1])
        elif rrtype == "SRV":
            self.octets += struct.pack(">3H", *data[:3])
            self.name(data[3], compress=False)
        elif rrtype == "SOA":
            self.name(data[0])
            self.name(data[1])
            self.octets += struct.pack(">5I", *data[2:])
        elif rrtype == "TXT":
            self.octets += b"".join(bytes([len(s)]) + s.encode() for s in data)

    def record(self, owner, rrtype, data, ttl=300):
        self.name(owner)
        self.octets += struct.pack(">2HIH", TYPES[rrtype], 4096 if rrtype == "OPT" else 1, ttl, 0)
        start = len(self.octets)
        self.data(rrtype, data)
        self.octets = self.octets[:start - 2] + struct.pack(">H", len(self.octets) - start) + self.octets[start:]


def question(name, rrtype, ident=1):
    m = Message(ident, 0x0100, (1, 0, 0, 0))
    m.question(name, rrtype)
    return m.octets


def response(name, rrtype, answers=(), authorities=(), additionals=(), rcode="NOERROR", truncated=False, ident=1):
    sections = (answers, authorities, additionals)
    m = Message(ident, 0x8180 | (0x0200 if truncated else 0) | RCODES[rcode], (1, *(len(s) for s in sections)))
    m.question(name, rrtype)
    for section in sections:
        for record in section:
            m.record(*record)
    return m.octets


# ---------------------------------------------------------------- captures

def checksum(octets):
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def udp_frame(source, destination, payload):
    """Ethernet, IPv4 and UDP around octets; source and destination are (address, port)."""
    udp = struct.pack(">4H", source[1], destination[1], 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, ipaddress.ip_address(source[0]).packed,
                       ipaddress.ip_address(destination[0]).packed)
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + head + udp


def pcap(frames):
    """A capture of (time in microseconds, frame)."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for us, frame in frames:
        out += [struct.pack("<4I", us // 1000000, us % 1000000, len(frame), len(frame)), frame]
    return b"".join(out)


# ---------------------------------------------------------------- dnstap

def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def protobuf(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def dnstap_frame(message, us, kind=6, identity=b"tap.test"):
    """A CLIENT_RESPONSE, unless another kind is said."""
    inner = protobuf(1, kind) + protobuf(12, us // 1000000) + varint(13 << 3 | 5) + struct.pack("<I", us % 1000000 * 1000)
    return protobuf(1, identity) + protobuf(14, inner + protobuf(14, message)) + protobuf(15, 1)


def dnstap_file(frames):
    content = b"protobuf:dnstap.Dnstap"
    start = struct.pack(">3I", 2, 1, len(content)) + content
    stop = struct.pack(">I", 3)
    body = b"".join(struct.pack(">I", len(f)) + f for f in frames)
    return struct.pack(">2I", 0, len(start)) + start + body + struct.pack(">2I", 0, len(stop)) + stop
