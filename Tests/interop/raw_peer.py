"""Peers that misbehave on purpose: HTTP/2 frames written by hand, so that nothing keeps a script from breaking a rule.

A script is a function of one accepted `Connection`; it runs on a thread, and what it raises fails the test that started it.
Only the decoding of header blocks is borrowed (package hpack): what our client sends is read by somebody else's code.
"""

import collections
import contextlib
import socket
import ssl
import struct
import threading

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE = 4, 3, 5
SECONDS = 20  # Longest wait for the other side.

Frame = collections.namedtuple("Frame", "type flags stream payload")
Request = collections.namedtuple("Request", "stream headers body")


class PeerGone(Exception):
    """The other side closed the connection while a script waited for something."""


def frame(type, flags, stream, payload=b""):
    """| length u24 | type u8 | flags u8 | stream u32 | payload |"""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", type, flags, stream) + payload


def header_block(fields):
    """Literals without indexing and without Huffman coding (RFC 7541 §6.2.2): no tables, any content."""

    def text(value):
        data = value if isinstance(value, bytes) else value.encode()
        return integer(len(data)) + data

    def integer(value):
        if value < 127:
            return bytes([value])
        value -= 127
        out = [127]
        while value >= 128:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes([*out, value])

    return b"".join(b"\x00" + text(name) + text(value) for name, value in fields)


def message(payload=b"", flag=0):
    """| compressed u8 | length u32 | message |"""
    return struct.pack(">BI", flag, len(payload)) + payload


class Connection:
    """One side of a connection at the level of frames."""

    def __init__(self, sock):
        self.sock = sock
        self.frames = []  # Everything received, in order.
        self._buffer = b""
        self._decoder = hpack.Decoder()
        self._decoder.max_allowed_table_size = 65536
        sock.settimeout(SECONDS)

    # Bytes

    def send(self, *parts):
        self.sock.sendall(b"".join(parts))

    def read_exactly(self, count):
        while len(self._buffer) < count:
            more = self.sock.recv(1 << 16)
            if not more:
                raise PeerGone(f"{len(self._buffer)} of {count} bytes")
            self._buffer += more
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def read_frame(self):
        head = self.read_exactly(9)
        length = int.from_bytes(head[:3], "big")
        stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        found = Frame(head[3], head[4], stream, self.read_exactly(length))
        self.frames.append(found)
        return found

    def drain(self):
        """Reads until the other side closes; the frames are in `frames`."""
        with contextlib.suppress(PeerGone, ConnectionError):
            while True:
                self.read_frame()

    def drain_bytes(self):
        """Reads until the other side closes, whatever it says."""
        with contextlib.suppress(OSError):
            while self.sock.recv(1 << 16):
                pass

    def close(self):
        self.sock.close()

    # Server side

    def greet(self, settings=()):
        """Reads the client's preface and SETTINGS, sends ours and both acknowledgements that the RFC asks for."""
        assert self.read_exactly(len(PREFACE)) == PREFACE
        self.send_settings(settings)
        first = self.read_frame()
        assert first.type == SETTINGS and not first.flags & ACK, first
        self.send(frame(SETTINGS, ACK, 0))

    def send_settings(self, settings=()):
        self.send(frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in settings)))

    def read_request(self, whole=True):
        """The next request: until END_STREAM, or only its headers. Acknowledges SETTINGS, opens windows as bytes come."""
        stream, headers, body = None, None, b""
        while True:
            found = self.read_frame()
            if found.type == HEADERS:
                assert found.flags & END_HEADERS, "a request's headers fit one frame"
                stream, headers = found.stream, dict(self._decoder.decode(found.payload))
                if not whole or found.flags & END_STREAM:
                    return Request(stream, headers, body)
            elif found.type == DATA and found.stream == stream:
                body += found.payload
                self.open_window(stream, len(found.payload))
                if found.flags & END_STREAM:
                    return Request(stream, headers, body)

    def open_window(self, stream, bytes):
        if bytes:
            update = struct.pack(">I", bytes)
            self.send(frame(WINDOW_UPDATE, 0, 0, update), frame(WINDOW_UPDATE, 0, stream, update))

    def wait_for(self, wanted):
        """Reads until `wanted(frame)` is true."""
        while True:
            found = self.read_frame()
            if wanted(found):
                return found

    def respond(self, stream, *fields, status="200", content_type="application/grpc", end=False):
        all_fields = [(":status", status)]
        if content_type is not None:
            all_fields.append(("content-type", content_type))
        flags = END_HEADERS | (END_STREAM if end else 0)
        self.send(frame(HEADERS, flags, stream, header_block(all_fields + list(fields))))

    def send_data(self, stream, payload, end=False, frame_bytes=16384):
        parts = [payload[at:at + frame_bytes] for at in range(0, len(payload), frame_bytes)] or [b""]
        for index, part in enumerate(parts):
            self.send(frame(DATA, END_STREAM if end and index == len(parts) - 1 else 0, stream, part))

    def send_trailers(self, stream, *fields):
        self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, header_block(fields)))

    def answer(self, request, payload=b""):
        """A correct unary answer."""
        self.respond(request.stream)
        self.send_data(request.stream, message(payload))
        self.send_trailers(request.stream, ("grpc-status", "0"))

    def reset(self, stream, code):
        self.send(frame(RST_STREAM, 0, stream, struct.pack(">I", code)))

    def goaway(self, last_stream, code=0, debug=b""):
        self.send(frame(GOAWAY, 0, 0, struct.pack(">II", last_stream, code) + debug))


class RawServer:
    """Listens on a free port and runs `script(connection)` for each connection, or the script at its turn in a list.

    Leaving the context raises what a script raised; a client that closes early is no failure of the script.
    """

    def __init__(self, *scripts, tls=None):
        self._scripts = scripts
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.connections = []
        self._errors = []
        self._threads = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._acceptor.start()
        return self

    def __exit__(self, kind, error, traceback):
        # shutdown() wakes the accept call; close() alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._acceptor, *self._threads]:
            thread.join(SECONDS)
        for connection in self.connections:
            connection.close()
        if kind is None and self._errors:
            raise self._errors[0]

    def wait_for_end(self, index):
        """Waits until the script of that connection has returned and its socket is closed."""
        self._threads[index].join(SECONDS)
        assert not self._threads[index].is_alive(), "the script still runs"

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(len(self.connections), len(self._scripts) - 1)]
            connection = Connection(sock)
            self.connections.append(connection)
            thread = threading.Thread(target=self._run, args=(script, connection), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, script, connection):
        try:
            if self._tls is not None:
                connection.sock = self._tls.wrap_socket(connection.sock, server_side=True)
            script(connection)
        except (PeerGone, ConnectionError, ssl.SSLError):
            pass  # The client went, or refused us: its own error tells.
        except Exception as error:  # Everything else is the test's to judge.
            self._errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()
