"""Amounts: large messages at the limits, many calls, long streams, slow readers and writers; memory stays bounded throughout."""

import concurrent.futures
import hashlib
import os

import grpc
import pytest

import grpcio_client
import messages as m
import programs
from flow_peer import FlowServer
from grpc_testing import GrpcioServer

MEGABYTE = 1 << 20
# A relay of random bytes cannot pass by luck; the digest shows that nothing was lost, repeated or reordered.
RELAY_MEGABYTES = 100


@pytest.fixture(scope="module")
def random_bytes():
    return os.urandom(RELAY_MEGABYTES * MEGABYTE)


def digest(data):
    return hashlib.sha256(data).hexdigest()


# --- 100 MiB both ways


def test_our_client_relays_100_mib_through_grpcio(grpcio_server, security, random_bytes):
    options = [*security.client_options, "--timeout-ms", 60000]
    result = programs.client(grpcio_server.address, "relay", *options, stdin=random_bytes)
    assert (result.code, result.errors) == (0, "")
    assert digest(result.output) == digest(random_bytes)


def test_grpcio_relays_100_mib_through_our_server(our_server, security, random_bytes):
    chunks = [random_bytes[at:at + MEGABYTE] for at in range(0, len(random_bytes), MEGABYTE)]
    echoed = hashlib.sha256()
    count = 0
    with security.channel(our_server.address) as channel:
        echo = channel.stream_stream("/wireinterop.Relay/Echo")  # Without serializers: bytes.
        for message in echo(iter(chunks), timeout=programs.SECONDS):
            echoed.update(message)
            count += 1
    assert count == RELAY_MEGABYTES
    assert echoed.hexdigest() == digest(random_bytes)
    assert our_server.peak_memory() < 96 * MEGABYTE


# --- Many calls


def test_1000_concurrent_calls_of_our_client(grpcio_server, security):
    result = programs.client(grpcio_server.address, "concurrent_unary", *security.client_options, "--count", 1000)
    assert (result.code, result.output) == (0, b"1000 calls\n"), result


def test_1000_concurrent_calls_to_our_server(channel):
    stub = grpcio_client.Stub(channel)
    futures = [
        stub.UnaryCall.future(m.SimpleRequest(response_size=size, payload=m.zeros(size)), timeout=programs.SECONDS)
        for size in range(1, 1001)
    ]
    assert [len(future.result().payload.body) for future in futures] == list(range(1, 1001))


