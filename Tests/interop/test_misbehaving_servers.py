"""Servers that break the rules, or keep to them in rare ways: what our client does, and the text that a person reads.

PEER stands for `host:port` of the server. No case may hang: every one ends long before the run's own limit.
"""

import struct

import grpc
import pytest

import programs
from grpc_testing import GrpcioServer
from raw_peer import (CONTINUATION, DATA, END_HEADERS, HEADERS, PUSH_PROMISE, SETTINGS, WINDOW_UPDATE, RawServer, frame,
                      header_block, message)


def run(script, *options, case="empty_unary"):
    with RawServer(script) as server:
        return programs.client(server.address, case, *options)


def expect_failure(result, reason):
    assert (result.code, result.reason, result.output) == (1, reason, b"")


# --- Before the first request


def silent(connection):
    connection.drain()


def silent_after_reading(connection):
    connection.read_exactly(24)
    connection.drain()


def talks_garbage(connection):
    connection.send(bytes(range(200, 256)) * 4)
    connection.drain()


def talks_http1(connection):
    connection.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


def sends_a_tls_alert(connection):
    connection.send(b"\x15\x03\x01\x00\x02\x02\x46")


def closes_at_once(connection):
    connection.read_exactly(24)


def settings_of_half_an_entry(connection):
    connection.send(frame(SETTINGS, 0, 0, b"\x00\x03\x00"))
    connection.drain()


def frame_beyond_the_limit(connection):
    connection.greet()
    connection.send(frame(DATA, 0, 0, bytes(16385)))
    connection.drain()


