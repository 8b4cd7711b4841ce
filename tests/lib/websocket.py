# SPDX-License-Identifier: GPL-3.0-or-later
"""A small WebSocket server (RFC 6455), by hand, so that it can also be a bad one."""
import base64
import hashlib
import os
import socket
import ssl
import struct
import threading

from dribble import SLOW

TEXT, BINARY, CLOSE, PING, PONG, MORE = 1, 2, 8, 9, 10, 0


class Peer:
    """A client that has connected."""

    def __init__(self, connection, head):
        self.socket, self.head = connection, head
        self.pongs, self.closed = [], threading.Event()

    @property
    def headers(self):
        return {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in self.head.split("\r\n")[1:] if ":" in line)}

    def frame(self, kind, octets=b"", final=True):
        n = len(octets)
        size = bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n) if n < 65536 else b"\x7f" + struct.pack(">Q", n)
        self.socket.sendall(bytes([kind | (0x80 if final else 0)]) + size + octets)

    def raw(self, octets):
        self.socket.sendall(octets)

    def drop(self):
        """Without a word."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def read(self):
        """What the client says, until it goes."""
        try:
            f = self.socket.makefile("rb")
            while True:
                first = f.read(2)
                if len(first) < 2:
                    break
                n = first[1] & 0x7f
                n = struct.unpack(">H", f.read(2))[0] if n == 126 else struct.unpack(">Q", f.read(8))[0] if n == 127 else n
                mask = f.read(4)
                octets = bytes(c ^ mask[i % 4] for i, c in enumerate(f.read(n)))
                if first[0] & 15 == PONG:
                    self.pongs.append(octets)
                elif first[0] & 15 == CLOSE:
                    break
        except (OSError, ValueError):
            pass
        self.closed.set()


class WebSocketServer:
    """answer(head) may give octets to say instead of the handshake."""

    def __init__(self, answer=None, certificate=None, port=0):
        self.answer, self.peers, self.refused = answer, [], 0
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.begin, args=(connection,), daemon=True).start()

    def begin(self, connection):
        connection.settimeout(60 * SLOW)
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(4096)
                if not more:
                    return
                head += more
            said = self.answer(head.decode("latin-1")) if self.answer else None
            if said is not None:
                self.refused += 1
                connection.sendall(said)
                connection.close()
                return
            peer = Peer(connection, head.decode("latin-1"))
            key = peer.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                               f"sec-websocket-accept: {accept}\r\n\r\n".encode())
        except OSError:
            return
        self.peers.append(peer)
        peer.read()

    def close(self):
        self.listener.close()
        for peer in self.peers:
            peer.drop()