def test_100_connections_to_our_server(our_server, security):
    def one_connection(_):
        # A subchannel pool of its own: grpcio would share one connection otherwise.
        with security.channel(our_server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            grpcio_client.run("ping_pong", channel)

    with concurrent.futures.ThreadPoolExecutor(max_workers=20) as pool:
        list(pool.map(one_connection, range(100)))


# --- Limits of one message


def message_bytes(payload):
    """Size of a message with that payload in field 1: two lengths and two tags more."""
    inner = 1 + varint_bytes(payload) + payload
    return 1 + varint_bytes(inner) + inner


def varint_bytes(value):
    return max(1, (value.bit_length() + 6) // 7)


def payload_for(size):
    """The payload with which a message has exactly that size."""
    (payload,) = [p for p in range(size - 16, size) if message_bytes(p) == size]
    return payload


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_a_client_with_a_small_limit(excess):
    limit = message_bytes(314159) + excess
    with GrpcioServer() as server:
        result = programs.client(server.address, "large_unary", "--receive-limit", limit)
    if excess >= 0:
        assert result.code == 0, result
    else:
        assert (result.code, result.reason) == (
            1, f"resourceExhausted: message of {limit + 1} bytes is larger than the receive limit of {limit} bytes (PEER)")


@pytest.mark.parametrize("excess", [0, 1])
def test_the_clients_default_limit_is_256_mib(excess):
    payload = payload_for(256 * MEGABYTE + excess)
    with GrpcioServer() as server:
        options = ["--count", 1, "--bytes", payload, "--timeout-ms", 60000]
        result = programs.client(server.address, "download", *options)
    if excess == 0:
        assert (result.code, result.output) == (0, f"received {payload} bytes\n".encode()), result
    else:
        assert (result.code, result.reason) == (
            1, "resourceExhausted: message of 268435457 bytes is larger than the receive limit of 268435456 bytes (PEER)")


@pytest.mark.parametrize("excess", [0, 1])
def test_the_servers_limit(excess, security):
    size = 1 * MEGABYTE + excess
    request = m.SimpleRequest(payload=m.zeros(payload_for(size)))
    assert request.ByteSize() == size
    with programs.server(*security.server_options, "--receive-limit", MEGABYTE) as server:
        with security.channel(server.address) as channel:
            stub = grpcio_client.Stub(channel)
            if excess == 0:
                assert stub.UnaryCall(request, timeout=programs.SECONDS) == m.SimpleResponse(payload=m.zeros(0))
            else:
                assert grpcio_client.status_of(lambda: stub.UnaryCall(request, timeout=programs.SECONDS)) == (
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "message of 1048577 bytes is larger than the receive limit of 1048576 bytes")
            # The connection is as good as new.
            assert stub.EmptyCall(m.Empty(), timeout=programs.SECONDS) == m.Empty()


# --- Back-pressure. `flow_peer` speaks through h2, which raises when a window is not kept.


def test_a_client_that_does_not_read_stops_the_server():
    """What the server may send ends at the client's window, however much there is, and goes on when the client reads."""
    with FlowServer(FlowServer.send_until_stopped(total=64 * MEGABYTE)) as server:
        with programs.Program("client", "--server", server.address, "--count", "64", "--bytes", str(MEGABYTE),
                              "--timeout-ms", "60000", "paused_download") as client:
            assert client.line() == "paused"
            stopped_at = server.stopped_at()
            # One window, and the message that the reader took before it paused.
            assert stopped_at <= 4 * MEGABYTE + 2 * MEGABYTE
            assert client.ask("") == f"received {64 * MEGABYTE} bytes"
            assert client.peak_memory() < 64 * MEGABYTE
            assert client.finish() == 0


def test_a_server_that_does_not_read_stops_the_client():
    """128 MiB through windows of 64 KiB: the client holds little more than it may send."""
    with FlowServer(FlowServer.receive_slowly) as server:
        with programs.Program("client", "--server", server.address, "--count", "128", "--bytes", str(MEGABYTE),
                              "--timeout-ms", "60000", "upload") as client:
            assert client.line() == f"the server received {128 * MEGABYTE} bytes"
            assert client.peak_memory() < 48 * MEGABYTE
            assert client.finish() == 0


def test_windows_that_change_in_the_middle_of_a_message():
    """INITIAL_WINDOW_SIZE shrinks and grows under a running upload; a stream's window may even become negative."""
    with FlowServer(FlowServer.change_windows) as server:
        result = programs.client(server.address, "upload", "--count", 8, "--bytes", MEGABYTE)
    assert (result.code, result.output) == (0, f"the server received {8 * MEGABYTE} bytes\n".encode()), result


def test_a_slow_reader_does_not_stop_the_calls_beside_it(our_server, channel):
    stub = grpcio_client.Stub(channel)
    parameters = [m.ResponseParameters(size=MEGABYTE)] * 64
    slow = stub.StreamingOutputCall(m.StreamingOutputCallRequest(response_parameters=parameters), timeout=programs.SECONDS)
    assert len(next(slow).payload.body) == MEGABYTE
    for _ in range(20):
        assert stub.EmptyCall(m.Empty(), timeout=programs.SECONDS) == m.Empty()
    assert sum(len(response.payload.body) for response in slow) == 63 * MEGABYTE


def test_a_long_download_needs_little_memory(grpcio_server, security):
    with programs.Program("client", "--server", grpcio_server.address, *security.client_options, "--count", "256", "--bytes",
                          str(MEGABYTE), "--timeout-ms", "60000", "download") as client:
        assert client.line() == f"received {256 * MEGABYTE} bytes"
        assert client.peak_memory() < 64 * MEGABYTE
        assert client.finish() == 0
