# SPDX-License-Identifier: GPL-3.0-or-later
"""A second reader of stores, and a maker of rows, written from dribble-keys(5) and not from the program: where the two
differ, one of them is wrong. tests/wire/test_docs.py compares them; `python3 docs/layout.py PATH` prints the rows of a store
that no process writes to. It stops with AssertionError at the first thing that is not as the page says.
"""
import ctypes
import ctypes.util
import functools
import glob
import os
import re
import struct
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_ubyte, c_uint64, c_void_p

MAGIC = b"dribtabl"


# ------------------------------------------------------------ libraries

def library(name):
    found = ctypes.util.find_library(name)
    if not found:
        raise OSError(f"lib{name} is not installed")
    return ctypes.CDLL(found)


@functools.lru_cache(None)
def function_of(name, function, result, *arguments):
    made = getattr(library(name), function)
    made.restype, made.argtypes = result, arguments
    return made


class Hash128(ctypes.Structure):
    _fields_ = [("low", c_uint64), ("high", c_uint64)]


def hash128(octets):
    got = function_of("xxhash", "XXH3_128bits", Hash128, c_char_p, c_size_t)(octets, len(octets))
    return struct.pack(">QQ", got.high, got.low)


def hash64(octets, seed=0):
    return function_of("xxhash", "XXH3_64bits_withSeed", c_uint64, c_char_p, c_size_t, c_uint64)(octets, len(octets), seed)


class Zstd:
    """Frames without their magic, with or without a dictionary."""
    FORMAT, MAGICLESS = 1000, 1  # ZSTD_d_format (experimental parameter 1), ZSTD_f_zstd1_magicless

    def __init__(self, dictionary=b""):
        self.context = function_of("zstd", "ZSTD_createDCtx", c_void_p)()
        self.call("ZSTD_DCtx_setParameter", c_int(self.FORMAT), c_int(self.MAGICLESS))
        if dictionary:
            self.call("ZSTD_DCtx_loadDictionary", c_char_p(dictionary), c_size_t(len(dictionary)))

    def call(self, name, *arguments):
        got = function_of("zstd", name, c_size_t)(c_void_p(self.context), *arguments)
        assert not function_of("zstd", "ZSTD_isError", ctypes.c_uint, c_size_t)(got), name
        return got

    def open(self, frame, size):
        out = ctypes.create_string_buffer(size + 1)
        got = self.call("ZSTD_decompressDCtx", out, c_size_t(size), c_char_p(frame), c_size_t(len(frame)))
        assert got == size, (got, size)
        return out.raw[:size]


