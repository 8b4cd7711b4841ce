# SPDX-License-Identifier: GPL-3.0-or-later
"""What DNS comes wrapped in: link layers, VLAN tags, IPv6, fragments, TCP in any order, and the framings of captures."""
import gzip
import ipaddress
import json
import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import dns  # noqa: E402
from dribble import *  # noqa: E402,F403

V4 = (("203.0.113.9", 4000), ("203.0.113.53", 53))  # client, server
V6 = (("2001:db8::9", 4000), ("2001:db8::53", 53))
UDP, TCP, FRAGMENT = 17, 6, 44
VLAN, QINQ = 0x8100, 0x88A8
SYN, FIN, PUSH, ACK = 2, 1, 8, 16
START = 1600000000
MAC = b"\2\0\0\0\0\1\2\0\0\0\0\2"


# ------------------------------------------------------------ layers

def ip(source, destination, protocol, payload, ident=0, fragment=0, options=b""):
    a, b = ipaddress.ip_address(source[0]).packed, ipaddress.ip_address(destination[0]).packed
    if len(a) == 16:
        return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + a + b + payload
    words = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), ident, fragment, 64, protocol, 0) + a + b + options
    return head[:10] + struct.pack(">H", dns.checksum(head)) + head[12:] + payload


def udp(source, destination, payload):
    return struct.pack(">4H", source[1], destination[1], 8 + len(payload), 0) + payload


