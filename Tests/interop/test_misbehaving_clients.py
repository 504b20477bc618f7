"""Clients that break the rules: what our server answers, and that it goes on serving the others."""

import contextlib
import gzip
import socket
import struct

import pytest

import grpcio_client
import messages as m
import programs
from conftest import Security
from raw_peer import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
                      WINDOW_UPDATE, Connection, PeerGone, frame, header_block, message)


@pytest.fixture(scope="module")
def server():
    with programs.server("--receive-limit", 1000, "--connect-timeout-ms", 500) as server:
        yield server


@pytest.fixture
def peer(server):
    """A connection without a word said; afterwards the server must still be well."""
    host, port = server.address.rsplit(":", 1)
    with contextlib.closing(Client(socket.create_connection((host, int(port)), timeout=programs.SECONDS))) as client:
        yield client
    with Security("cleartext", None).channel(server.address) as channel:
        grpcio_client.run("empty_unary", channel)


class Client(Connection):
    """The client's side of a connection, frame by frame."""

    def start(self, settings=()):
        self.send(PREFACE)
        self.send_settings(settings)

    def request(self, stream=1, *extra, method="EmptyCall", body=message(b""), end=True, without=(), **replaced):
        fields = {":method": "POST", ":scheme": "http", ":path": f"/grpc.testing.TestService/{method}", ":authority": "x",
                  "te": "trailers", "content-type": "application/grpc"}
        fields.update({name.replace("pseudo_", ":").replace("_", "-"): value for name, value in replaced.items()})
        block = header_block([*((n, v) for n, v in fields.items() if n not in without), *extra])
        if body is None:
            return self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block))
        self.send(frame(HEADERS, END_HEADERS, stream, block))
        self.send_data(stream, body, end=end)

    def answer(self, stream=1):
        """The fields of all header blocks of the stream, until its end; a reset is {"reset": code}."""
        fields = {}
        while True:
            found = self.read_frame()
            if found.type == HEADERS:
                block = self._decoder.decode(found.payload)
                if found.stream == stream:
                    fields.update(block)
            if found.stream == stream and found.type == RST_STREAM:
                return {**fields, "reset": struct.unpack(">I", found.payload)[0]}
            if found.stream == stream and found.type in (DATA, HEADERS) and found.flags & END_STREAM:
                return fields

    def last_words(self):
        """(code, text) of the GOAWAY that ends the connection."""
        code, text = None, b""
        with contextlib.suppress(PeerGone, ConnectionError):
            while True:
                found = self.read_frame()
                if found.type == GOAWAY:
                    code, text = struct.unpack(">I", found.payload[4:8])[0], found.payload[8:]
        return code, text.decode()


# --- What is no HTTP/2


@pytest.mark.parametrize("words", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(200, 256)), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nXX",
], ids=["http1", "garbage", "tls", "half_a_preface"])
def test_something_else_is_closed(peer, words):
    peer.send(words)
    peer.last_words()  # Returns at the end of the connection.


def test_a_client_that_says_nothing_is_closed_in_time(peer):
    peer.last_words()


def test_a_client_that_says_only_the_preface_is_closed_in_time(peer):
    peer.send(PREFACE)
    peer.last_words()


# --- Requests that are no gRPC calls