def rocksdb_rows(path, merge):
    """All keys and values of a RocksDB, merge operands merged by merge(values)."""
    rocks = library("rocksdb")
    for name in ("rocksdb_options_create", "rocksdb_mergeoperator_create", "rocksdb_open_for_read_only",
                 "rocksdb_readoptions_create", "rocksdb_create_iterator", "rocksdb_iter_key", "rocksdb_iter_value"):
        getattr(rocks, name).restype = c_void_p
    rocks.rocksdb_iter_valid.restype = c_ubyte
    malloc = function_of("c", "malloc", c_void_p, c_size_t)

    def give(octets, ret_success, ret_n):
        ret_success[0], ret_n[0] = 1, len(octets)
        p = malloc(len(octets) or 1)
        ctypes.memmove(p, octets, len(octets))
        return p

    def full(_, key, key_n, old, old_n, operands, lengths, n, ret_success, ret_n):
        values = [ctypes.string_at(operands[i], lengths[i]) for i in range(n)]
        return give(merge([ctypes.string_at(old, old_n)] * bool(old) + values), ret_success, ret_n)

    def partial(_, key, key_n, operands, lengths, n, ret_success, ret_n):
        return give(merge([ctypes.string_at(operands[i], lengths[i]) for i in range(n)]), ret_success, ret_n)

    name = ctypes.create_string_buffer(b"any")
    out = [POINTER(c_void_p), POINTER(c_size_t), c_int, POINTER(c_ubyte), POINTER(c_size_t)]
    callbacks = [ctypes.CFUNCTYPE(None, c_void_p)(lambda _: None),
                 ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, *out)(full),
                 ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_size_t, *out)(partial), None,
                 ctypes.CFUNCTYPE(c_void_p, c_void_p)(lambda _: ctypes.addressof(name))]
    options = c_void_p(rocks.rocksdb_options_create())
    operator = c_void_p(rocks.rocksdb_mergeoperator_create(None, *callbacks))
    rocks.rocksdb_options_set_merge_operator(options, operator)
    error = c_char_p()
    db = rocks.rocksdb_open_for_read_only(options, os.fsencode(path), c_ubyte(0), byref(error))
    assert db, error.value
    row = c_void_p(rocks.rocksdb_create_iterator(c_void_p(db), c_void_p(rocks.rocksdb_readoptions_create())))
    rocks.rocksdb_iter_seek_to_first(row)
    n, rows = c_size_t(), []
    while rocks.rocksdb_iter_valid(row):
        key = ctypes.string_at(rocks.rocksdb_iter_key(row, byref(n)), n.value)
        rows.append((key, ctypes.string_at(rocks.rocksdb_iter_value(row, byref(n)), n.value)))
        rocks.rocksdb_iter_next(row)
    rocks.rocksdb_iter_get_error(row, byref(error))
    assert not error, error.value
    rocks.rocksdb_iter_destroy(row)
    rocks.rocksdb_close(c_void_p(db))
    return rows


# ------------------------------------------------------------ numbers and streams

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


class Stream:
    def __init__(self, octets):
        self.octets, self.at = octets, 0

    def take(self, n):
        assert self.at + n <= len(self.octets), "too short"
        self.at += n
        return self.octets[self.at - n:self.at]

    def octet(self):
        return self.take(1)[0]

    def varint(self):
        n = shift = 0
        while True:
            octet = self.octet()
            n |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                assert octet or shift == 7, "a varint that is not the shortest"
                return n

    def to_zero(self):
        return self.take(self.octets.index(0, self.at) + 1 - self.at)

    def rest(self):
        return self.take(len(self.octets) - self.at)

    def done(self):
        assert self.at == len(self.octets), f"{len(self.octets) - self.at} octets too many"


# ------------------------------------------------------------ keys and values

def escaped(octets):
    return re.sub(rb"[\0-\2]", lambda m: bytes([2, m[0][0] + 1]), octets)


def cut(octets, limit, head, write=lambda o: o):
    return write(octets) if len(octets) < limit else write(octets[:head]) + write(hash128(octets))


def labels_of(wire):
    labels, at = [], 0
    while wire[at]:
        labels.append(wire[at + 1:at + 1 + wire[at]])
        at += 1 + wire[at]
    assert at + 1 == len(wire)
    return labels


def reversed_labels(wire):
    return b"\1".join(escaped(label) for label in reversed(labels_of(wire)))


def name_subject(wire):
    return b"n" + reversed_labels(wire) + b"\0"


def text_subject(text):
    return b"x" + cut(text, 200, 184, escaped) + b"\0"


def rank_octets(rank, number):
    return bytes([rank]) if rank else b"\xff" + struct.pack(">H", number)


def sized(octets):
    return (b"\xff" if len(octets) >= 255 else bytes([len(octets)])) + cut(octets, 255, 239)


