"""A connection's life as a server may end or change it: RST_STREAM, GOAWAY, SETTINGS, PING, keepalive, restarts, refusals."""

import contextlib
import socket
import struct
import threading
import time

import pytest

import messages as m
import programs
from grpc_testing import GrpcioServer
from raw_peer import (ACK, DATA, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, PING,
                      RST_STREAM, SETTINGS, PeerGone, RawServer, frame, message)

ERROR_CODES = {
    "NO_ERROR": 0, "PROTOCOL_ERROR": 1, "INTERNAL_ERROR": 2, "FLOW_CONTROL_ERROR": 3, "SETTINGS_TIMEOUT": 4, "STREAM_CLOSED": 5,
    "FRAME_SIZE_ERROR": 6, "REFUSED_STREAM": 7, "CANCEL": 8, "COMPRESSION_ERROR": 9, "CONNECT_ERROR": 10, "ENHANCE_YOUR_CALM": 11,
    "INADEQUATE_SECURITY": 12, "HTTP_1_1_REQUIRED": 13, "error code 77": 77,
}
STATUS_OF_RESET = {
    "REFUSED_STREAM": "unavailable", "CANCEL": "cancelled", "ENHANCE_YOUR_CALM": "resourceExhausted",
    "INADEQUATE_SECURITY": "permissionDenied",
}


def serve(connection):
    """Answers every request until the client goes."""
    connection.greet()
    while True:
        connection.answer(connection.read_request())


# --- RST_STREAM


@pytest.mark.parametrize("name", ERROR_CODES)
def test_reset_with_each_code(name):
    resets = []

    def script(connection):
        connection.greet()
        while True:
            resets.append(connection.read_request().stream)
            connection.reset(resets[-1], ERROR_CODES[name])

    with RawServer(script) as server:
        result = programs.client(server.address, "empty_unary")
    status = STATUS_OF_RESET.get(name, "internal")
    assert (result.code, result.reason) == (1, f"{status}: the server reset the call ({name}) (PEER)")
    # Only a refused call may have been sent again: the server has not looked at it (RFC 9113 §8.7).
    assert len(resets) == (2 if name == "REFUSED_STREAM" else 1)


def test_a_refused_call_is_sent_again_and_succeeds():
    def script(connection):
        connection.greet()
        connection.reset(connection.read_request().stream, ERROR_CODES["REFUSED_STREAM"])
        connection.answer(connection.read_request())
        connection.drain()

    with RawServer(script) as server:
        result = programs.client(server.address, "empty_unary")
        assert result.code == 0, result
        assert len(server.connections) == 1


def test_a_reset_after_the_trailers_changes_nothing():
    def script(connection):
        connection.greet()
        request = connection.read_request(whole=False)
        connection.respond(request.stream, ("grpc-status", "5"), ("grpc-message", "early"), end=True)
        connection.reset(request.stream, 0)
        connection.drain()

    with RawServer(script) as server:
        result = programs.client(server.address, "large_unary")
    assert (result.code, result.reason) == (1, "notFound: early (PEER)")


def test_a_cancelled_call_is_reset_and_the_connection_used_again():
    def script(connection):
        connection.greet()
        request = connection.read_request(whole=False)
        connection.wait_for(lambda f: f.type == DATA)
        connection.respond(request.stream)
        response = m.StreamingOutputCallResponse(payload=m.zeros(31415))
        connection.send_data(request.stream, message(response.SerializeToString()))
        reset = connection.wait_for(lambda f: f.type == RST_STREAM)
        assert (reset.stream, reset.payload) == (request.stream, struct.pack(">I", ERROR_CODES["CANCEL"]))
        connection.answer(connection.read_request())
        connection.drain()

    with RawServer(script) as server:
        result = programs.client(server.address, "cancel_after_first_response")
        assert result.code == 0, result
        assert len(server.connections) == 1


def test_a_call_whose_deadline_passes_is_reset():
    def script(connection):
        connection.greet()
        request = connection.read_request()
        assert request.headers["grpc-timeout"][-1] in "num"
        reset = connection.wait_for(lambda f: f.type == RST_STREAM)
        assert (reset.stream, reset.payload) == (request.stream, struct.pack(">I", ERROR_CODES["CANCEL"]))

    with RawServer(script) as server:
        result = programs.client(server.address, "empty_unary", "--timeout-ms", 300)
    assert (result.code, result.reason) == (1, "deadlineExceeded: no answer within 300 ms (PEER)")


# --- GOAWAY


def test_calls_above_the_last_stream_of_a_goaway_go_to_a_new_connection():
    def going_away(connection):
        connection.greet()
        connection.read_request()
        connection.goaway(0)
        connection.drain()

    with RawServer(going_away, serve) as server:
        result = programs.client(server.address, "empty_unary")
        assert result.code == 0, result
        assert len(server.connections) == 2