def tcp(source, destination, sequence, flags, payload=b"", options=b"", acknowledged=1):
    return struct.pack(">HHIIBBHHH", source[1], destination[1], sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, (5 + len(options) // 4) << 4, flags, 65535, 0,
                       0) + options + payload


def ethertype(packet):
    return 0x0800 if packet[0] >> 4 == 4 else 0x86DD


def tagged(packet, tags):
    """The types and tags behind a link's addresses, and the packet."""
    types = [*tags, ethertype(packet)]
    return struct.pack(">H", types[0]) + b"".join(struct.pack(">HH", 100, t) for t in types[1:]) + packet


def ethernet(packet, *tags):
    return MAC + tagged(packet, tags)


def sll(packet, *tags):
    return struct.pack(">HHH8s", 0, 1, 6, MAC[:8]) + tagged(packet, tags)


def sll2(packet):
    return struct.pack(">HHIHBB8s", ethertype(packet), 0, 2, 1, 0, 6, MAC[:8]) + packet


def loopback(packet, order=">"):
    return struct.pack(order + "I", 2 if packet[0] >> 4 == 4 else 30) + packet


def fragments(source, destination, payload, size, protocol=UDP, before=b"", outer=FRAGMENT):
    out = []
    for at in range(0, len(payload), size):
        more, part = at + size < len(payload), payload[at:at + size]
        if ":" in source[0]:
            out.append(ip(source, destination, outer, before + struct.pack(">BBHI", protocol, 0, at | more, 77) + part))
        else:
            out.append(ip(source, destination, protocol, part, 77, 0x2000 * more | at // 8))
    return out


# ------------------------------------------------------------ framings

def pcap(frames, link=1, order="<", nano=False, kept=1 << 18):
    out = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    for i, frame in enumerate(frames):
        out += struct.pack(order + "4I", START + i // 100, i % 100, len(frame[:kept]), len(frame)) + frame[:kept]
    return out


def block(order, kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order="<"):
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order, link, resolution=None):
    option = b"" if resolution is None else struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
    return block(order, 1, struct.pack(order + "HHI", link, 0, 0) + option)


def enhanced(order, number, frame, ticks=START * 10**6):
    return block(order, 6, struct.pack(order + "5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame)


# ------------------------------------------------------------ traffic

def question(name, ident):
    return dns.question(name, "A", ident)


def answer(name, ident):
    return dns.response(name, "A", [(name, "A", "192.0.2.1")], ident=ident)


def exchange(ends, name, ident):
    client, server = ends
    return [ip(client, server, UDP, udp(client, server, question(name, ident))),
            ip(server, client, UDP, udp(server, client, answer(name, ident)))]


Q4, A4 = exchange(V4, "a.test", 7)
Q6, A6 = exchange(V6, "b.test", 8)
BOTH = [Q4, A4, Q6, A6]
BIG = dns.response("big.test", "TXT", [("big.test", "TXT", tuple(c * 250 for c in "abcd"))], ident=9)
BIG_QUESTION = dns.question("big.test", "TXT", 9)


def framed(message):
    return struct.pack(">H", len(message)) + message


def pieces(octets, size):
    return [(i, octets[i:i + size]) for i in range(0, len(octets), size)]


def connection(ends, questions, segments, first=1000, options=b""):
    """segments: (place, octets) of what the server says, as they arrive."""
    client, server = ends
    asked = b"".join(framed(q) for q in questions)
    end = max(place + len(octets) for place, octets in segments)
    return [ip(client, server, TCP, tcp(client, server, 500, SYN, options=b"\2\4\5\xb4")),
            ip(server, client, TCP, tcp(server, client, first, SYN | ACK)),
            ip(client, server, TCP, tcp(client, server, 501, PUSH | ACK, asked, options)),
            *(ip(server, client, TCP, tcp(server, client, first + 1 + place, PUSH | ACK, octets, options)) for place, octets in segments),
            ip(server, client, TCP, tcp(server, client, first + 1 + end, FIN | ACK)),
            ip(client, server, TCP, tcp(client, server, 501 + len(asked), ACK, acknowledged=first + 2 + end))]


def captured(octets, *options, code=0):
    """{owner: count}"""
    ran = cli("capture", "-r", temp("layers.pcap", octets), *options, code=code)
    found = {}
    for line in ran.out.splitlines():
        r = json.loads(line)
        found[r["rrname"]] = found.get(r["rrname"], 0) + r["count"]
    return found, ran.err


ALL = {"a.test": 1, "b.test": 1}


@check("link layer: {0}", rows=[
    ("Ethernet", pcap([ethernet(p) for p in BOTH])), ("big endian", pcap([ethernet(p) for p in BOTH], order=">")),
    ("nanoseconds, big endian", pcap([ethernet(p) for p in BOTH], order=">", nano=True)),
    ("VLAN", pcap([ethernet(p, VLAN) for p in BOTH])), ("QinQ", pcap([ethernet(p, QINQ, VLAN) for p in BOTH])),
    ("tags on one side", pcap([ethernet(Q4), ethernet(A4, VLAN), ethernet(Q6, VLAN, VLAN), ethernet(A6)])),
    ("padding and a checksum behind", pcap([ethernet(p) + b"\0" * 18 + b"FCS!" for p in BOTH])), ("SLL", pcap(map(sll, BOTH), 113)),
    ("SLL, VLAN", pcap([sll(p, VLAN) for p in BOTH], 113)), ("SLL v2", pcap(map(sll2, BOTH), 276)),
    ("BSD loopback", pcap([loopback(p, "<") for p in BOTH], 0)), ("OpenBSD loopback", pcap(map(loopback, BOTH), 108)),
    ("none", pcap(BOTH, 101)), ("gzip", gzip.compress(pcap([ethernet(p) for p in BOTH]))),
    ("zstd", run(["zstd", "-qc"], stdin=pcap([ethernet(p) for p in BOTH])).out),
    ("both sides seen twice", pcap([ethernet(p, *tags) for p in BOTH for tags in ([VLAN], [])])),
    ("options of IPv4", pcap([ethernet(ip(*V4, UDP, udp(*V4, question("a.test", 7)), options=b"\x94\4\0\0")), *map(ethernet, BOTH[1:])]))])
def links(name, octets):
    eq(captured(octets), (ALL, b"%d observations, 0 packets rejected, %s\n" % (2, b"question 4, unmatched 2" if "twice" in name else b"question 2")))


@check("pcapng: {0}", rows=[
    ("two interfaces", section() + interface("<", 1) + interface("<", 113) + enhanced("<", 0, ethernet(Q4)) + enhanced("<", 1, sll(A4)) +
     enhanced("<", 1, sll(Q6)) + enhanced("<", 0, ethernet(A6)), 0),
    ("big endian", section(">") + interface(">", 1) + b"".join(enhanced(">", 0, ethernet(p)) for p in BOTH), 0),
    ("sections of both byte orders", section() + interface("<", 1) + enhanced("<", 0, ethernet(Q4)) + enhanced("<", 0, ethernet(A4)) +
     section(">") + interface(">", 101) + enhanced(">", 0, Q6) + enhanced(">", 0, A6), 0),
    ("nanoseconds", section() + interface("<", 1, 9) + b"".join(enhanced("<", 0, ethernet(p), START * 10**9) for p in BOTH), 0),
    ("a power of two", section() + interface("<", 1, 0x80 | 20) + b"".join(enhanced("<", 0, ethernet(p), START << 20) for p in BOTH), 0),
    ("other blocks", section() + block("<", 0xBAD, b"x" * 99) + interface("<", 1) + block("<", 4, struct.pack("<HH", 0, 0)) +
     b"".join(enhanced("<", 0, ethernet(p)) for p in BOTH) + block("<", 5, struct.pack("<3I", 0, 0, 0)), 0),
    ("an interface that is not there", section() + interface("<", 1) + enhanced("<", 5, ethernet(Q4)) +
     b"".join(enhanced("<", 0, ethernet(p)) for p in BOTH), 3),
    ("an interface of radio", section() + interface("<", 105) + interface("<", 1) + enhanced("<", 0, ethernet(Q4)) +
     b"".join(enhanced("<", 1, ethernet(p)) for p in BOTH), 3)])
def pcapng(name, octets, code):
    eq(captured(octets, code=code)[0], ALL)


@check("fragments: {0}", rows=[
    (f"IPv{v}, {name}", ends, change) for v, ends in ((4, V4), (6, V6)) for name, change in (
        ("in order", lambda f: f), ("in reverse", lambda f: f[::-1]), ("twice", lambda f: f[:2] + f), ("one missing", lambda f: f[:-1]))])
def fragmented(name, ends, change):
    client, server = ends
    packets = [ip(client, server, UDP, udp(client, server, BIG_QUESTION)), *change(fragments(server, client, udp(server, client, BIG), 400))]
    eq(captured(pcap([ethernet(p, VLAN) + b"\0" * 4 for p in packets]))[0], {} if "missing" in name else {"big.test": 1})


@check("IPv6 with a header before fragments, a fragment that is whole, and TCP in fragments")
def odd_fragments():
    client, server = V6
    packets = [ip(client, server, UDP, udp(client, server, BIG_QUESTION)),
               *fragments(server, client, udp(server, client, BIG), 400, before=bytes([FRAGMENT, 0, 1, 4, 0, 0, 0, 0]), outer=0),
               Q6, *fragments(server, client, udp(server, client, answer("b.test", 8)), 4000)]
    eq(captured(pcap([ethernet(p) for p in packets]))[0], {"big.test": 1, "b.test": 1})
    client, server = V4
    whole = connection(V4, [BIG_QUESTION], [(0, framed(BIG))])
    packets = [*whole[:3], *fragments(server, client, tcp(server, client, 1001, PUSH | ACK, framed(BIG)), 400, TCP)]
    eq(captured(pcap([ethernet(p) for p in packets]))[0], {"big.test": 1})


PARTS = pieces(framed(BIG), 100)
MANY = [f"n{i}.test" for i in range(30)]
STREAM = pieces(b"".join(framed(answer(name, i)) for i, name in enumerate(MANY)), 77)


@check("over TCP, IPv{0}, {1}", rows=[
    (version, *row) for version in (4, 6) for row in (
        ("at once", [(0, framed(BIG))]), ("octet by octet", pieces(framed(BIG), 1)), ("in order", PARTS), ("in reverse", PARTS[::-1]),
        ("sent again", PARTS[:3] + PARTS[1:5] + PARTS[3:] + PARTS), ("sent again, cut otherwise", PARTS[:3] + [(50, framed(BIG)[50:700]), (600, framed(BIG)[600:])]),
        ("two by two the other way", [p for pair in zip(PARTS[1::2], PARTS[::2]) for p in pair] + PARTS[len(PARTS) // 2 * 2:]))])
def over_tcp(version, name, segments):
    ends = V4 if version == 4 else V6
    for first in (1000, 0xFFFFFF80):  # the second: numbers start anew within the answer
        packets = connection(ends, [BIG_QUESTION], segments, first, options=b"\1\1\x08\x0a" + b"\0" * 8)
        eq(captured(pcap([ethernet(p) for p in packets]))[0], {"big.test": 1}, first)


@check("many answers on one connection, each in pieces, and data in a SYN")
def pipelined():
    questions = [question(name, i) for i, name in enumerate(MANY)]
    for segments in (STREAM, STREAM[::-1][-20:][::-1] + STREAM[20:], [s for pair in zip(STREAM[1::2], STREAM[::2]) for s in pair] +
                     STREAM[len(STREAM) // 2 * 2:]):
        eq(captured(pcap([ethernet(p) for p in connection(V4, questions, segments)]))[0], {name: 1 for name in MANY})
    client, server = V4
    packets = [ip(client, server, TCP, tcp(client, server, 500, SYN, framed(BIG_QUESTION))),
               ip(server, client, TCP, tcp(server, client, 1000, SYN | ACK)),
               ip(server, client, TCP, tcp(server, client, 1001, PUSH | ACK, framed(BIG)))]
    eq(captured(pcap([ethernet(p) for p in packets]))[0], {"big.test": 1})


@check("a segment that went past the capture costs its own messages: the {0}. of 30", rows=[1, 6, 29])
def lost(number):
    place, segments = 0, []
    for i, name in enumerate(MANY):
        message = framed(answer(name, i))
        segments.append((place, message))
        place += len(message)
    packets = connection(V4, [question(name, i) for i, name in enumerate(MANY)], segments)
    del packets[3 + number - 1]
    eq(captured(pcap([ethernet(p) for p in packets]))[0], {name: 1 for i, name in enumerate(MANY) if i != number - 1})


@check("what the capture cut off is told: {0} octets kept", rows=[(40, 4), (60, 4), (70, 3)])
def snapped(kept, rejected):
    found, said = captured(pcap([ethernet(p) for p in BOTH], kept=kept), code=3)
    eq(found, {})
    eq(said.count(b"cut off by the capture (its snaplen)"), rejected, said)


@check("a filter that makes no sense for the link is told, not that nothing passed")
def filter_and_link():
    option = ["--filter", "ether host 02:00:00:00:00:01"]
    eq(captured(pcap([ethernet(p) for p in BOTH]), *option)[0], ALL)
    found, said = captured(pcap(BOTH, 101), *option, code=3)
    eq(found, {})
    ok(b"the filter cannot be applied to packets of this link type" in said, said)
    eq(captured(pcap(map(sll, BOTH), 113), "--filter", "udp and port 53")[0], ALL)


@check("of several files the bad ones cost themselves")
def several():
    store, good = os.path.join(tempdir("store"), "db"), pcap([ethernet(p) for p in BOTH])
    paths = [temp("empty.pcap", b""), tempdir("folder"), os.path.join(tempdir(), "none"), temp("cut.gz", gzip.compress(good)[:-20]),
             temp("good.pcap", good)]
    said = cli("import", "--store", store, *paths, code=1).err
    ok(b"is a directory" in said and b"No such file" in said and b"cut off" in said, said)
    eq(sorted(json.loads(line)["rrname"] for line in cli("export", "--store", store).out.splitlines()), sorted(ALL))
    ok(b"already" in cli("import", "--store", store, "-", stdin=good).err)


if __name__ == "__main__":
    main()