def rows_of(owner, rank, rdata, opaque, terms, text, value):
    """{key: value} of a record. owner: a name in wire form; rank: octets; terms: [(subject, offset in rdata, octets there)];
    text: the subject of the data where there are no terms; value: a Value."""
    subject, rows = name_subject(owner), {}

    def row(key, is_cut):
        rows[key] = value.octets(rdata if is_cut else b"")

    row(subject + rank + (b"\2" if opaque else b"\1") + cut(rdata, 255, 239), len(rdata) >= 255)
    tail = reversed_labels(owner)
    for term, at, n in terms:
        if term == subject:
            continue
        left = rdata[:at] + rdata[at + n:]
        kind = b"\4" + varint(at) + sized(left) if left else b"\3"
        row(term + rank + kind + tail, len(left) >= 255)
    if not terms and text != subject:
        row(text + rank + (b"\6" if opaque else b"\5") + sized(rdata) + tail, len(rdata) >= 255)
    return rows


SENSOR = b"\x23"


def sensor_of(key):
    """(id, what is counted) of a row of a sensor."""
    id, end, counted = key[1:-2], key[-2], key[-1]
    assert key[:1] == SENSOR and end == 0
    plain, at = bytearray(), 0
    while at < len(id):
        escape = id[at] == 2
        plain.append(id[at + escape] - escape)
        at += 1 + escape
    return bytes(plain), counted


class Value:
    TAGS = {1: "rdata", 2: "zone", 3: "sensor_id", 4: "bailiwick"}

    def __init__(self, count, first, last, members=None):
        self.count, self.first, self.last, self.members = count, first, last, members or {}

    def octets(self, rdata=b""):
        members = dict(self.members)
        if rdata:
            members[1] = rdata
        wide = self.count and self.first > 0xffffffff
        out = bytes([bool(members) | wide << 1 | min(self.count, 63) << 2])
        if self.count:
            out += struct.pack(">Q" if wide else ">I", self.first) + varint(self.last - self.first)
        if self.count >= 63:
            out += varint(self.count - 63)
        for tag in sorted(members):
            out += bytes([tag]) + varint(len(members[tag])) + members[tag]
        return out

    @classmethod
    def parse(cls, octets):
        s = Stream(octets)
        head = s.octet()
        count, first, last, members, before = head >> 2, 0, 0, {}, 0
        if count:
            first = struct.unpack(*((">Q", s.take(8)) if head & 2 else (">I", s.take(4))))[0]
            assert not head & 2 or first > 0xffffffff
            last = first + s.varint()
        if count == 63:
            count += s.varint()
        assert bool(head & 1) == (s.at < len(octets))
        while s.at < len(octets):
            tag = s.octet()
            n = s.varint()
            assert n and tag > before and tag in cls.TAGS, tag
            members[tag], before = s.take(n), tag
        return cls(count, first, last, members)

    def zone(self):
        s = Stream(self.members[2])
        first = s.varint()
        last = first + s.varint()
        s.done()
        return first, last


def merged(values):
    all_of = [Value.parse(v) for v in values]
    if len(all_of) == 1:
        return values[0]
    seen = [v for v in all_of if v.count]
    members = {}
    for tag in Value.TAGS:
        have = [v for v in all_of if tag in v.members]
        if have and tag == 2:
            first, last = min(v.zone()[0] for v in have), max(v.zone()[1] for v in have)
            members[2] = varint(first) + varint(last - first)
        elif have:
            members[tag] = min(v.members[tag] for v in have)
    return Value(min(sum(v.count for v in all_of), 2 ** 63 - 1), min((v.first for v in seen), default=0),
                 max((v.last for v in seen), default=0), members).octets()


# ------------------------------------------------------------ tables and segments