def test_a_call_is_repeated_once_only():
    def going_away(connection):
        connection.greet()
        connection.read_request()
        connection.goaway(0)
        connection.drain()

    with RawServer(going_away) as server:
        result = programs.client(server.address, "empty_unary")
        assert (result.code, result.reason) == (1, "unavailable: the server is closing the connection (NO_ERROR) (PEER)")
        assert len(server.connections) == 2


def test_a_call_below_the_last_stream_of_a_goaway_is_finished():
    def script(connection):
        connection.greet()
        request = connection.read_request()
        connection.goaway(0x7FFFFFFF)
        connection.respond(request.stream)
        connection.goaway(request.stream)
        connection.send_data(request.stream, message(b""))
        connection.send_trailers(request.stream, ("grpc-status", "0"))
        connection.drain()

    with RawServer(script) as server:
        result = programs.client(server.address, "empty_unary")
        assert result.code == 0, result
        assert len(server.connections) == 1


def test_the_next_call_after_a_goaway_takes_a_new_connection_and_the_old_one_is_closed():
    def polite(connection):
        connection.greet()
        connection.answer(connection.read_request())
        connection.goaway(1)
        with pytest.raises((PeerGone, ConnectionError)):  # The client closes: nothing is open any more.
            while True:
                connection.read_frame()

    with RawServer(polite, serve) as server:
        with programs.Program("client", "--server", server.address, "calls") as client:
            assert client.ask("") == "ok"
            server.wait_for_end(0)
            assert client.ask("") == "ok"
            assert client.finish() == 0
        assert len(server.connections) == 2


def test_goaway_with_an_error_tells_the_code():
    def script(connection):
        connection.greet()
        connection.read_request()
        connection.goaway(0, ERROR_CODES["ENHANCE_YOUR_CALM"], b"too_many_pings")

    with RawServer(script) as server:
        result = programs.client(server.address, "empty_unary")
    assert (result.code, result.reason) == (1, "unavailable: the server is closing the connection (ENHANCE_YOUR_CALM) (PEER)")


def test_an_idle_connection_that_the_server_closes_costs_no_call():
    def one_answer(connection):
        connection.greet()
        connection.answer(connection.read_request())

    with RawServer(one_answer, serve) as server:
        with programs.Program("client", "--server", server.address, "calls") as client:
            assert client.ask("") == "ok"
            server.wait_for_end(0)
            # The client may not have noticed yet: then the call fails as lost, and never as something else.
            answers = [client.ask(""), client.ask("")]
            assert answers[1] == "ok"
            lost = f"unavailable: connection to {server.address} lost: "
            assert answers[0] == "ok" or answers[0].startswith(lost)
            assert client.finish() == 0


# --- SETTINGS and PING


def test_settings_may_come_again_at_any_time():
    """Milvus 2.3.5 sends an empty SETTINGS first and a second one after the first request."""

    def script(connection):
        connection.greet()
        request = connection.read_request()
        connection.send_settings([(MAX_FRAME_SIZE, 16384), (0xFE03, 1)])
        connection.respond(request.stream)
        connection.send_settings([(MAX_CONCURRENT_STREAMS, 1), (INITIAL_WINDOW_SIZE, 70000)])
        connection.send_data(request.stream, message(b""))
        connection.send_trailers(request.stream, ("grpc-status", "0"))
        connection.wait_for(lambda f: f.type == SETTINGS and f.flags & ACK)
        connection.wait_for(lambda f: f.type == SETTINGS and f.flags & ACK)
        connection.drain()

    with RawServer(script) as server:
        result = programs.client(server.address, "empty_unary")
    assert result.code == 0, result


def test_the_settings_acknowledgement_may_be_late():
    """Milvus 2.3.5 acknowledges our SETTINGS only after the first HEADERS: the client must not wait for it."""

    def script(connection):
        connection.send_settings()
        assert connection.read_exactly(24)
        request = connection.read_request()
        connection.send(frame(SETTINGS, ACK, 0))
        connection.answer(request)
        connection.drain()

    with RawServer(script) as server:
        assert programs.client(server.address, "empty_unary").code == 0


def test_a_ping_is_answered_with_its_own_bytes():
    def script(connection):
        connection.greet()
        request = connection.read_request()
        connection.send(frame(PING, 0, 0, b"12345678"))
        answer = connection.wait_for(lambda f: f.type == PING)
        assert (answer.flags, answer.payload) == (ACK, b"12345678")
        connection.answer(request)
        connection.drain()

    with RawServer(script) as server:
        assert programs.client(server.address, "empty_unary").code == 0


def test_ten_thousand_pings_are_answered_while_the_server_reads():
    def script(connection):
        connection.greet()
        request = connection.read_request()
        for _ in range(100):
            connection.send(frame(PING, 0, 0, bytes(8)) * 100)
            for _ in range(100):
                connection.wait_for(lambda f: f.type == PING and f.flags & ACK)
        connection.answer(request)
        connection.drain()

    with RawServer(script) as server:
        assert programs.client(server.address, "empty_unary").code == 0