@pytest.mark.parametrize(("change", "wanted"), [
    ({"content_type": "text/plain"}, {":status": "415"}),
    ({"content_type": "application/grpcx"}, {":status": "415"}),
    ({"without": ["content-type"]}, {":status": "415"}),
    ({"pseudo_method": "GET"}, {":status": "405", "allow": "POST"}),
], ids=["another_type", "almost_the_type", "no_type", "get"])
def test_no_grpc_call(peer, change, wanted):
    peer.start()
    peer.request(**change)
    answer = peer.answer()
    assert {name: answer.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(("change", "status", "text"), [
    ({"pseudo_path": "/no.Such/Method"}, "12", "unknown method /no.Such/Method"),
    ({"grpc_timeout": "soon"}, "13", "malformed grpc-timeout"),
    ({"grpc_timeout": "123456789S"}, "13", "malformed grpc-timeout"),
    ({"grpc_timeout": "-1S"}, "13", "malformed grpc-timeout"),
    ({"x_thing_bin": "no base64!"}, "13", 'the value of metadata "x-thing-bin" is malformed'),
    ({"body": b""}, "13", "the client sent no message"),
    ({"body": message(b"") * 2}, "13", "the client sent more than one message"),
    ({"body": message(b"whole")[:7]}, "13", "the client ended the call inside a message"),
    ({"body": message(b"", flag=7)}, "13", "malformed message prefix: the first byte is 7, not 0 or 1"),
    ({"body": message(bytes(1001))}, "8", "message of 1001 bytes is larger than the receive limit of 1000 bytes"),
    ({"body": b"\x00\xff\xff\xff\xff"}, "8", "message of 4294967295 bytes is larger than the receive limit of 1000 bytes"),
    ({"grpc_encoding": "gzip", "body": message(gzip.compress(b""), flag=1)}, "12",
     "the peer compressed a message (gzip); compressed messages such as gzip are not supported"),
], ids=["path", "timeout_text", "timeout_digits", "timeout_sign", "binary", "empty", "two", "half", "flag", "large",
        "huge", "gzip"])
def test_a_call_that_fails(peer, change, status, text):
    peer.start()
    peer.request(**change)
    answer = peer.answer()
    assert (answer[":status"], answer.get("grpc-status"), answer.get("grpc-message")) == ("200", status, text)


@pytest.mark.parametrize("change", [
    {"pseudo_path": "nonsense"}, {"without": [":path"]}, {"without": [":method"]}, {"Upper-Case": "x"}, {"connection": "close"},
], ids=["path_form", "no_path", "no_method", "upper_case", "connection_field"])
def test_a_malformed_request_is_reset(peer, change):
    """RFC 9113 §8.1.1: a stream error of type PROTOCOL_ERROR."""
    peer.start()
    peer.request(**change)
    assert peer.answer() == {"reset": 1}


def test_the_server_keeps_the_deadline_by_itself(peer):
    """This client neither resets nor closes: only the server's own timer can end the call."""
    peer.start()
    peer.request(method="FullDuplexCall", grpc_timeout="200m", end=False)
    answer = peer.answer()
    assert (answer["grpc-status"], answer["grpc-message"]) == ("4", "the deadline has passed")


def test_a_message_in_single_bytes(peer):
    peer.start()
    request = m.SimpleRequest(response_size=3, payload=m.zeros(50)).SerializeToString()
    peer.request(method="UnaryCall", body=None, end=False)
    framed = message(request)
    for index in range(len(framed)):
        peer.send(frame(DATA, END_STREAM if index == len(framed) - 1 else 0, 1, framed[index:index + 1]))
    assert peer.answer()["grpc-status"] == "0"


# --- HTTP/2 broken


def too_large_frame(peer):
    peer.send(frame(DATA, 0, 1, bytes(20000)))


def data_on_an_idle_stream(peer):
    peer.send(frame(DATA, 0, 5, b"x"))


def even_stream(peer):
    peer.request(stream=2)


def damaged_block(peer):
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff"))


def overflowing_window(peer):
    peer.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF)))


def ping_of_seven_bytes(peer):
    peer.send(frame(PING, 0, 0, bytes(7)))


def settings_on_a_stream(peer):
    peer.send(frame(SETTINGS, 0, 1))


def endless_continuation(peer):
    """A header block that never ends (CVE-2024-27316 and its kin)."""
    peer.send(frame(HEADERS, 0, 1, header_block([(":method", "POST")])))
    with contextlib.suppress(ConnectionError):
        for index in range(3000):
            peer.send(frame(CONTINUATION, 0, 1, header_block([(f"x-{index}", "v" * 4000)])))


@pytest.mark.parametrize("script", [
    too_large_frame, data_on_an_idle_stream, even_stream, damaged_block, overflowing_window, ping_of_seven_bytes,
    settings_on_a_stream, endless_continuation])
