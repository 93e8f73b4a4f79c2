"""A sender of the Forward protocol, from its specification: what logboom is measured against. Needs msgpack."""
import gzip
import hashlib
import os
import socket
import struct

import msgpack


def event_time(seconds, nanoseconds=0):
    return msgpack.ExtType(0, struct.pack(">II", seconds, nanoseconds))


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def one(tag, time, record, **options):
    return pack([tag, time, record, options] if options else [tag, time, record])


def many(tag, entries, **options):
    return pack([tag, [list(e) for e in entries], options])


def packed(tag, entries, **options):
    return pack([tag, b"".join(pack(list(e)) for e in entries), options])


def compressed(tag, entries, members=1, **options):
    """Entries as several gzip members one behind the other, as a sender that appends to a chunk makes them."""
    data = [pack(list(e)) for e in entries]
    cut = max(1, len(data) // members)
    body = b"".join(gzip.compress(b"".join(data[i:i + cut])) for i in range(0, len(data), cut))
    return pack([tag, body, {"compressed": "gzip", **options}])


class Sender:
    def __init__(self, port, context=None, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """The next object that comes, or None at the end."""
        while True:
            for value in self.unpacker:
                return value
            data = self.socket.recv(65536)
            if not data:
                return None
            self.unpacker.feed(data)

    def closed(self):
        """True when the other side closes without a word."""
        try:
            return self.answer() is None
        except OSError:
            return True

    def greet(self, key, name="client.example", user="", password=""):
        """The handshake; returns PONG, its digest checked."""
        kind, options = self.answer()
        assert kind == "HELO"
        nonce = as_bytes(options["nonce"])
        auth = as_bytes(options.get("auth", b""))
        salt = os.urandom(16)
        self.send(pack(["PING", name, salt, sha512(salt, name.encode(), nonce, key.encode()), user,
                        sha512(auth, user.encode(), password.encode()) if auth else ""]))
        pong = self.answer()
        assert pong[0] == "PONG"
        if pong[1]:
            assert pong[4] == sha512(salt, pong[3].encode(), nonce, key.encode())
        return pong


def as_bytes(value):
    return value if isinstance(value, bytes) else value.encode()


def sha512(*parts):
    return hashlib.sha512(b"".join(parts)).hexdigest()