def test_a_flood_of_pings_that_nobody_reads_ends_the_connection():
    """The answers cannot leave; holding them without limit would let a server fill our memory."""

    def script(connection):
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.greet()
        connection.read_request()
        with contextlib.suppress(ConnectionError):
            while True:
                connection.send(frame(PING, 0, 0, bytes(8)) * 1000)

    with RawServer(script) as server:
        with programs.Program("client", "--server", server.address, "--timeout-ms", "20000", "calls") as client:
            answer = client.ask("").replace(server.address, "PEER")
            assert answer.startswith("unavailable: connection to PEER lost: "), answer
            assert client.peak_memory() < 64 << 20


def test_keepalive_finds_a_server_that_is_gone():
    def script(connection):
        connection.greet()
        connection.read_request()
        # Never answers the PING; the socket stays open.
        while connection.read_frame().type != PING:
            pass
        with contextlib.suppress(PeerGone, ConnectionError):
            connection.read_frame()

    with RawServer(script) as server:
        result = programs.client(server.address, "empty_unary", "--keepalive-ms", 200)
    assert (result.code, result.reason) == (1, "unavailable: connection to PEER lost: no answer to a keepalive ping")


def test_no_ping_without_a_call():
    """A polite client: `too_many_pings` begins with pings on an idle connection (public-rpc.md §1.1)."""

    is_quiet = threading.Event()

    def script(connection):
        connection.greet()
        connection.answer(connection.read_request())
        # Ten times the keepalive period: nothing else may come.
        connection.sock.settimeout(1.0)
        with pytest.raises(socket.timeout):
            while connection.read_frame().type != PING:
                pass
        connection.sock.settimeout(20)
        is_quiet.set()
        connection.answer(connection.read_request())
        connection.drain()

    with RawServer(script) as server:
        with programs.Program("client", "--server", server.address, "--keepalive-ms", "100", "calls") as client:
            assert client.ask("") == "ok"
            assert is_quiet.wait(programs.SECONDS)
            assert client.ask("") == "ok"
            assert client.finish() == 0


def test_more_calls_than_streams_wait_for_each_other():
    highest = []

    def script(connection):
        connection.greet([(MAX_CONCURRENT_STREAMS, 3)])
        open_streams, bodies, done = set(), {}, 0
        while done < 40:
            found = connection.read_frame()
            if found.type == HEADERS:
                connection._decoder.decode(found.payload)
                open_streams.add(found.stream)
                highest.append(len(open_streams))
            if found.type == DATA:
                bodies[found.stream] = bodies.get(found.stream, b"") + found.payload
            if found.type in (HEADERS, DATA) and found.flags & END_STREAM:
                # The size of the answer is the second field of the request.
                connection.respond(found.stream)
                size = bodies[found.stream][6]
                payload = b"\x12" + bytes([size]) + bytes(size)
                connection.send_data(found.stream, message(b"\x0a" + bytes([len(payload)]) + payload))
                connection.send_trailers(found.stream, ("grpc-status", "0"))
                open_streams.discard(found.stream)
                done += 1
        connection.drain()

    with RawServer(script) as server:
        result = programs.client(server.address, "concurrent_unary", "--count", 40)
        assert (result.code, result.output) == (0, b"40 calls\n"), result
        assert max(highest) == 3
        assert len(server.connections) == 1


# --- Restarts and refusals


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_nobody_listens():
    result = programs.client(f"127.0.0.1:{free_port()}", "empty_unary")
    assert (result.code, result.reason) == (1, "unavailable: cannot connect to PEER: connection refused")


def test_a_name_that_does_not_exist():
    result = programs.client("no-such-host.invalid:19530", "empty_unary")
    assert result.code == 1
    assert result.reason.startswith("unavailable: cannot connect to PEER: "), result


def test_calls_go_on_after_the_server_was_restarted():
    with GrpcioServer() as first:
        port = first.port
        client = programs.Program("client", "--server", first.address, "calls")
        with client:
            assert client.ask("") == "ok"
            first.stop()
            answers = [client.ask("").replace(first.address, "PEER")]
            while "connection refused" not in answers[-1]:
                answers.append(client.ask("").replace(first.address, "PEER"))
                assert len(answers) < 1000, answers[-3:]
            assert all(answer.startswith("unavailable: ") for answer in answers)
            with GrpcioServer(port=port):
                # Back-off: soon, but not at once.
                started = time.monotonic()
                while client.ask("") != "ok":
                    assert time.monotonic() - started < 10
            assert client.finish() == 0


def test_a_server_that_dies_in_the_middle_of_a_message():
    def script(connection):
        connection.greet()
        request = connection.read_request()
        connection.respond(request.stream)
        connection.send_data(request.stream, message(bytes(1000))[:500])
        # RST instead of FIN, as a killed process with unread data leaves behind.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    with RawServer(script) as server:
        result = programs.client(server.address, "empty_unary")
    assert (result.code, result.reason) == (1, "unavailable: connection to PEER lost: connection reset by peer")