def test_a_connection_that_breaks_http2_is_ended(peer, server, script):
    peer.start()
    script(peer)
    peer.last_words()
    assert server.peak_memory() < 96 << 20


def test_headers_above_the_limit_end_the_call_only(peer):
    peer.start()
    block = header_block([(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "x"),
                          *((f"x-{index}", "v" * 1000) for index in range(80))])
    parts = [block[at:at + 16000] for at in range(0, len(block), 16000)]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        flags = (END_HEADERS if last else 0) | (END_STREAM if index == 0 else 0)
        peer.send(frame(CONTINUATION if index else HEADERS, flags, 1, part))
    assert "reset" in peer.answer(1)
    peer.request(stream=3)
    assert peer.answer(3)["grpc-status"] == "0"


def test_a_flood_of_resets_ends_the_connection(peer, server):
    """Opening and resetting calls costs a client nothing (CVE-2023-44487)."""
    peer.start()
    with contextlib.suppress(ConnectionError):
        for stream in range(1, 40001, 2):
            peer.request(stream=stream, method="FullDuplexCall", end=False)
            peer.reset(stream, 8)
    peer.last_words()
    assert server.peak_memory() < 96 << 20


def test_more_streams_than_announced_are_refused(peer):
    """The server announces 100; what is above is refused without harm to the others."""
    peer.start()
    peer.wait_for(lambda f: f.type == SETTINGS and f.flags & ACK)  # From now on our limit is known to both.
    for stream in range(1, 202, 2):
        peer.request(stream=stream, method="FullDuplexCall", body=None, end=False)
    assert peer.answer(201) == {"reset": 7}
    peer.send_data(1, b"", end=True)
    assert peer.answer(1)["grpc-status"] == "0"


def test_a_client_that_vanishes_ends_its_handlers():
    with programs.server() as fresh:
        host, port = fresh.address.rsplit(":", 1)
        client = Client(socket.create_connection((host, int(port)), timeout=programs.SECONDS))
        client.start()
        client.request(method="FullDuplexCall", body=None, end=False)
        client.send(frame(PING, 0, 0, bytes(8)))
        client.wait_for(lambda f: f.type == PING and f.flags & ACK)  # The request was read before this answer.
        client.close()
        assert fresh.line() == "ended FullDuplexCall cancelled"


def test_a_client_that_does_not_read_stops_the_server():
    """The server holds one window of answers, not the 256 MiB that were asked for."""
    with programs.server() as fresh:
        host, port = fresh.address.rsplit(":", 1)
        client = Client(socket.create_connection((host, int(port)), timeout=programs.SECONDS))
        with contextlib.closing(client):
            client.start()
            parameters = [m.ResponseParameters(size=1 << 20)] * 256
            request = m.StreamingOutputCallRequest(response_parameters=parameters).SerializeToString()
            client.request(method="StreamingOutputCall", body=message(request))
            received = 0
            while received < 65535:
                found = client.read_frame()
                received += len(found.payload) if found.type == DATA else 0
            # The window is used up. The answer to a PING shows that the server has done what it could.
            client.send(frame(PING, 0, 0, bytes(8)))
            client.wait_for(lambda f: f.type == PING and f.flags & ACK)
            assert fresh.peak_memory() < 48 << 20


def test_a_graceful_end_lets_a_call_finish():
    with programs.server() as fresh:
        host, port = fresh.address.rsplit(":", 1)
        client = Client(socket.create_connection((host, int(port)), timeout=programs.SECONDS))
        with contextlib.closing(client):
            client.start()
            client.request(method="FullDuplexCall", body=None, end=False)
            client.send(frame(PING, 0, 0, bytes(8)))
            client.wait_for(lambda f: f.type == PING and f.flags & ACK)
            fresh.signal_end()
            client.wait_for(lambda f: f.type == GOAWAY)
            with pytest.raises(ConnectionError):  # Nothing new is accepted.
                while True:
                    socket.create_connection((host, int(port)), timeout=1).close()
            client.send_data(1, b"", end=True)
            assert client.answer(1)["grpc-status"] == "0"
        assert fresh.finish() == 0