def bits(octets, n, width):
    """n numbers of so many bits, from the lowest on; and how many octets they took."""
    whole = int.from_bytes(octets[:(n * width + 7) // 8], "little")
    assert whole >> n * width == 0, "what fills up is not 0"
    return [whole >> i * width & (1 << width) - 1 for i in range(n)], (n * width + 7) // 8


def key_of(key, length, middle, binary, text, data):
    """A key, of which what it shares with the one before is given."""
    # the subject
    if not key:
        key += middle.take(1)
    if key[0] in b"46":
        end = 5 if key[0] == 0x34 else 17
        if len(key) < end:
            key += binary.take(end - len(key))
    else:
        assert key[0] in b"nx", key
        if 0 not in key:
            key += text.to_zero()
        end = key.index(0) + 1
    # type and kind
    if len(key) == end:
        octet = middle.take(1)
        key += octet + (middle.take(2) if octet == b"\xff" else b"") + middle.take(1)
    end += 3 if key[end] == 0xff else 1
    kind, end = key[end], end + 1
    # what stands behind the kind of a data row
    if kind > 3:
        s = data if len(key) == end else Stream(key)
        s.at, start = (s.at, s.at) if s is data else (end, end)
        if kind == 4:
            s.varint()
        n = s.octet()
        s.take(255 if n == 255 else n)
        if s is data:
            key += data.octets[start:s.at]
            end = len(key)
        else:
            end = s.at
    # the last
    if kind < 3:
        n = length.varint()
        return key + (binary if n in (4, 16) else data).take(n - (len(key) - end))
    owner = text.to_zero()
    return key + owner[:-1]


def segment_rows(octets, zstd=(None, None)):
    s = Stream(octets)
    flags = s.octet()
    assert flags < 16
    plain = flags & 1
    n, together = s.varint(), s.varint()
    assert 0 < n
    sizes = {name: s.varint() for name in ("LENGTH", "MIDDLE", "BINARY", "TEXT", "DATA", "REST")}
    sizes.update(SHARED=n, HEAD=0 if plain else n)
    times = []
    if not plain:
        have = s.varint()
        if have:
            least, first_bits, span_bits = s.varint(), s.octet(), s.octet()
            firsts, took = bits(s.octets[s.at:], have, first_bits)
            s.take(took)
            spans, took = bits(s.octets[s.at:], have, span_bits)
            s.take(took)
            times = [(least + f, d) for f, d in zip(firsts, spans)]
    columns = {}
    for frame, names in enumerate([("SHARED", "LENGTH", "MIDDLE", "HEAD", "BINARY"), ("TEXT", "DATA", "REST")]):
        packed = s.take(s.varint())
        size = sum(sizes[name] for name in names)
        if flags & 2 << frame:
            whole = Stream(packed)
        else:
            whole = Stream((zstd[frame] if flags & 8 else zstd_plain()).open(packed, size))
        for name in names:
            columns[name] = Stream(whole.take(sizes[name]))
        whole.done()
    s.done()
    rows, key, times = [], b"", iter(times)
    shared, length, middle, head, binary, text, data, rest = [
        columns[c] for c in ("SHARED", "LENGTH", "MIDDLE", "HEAD", "BINARY", "TEXT", "DATA", "REST")]
    for _ in range(n):
        before = key
        octets_shared = shared.octet()
        assert octets_shared <= len(key)
        if plain:
            n_key, n_value = length.varint(), length.varint()
            key = before[:octets_shared] + text.take(n_key)
            value = rest.take(n_value)
        else:
            key = key_of(before[:octets_shared], length, middle, binary, text, data)
            value = head.take(1)
            count = value[0] >> 2
            if count and not value[0] & 2:
                first, span = next(times)
                value += struct.pack(">I", first) + varint(span)
            if value[0] & 3 or count == 63:
                value += rest.take(length.varint())
        rows.append((key, value))
    for column in columns.values():
        column.done()
    assert next(times, None) is None
    assert sum(len(k) + len(v) for k, v in rows) == together
    assert all(a[0] < b[0] for a, b in zip(rows, rows[1:])), "keys do not ascend"
    return rows


_plain = []


def zstd_plain():
    if not _plain:
        _plain.append(Zstd())
    return _plain[0]


class Table:
    """rows, and what the tests want to know was met: flags, levels, has_dictionary."""

    def __init__(self, path, counted=None):
        with open(path, "rb") as f:
            self.octets = f.read()
        o = self.octets
        assert o[:8] == MAGIC and o[-8:] == MAGIC
        assert struct.unpack("<Q", o[8:16])[0] == 1
        foot = o[-80:]
        root, root_n, dictionary, dictionary_n, self.levels, n, segments, form = struct.unpack("<8Q", foot[:64])
        assert form == 1
        assert hash64(foot[:64]) == struct.unpack("<Q", foot[64:72])[0]
        self.zstd, self.has_dictionary, self.flags = (None, None), bool(dictionary), set()
        used = [(0, 16), (len(o) - 80, 80)]
        if dictionary:
            block = self.block(dictionary, dictionary_n)
            used.append((dictionary, dictionary_n + 4))
            first = struct.unpack("<I", block[:4])[0]
            self.zstd = Zstd(block[4:4 + first]), Zstd(block[4 + first:])
        else:
            assert dictionary_n == 0
        self.rows, self.segments, self.used = [], 0, used
        below = self.walk(root, root_n, self.levels)
        assert below == n == len(self.rows), (below, n, len(self.rows))
        assert self.segments == segments
        assert all(a[0] < b[0] for a, b in zip(self.rows, self.rows[1:]))
        at = 0
        for offset, octets in sorted(self.used):
            assert offset == at, f"a gap or an overlap at {at}"
            at = offset + octets
        assert at == len(o)
        if counted:
            assert counted == (n, len(o)), (counted, n, len(o))

    def block(self, offset, n):
        octets = self.octets[offset:offset + n]
        assert hash64(octets, offset) & 0xffffffff == struct.unpack("<I", self.octets[offset + n:offset + n + 4])[0], offset
        return octets

    def walk(self, offset, n, level):
        """Reads what lies below a block; returns how many rows that is."""
        octets = self.block(offset, n)
        self.used.append((offset, n + 4))
        rows = segment_rows(octets, self.zstd)
        if level == 0:
            assert len(rows) <= 256
            self.flags.add(octets[0])
            self.segments += 1
            self.rows += rows
            return len(rows)
        assert not octets[0] & 8, "an index segment with a dictionary"
        total = 0
        for key, value in rows:
            s = Stream(value)
            place, size, below = s.varint(), s.varint(), s.varint()
            s.done()
            assert not self.rows or self.rows[-1][0] < key
            assert self.walk(place, size, level - 1) == below
            assert self.rows[-1][0] <= key
            total += below
        return total


class Store:
    """rows: {key: value}; notes: the same; tables: [Table]."""

    def __init__(self, path):
        self.notes, self.tables, self.fresh, found = {}, [], 0, []
        area, first_area, version = set(), 0, None
        for key, value in rocksdb_rows(os.path.join(path, "rocksdb"), merged):
            if key == b"\0version":
                version = value
            elif key == b"F":
                first_area = struct.unpack(">I", value)[0]
            elif key[:1] == b"N":
                self.notes[key[1:]] = value
            elif key[:1] == b"R":
                area.add((struct.unpack(">I", key[1:5])[0], key[5:], value))
            elif key[:1] == b"T":
                number, = struct.unpack(">Q", key[1:])
                rows, octets, level = struct.unpack(">QQB", value)
                self.tables.append(Table(os.path.join(path, "tables", f"{number:08}.table"), (rows, octets)))
                found += self.tables[-1].rows
            else:
                raise AssertionError(f"a key of no known kind: {key.hex()}")
        assert version == b"2", version
        files = {os.path.basename(p) for p in glob.glob(os.path.join(path, "tables", "*"))}
        assert len(files) == len(self.tables), files
        fresh = [(key, value) for number, key, value in area if number >= first_area]
        self.n_fresh = len(fresh)
        several = {}
        for key, value in found + fresh:
            several.setdefault(key, []).append(value)
        self.rows = {key: merged(values) for key, values in several.items()}


if __name__ == "__main__":
    for k, v in sorted(Store(sys.argv[1]).rows.items()):
        print(k.hex(), v.hex())