@pytest.mark.parametrize(("script", "reason"), [
    (silent, "unavailable: cannot connect to PEER: no HTTP/2 settings within 300 ms"),
    (silent_after_reading, "unavailable: cannot connect to PEER: no HTTP/2 settings within 300 ms"),
    (talks_garbage, "unavailable: cannot connect to PEER: the server does not speak HTTP/2"),
    (talks_http1, "unavailable: cannot connect to PEER: the server speaks HTTP/1.1, not gRPC"),
    (sends_a_tls_alert, "unavailable: cannot connect to PEER: the server speaks TLS; use https://"),
    (closes_at_once, "unavailable: cannot connect to PEER: the server closed the connection at once (does it want TLS?)"),
    (settings_of_half_an_entry, "unavailable: connection to PEER lost: the peer broke HTTP/2: FRAME_SIZE_ERROR"),
    (frame_beyond_the_limit, "unavailable: connection to PEER lost: the peer broke HTTP/2: too large frame size"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_no_connection(script, reason):
    expect_failure(run(script, "--connect-timeout-ms", 300), reason)


# --- The answer


def never_answers(connection):
    connection.greet()
    connection.read_request()
    connection.drain()


def answers_half(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_data(request.stream, message(b"whole")[:7])


def ends_inside_a_message(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_data(request.stream, message(b"whole")[:7])
    connection.send_trailers(request.stream, ("grpc-status", "0"))
    connection.drain()


def ends_without_trailers(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_data(request.stream, message(b""), end=True)
    connection.drain()


def trailers_only(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream, ("grpc-status", "5"), ("grpc-message", "no%20such%20%E2%98%BA thing%"), end=True)
    connection.drain()


def trailers_only_without_a_status(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream, end=True)
    connection.drain()


def ok_without_a_message(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_trailers(request.stream, ("grpc-status", "0"))
    connection.drain()


def two_messages(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_data(request.stream, message(b"") + message(b""))
    connection.send_trailers(request.stream, ("grpc-status", "0"))
    connection.drain()


def trailers_without_a_status(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_data(request.stream, message(b""))
    connection.send_trailers(request.stream, ("x-other", "1"))
    connection.drain()


def unknown_status(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_trailers(request.stream, ("grpc-status", "42"), ("grpc-message", "of my own"))
    connection.drain()


def status_that_is_no_number(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_trailers(request.stream, ("grpc-status", "fine"))
    connection.drain()


def http_503(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream, status="503", content_type="text/html")
    connection.send_data(request.stream, b"<html>try later</html>", end=True)
    connection.drain()


def http_404_without_a_body(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream, status="404", content_type=None, end=True)
    connection.drain()


def html_with_200(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream, content_type="text/html; charset=utf-8")
    connection.send_data(request.stream, b"<html>welcome</html>", end=True)
    connection.drain()


def informational_headers_first(connection):
    connection.greet()
    request = connection.read_request()
    connection.send(frame(HEADERS, END_HEADERS, request.stream, header_block([(":status", "103")])))
    connection.respond(request.stream, ("grpc-status", "9"), ("grpc-message", "not now"), end=True)
    connection.drain()


def headers_twice(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.respond(request.stream)
    connection.drain()


def data_before_headers(connection):
    connection.greet()
    request = connection.read_request()
    connection.send_data(request.stream, message(b""))
    connection.drain()


def flag_of_seven(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_data(request.stream, message(b"", flag=7))
    connection.drain()


def compressed_message(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream, ("grpc-encoding", "gzip"))
    connection.send_data(request.stream, message(b"\x1f\x8b", flag=1))
    connection.drain()


def announces_four_gigabytes(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream)
    connection.send_data(request.stream, b"\x00\xff\xff\xff\xff")
    connection.drain()


def oversized_headers(connection):
    connection.greet()
    request = connection.read_request()
    block = header_block([(":status", "200"), ("content-type", "application/grpc"),
                          *((f"x-{index}", "v" * 1000) for index in range(80))])
    parts = [block[at:at + 16000] for at in range(0, len(block), 16000)]
    for index, part in enumerate(parts):
        kind = CONTINUATION if index else HEADERS
        connection.send(frame(kind, END_HEADERS if index == len(parts) - 1 else 0, request.stream, part))
    connection.drain()


def malformed_binary_header(connection):
    connection.greet()
    request = connection.read_request()
    connection.respond(request.stream, ("x-thing-bin", "no base64!"))
    connection.send_data(request.stream, message(b""))
    connection.send_trailers(request.stream, ("grpc-status", "0"))
    connection.drain()


def no_pseudo_header(connection):
    connection.greet()
    request = connection.read_request()
    connection.send(frame(HEADERS, END_HEADERS, request.stream, header_block([("content-type", "application/grpc")])))
    connection.drain()


def damaged_header_block(connection):
    connection.greet()
    request = connection.read_request()
    connection.send(frame(HEADERS, END_HEADERS, request.stream, b"\xff\xff\xff\xff\xff\xff"))
    connection.drain()


def pushes(connection):
    connection.greet()
    request = connection.read_request()
    promised = struct.pack(">I", 2) + header_block([(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "x")])
    connection.send(frame(PUSH_PROMISE, END_HEADERS, request.stream, promised))
    connection.drain()


def data_on_a_stream_that_never_was(connection):
    connection.greet()
    connection.read_request()
    connection.send_data(99, b"surprise")
    connection.drain()


def window_that_overflows(connection):
    connection.greet()
    request = connection.read_request()
    connection.send(frame(WINDOW_UPDATE, 0, request.stream, struct.pack(">I", 0x7FFFFFFF)))
    connection.drain()


def connection_window_that_overflows(connection):
    connection.greet()
    connection.read_request()
    connection.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF)))
    connection.drain()


@pytest.mark.parametrize(("script", "reason"), [
    (never_answers, "deadlineExceeded: no answer within 1 s (PEER)"),
    (answers_half, "unavailable: connection to PEER lost: the server closed the connection"),
    (ends_inside_a_message, "internal: the server ended the call inside a message (PEER)"),
    (ends_without_trailers, "internal: the server ended the call without a status (PEER)"),
    (trailers_only, "notFound: no such ☺ thing% (PEER)"),
    (trailers_only_without_a_status, "unknown: the server's trailers have no grpc-status (PEER)"),
    (ok_without_a_message, "internal: the server ended the call without a message (PEER)"),
    (two_messages, "internal: the server sent more than one message (PEER)"),
    (trailers_without_a_status, "unknown: the server's trailers have no grpc-status (PEER)"),
    (unknown_status, 'unknown: grpc-status "42": of my own (PEER)'),
    (status_that_is_no_number, 'unknown: grpc-status "fine" (PEER)'),
    (http_503, 'unavailable: the server answered HTTP 503 with content type "text/html", not gRPC (PEER)'),
    (http_404_without_a_body, "unimplemented: the server answered HTTP 404 with no content type, not gRPC (PEER)"),
    (html_with_200, 'unknown: the server answered HTTP 200 with content type "text/html; charset=utf-8", not gRPC (PEER)'),
    (informational_headers_first, "failedPrecondition: not now (PEER)"),
    (headers_twice, "internal: the server broke HTTP/2: Invalid HTTP header field was received (PEER)"),
    (data_before_headers, "unavailable: connection to PEER lost: the peer broke HTTP/2: DATA: stream not opened"),
    (flag_of_seven, "internal: malformed message prefix: the first byte is 7, not 0 or 1 (PEER)"),
    (compressed_message,
     "internal: the peer compressed a message (gzip); compressed messages such as gzip are not supported (PEER)"),
    (announces_four_gigabytes,
     "resourceExhausted: message of 4294967295 bytes is larger than the receive limit of 268435456 bytes (PEER)"),
    (oversized_headers, "resourceExhausted: the server's headers are larger than the limit (PEER)"),
    (malformed_binary_header, 'internal: the value of metadata "x-thing-bin" is malformed (PEER)'),
    (no_pseudo_header, "internal: the server broke HTTP/2: Violation in HTTP messaging rule (PEER)"),
    (damaged_header_block, "unavailable: connection to PEER lost: the peer broke HTTP/2: COMPRESSION_ERROR"),
    (pushes, "internal: the server broke HTTP/2: Protocol error (PEER)"),
    (data_on_a_stream_that_never_was, "unavailable: connection to PEER lost: the peer broke HTTP/2: DATA: stream in idle"),
    (window_that_overflows, "internal: the server broke HTTP/2: Flow control error (PEER)"),
    (connection_window_that_overflows, "unavailable: connection to PEER lost: the peer broke HTTP/2: Flow control error"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_no_proper_answer(script, reason):
    expect_failure(run(script, "--timeout-ms", 1000), reason)


def test_a_grpcio_server_that_compresses():
    """We announce `identity` only; grpcio as configured here compresses all the same."""
    with GrpcioServer(compression=grpc.Compression.Gzip) as server:
        result = programs.client(server.address, "large_unary")
    expect_failure(
        result, "internal: the peer compressed a message (gzip); compressed messages such as gzip are not supported (PEER)")
